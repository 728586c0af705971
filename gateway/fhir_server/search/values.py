"""The values of search parameters, taken apart.

Source: FHIR R4 search (https://hl7.org/fhir/R4/search.html): escaping, tokens, dates with prefixes, references.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le"]
PREFIXES: tuple[Prefix, ...] = get_args(Prefix)

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
"""https://hl7.org/fhir/R4/datatypes.html#id"""

_ESCAPED = re.compile(r"\\([\\,$|])")
_DATE = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d{2})(-(?P<day>\d{2})"
    r"(T(?P<hour>\d{2}):(?P<minute>\d{2})(:(?P<second>\d{2})(\.(?P<fraction>\d{1,6})\d*)?)?"
    r"(?P<zone>Z|[+\- ]\d{2}:\d{2})?)?)?)?",
    re.ASCII,
)
_LAST_YEAR = 9998
_LOCAL = re.compile(r"(?:(?P<base>https?://\S+)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})")


class BadValue(ValueError):  # noqa: N818 - what it is
    """What is wrong with a value, in words that do not repeat it."""


def parts(value: str, separator: str) -> list[str]:
    """A value at its separators; what is escaped is left alone, and still escaped."""
    found, escaped = [""], False
    for letter in value:
        if letter == separator and not escaped:
            found.append("")
        else:
            found[-1] += letter
        escaped = letter == "\\" and not escaped
    return found


def plain(value: str) -> str:
    """Without escapes."""
    return _ESCAPED.sub(r"\1", value)


@dataclass(frozen=True, slots=True)
class Token:
    """`code`, `system|code`, `|code` (in no system) or `system|` (any code of it)."""

    system: str | None
    """None: whatever the system; the empty text: none."""
    code: str | None


def token(value: str) -> Token:
    """Raises BadValue."""
    found = parts(value, "|")
    if len(found) > 2:
        raise BadValue("a token is code, system|code, |code or system|")
    *before, code = (plain(part) for part in found)
    if not before:
        return Token(None, code)
    if not before[0] and not code:
        raise BadValue("a token has a system or a code")
    return Token(before[0], code or None)


def boolean(value: str) -> bool:
    """Raises BadValue."""
    if value not in ("true", "false"):
        raise BadValue("it is true or false")
    return value == "true"


@dataclass(frozen=True, slots=True)
class Range:
    """A date with its prefix, as the span that it stands for: from `low` to before `high`."""

    prefix: Prefix
    low: datetime
    high: datetime


def date(value: str) -> Range:
    """A FHIR date, partial or not, with a prefix or without; without a zone it is UTC. Raises BadValue."""
    prefix: Prefix = next((one for one in PREFIXES if value.startswith(one)), "eq")
    match = _DATE.fullmatch(value.removeprefix(prefix))
    if match is None:
        raise BadValue(f"a date is wanted (2026, 2026-11, 2026-11-29, 2026-11-29T08:30:00Z), after {_PREFIXES} or none")
    try:
        return Range(prefix, *_span({name: found for name, found in match.groupdict().items() if found is not None}))
    except (ValueError, OverflowError):
        raise BadValue("this is no day or time of the calendar") from None


_PREFIXES = ", ".join(PREFIXES)


def _span(found: dict[str, str]) -> tuple[datetime, datetime]:
    year = int(found["year"])
    if year > _LAST_YEAR:
        raise ValueError("beyond our calendar")
    fraction = found.get("fraction")
    low = datetime(
        year,
        int(found.get("month", "1")),
        int(found.get("day", "1")),
        int(found.get("hour", "0")),
        int(found.get("minute", "0")),
        int(found.get("second", "0")),
        int(fraction.ljust(6, "0")) if fraction else 0,
        tzinfo=UTC,
    )
    if "month" not in found:
        high = low.replace(year=year + 1)
    elif "day" not in found:
        high = (low + timedelta(days=31)).replace(day=1)
    elif "hour" not in found:
        high = low + timedelta(days=1)
    elif "second" not in found:
        high = low + timedelta(minutes=1)
    else:
        high = low + timedelta(microseconds=10 ** (6 - len(fraction)) if fraction else 1_000_000)
    zone = found.get("zone", "Z")
    if zone != "Z":
        # A plus that nobody escaped arrives as a space.
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        shift = timedelta(hours=hours, minutes=minutes) * (1 if zone[0] == "-" else -1)
        low, high = low + shift, high + shift
    return low, high


@dataclass(frozen=True, slots=True)
class Local:
    """A literal reference: a type (None: not said) and an id; `elsewhere`: on another server."""

    type: str | None
    id: str
    elsewhere: bool = False


def reference(value: str, base: str) -> Local | None:
    """`Type/id`, an id, or an absolute address; None for what is none of these."""
    value = plain(value)
    if ID.fullmatch(value):
        return Local(None, value)
    match = _LOCAL.fullmatch(value.partition("/_history/")[0])
    if match is None:
        return None
    return Local(match["type"], match["id"], elsewhere=match["base"] not in (None, base))


def alternatives(value: str) -> Iterator[str]:
    """The values of a parameter, of which one has to hold."""
    yield from parts(value, ",")
