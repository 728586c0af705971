"""Values, changes and dates in words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from care.responder import improvement
from care.score import Measure, ScoreValue

NOT_ON_RECORD = "not on record"


def change(measure: Measure, before: float, after: float) -> str:
    """How much, which way, and what that is worth by the measure's own thresholds."""
    gain = improvement(measure, before, after)
    size = abs(gain)
    if not size:
        return "none"
    words = f"{number(size)} {change_unit(measure, size)} {'better' if gain > 0 else 'worse'}"
    if measure.mcid_pct is not None and before:
        words += f" ({100 * size / abs(before):.0f}% of the start)"
    worth = [*against_mcid(measure, size, before)]
    if measure.mdc is not None:
        worth.append(f"{'beyond' if size > measure.mdc else 'within'} measurement error ({measure.mdc:g})")
    return f"{words}, {'; '.join(worth)}" if worth else f"{words}; no threshold is known for this measure"


def against_mcid(measure: Measure, size: float, before: float) -> Iterator[str]:
    """The smallest change that matters, given in the measure's unit, in per cent of the start, or in both."""
    matters = "the smallest change that matters"
    points = compared(size, measure.mcid) if measure.mcid is not None else None
    share = compared(100 * size / abs(before), measure.mcid_pct) if measure.mcid_pct is not None and before else None
    if points and points == share:
        yield f"{points} {matters} ({measure.mcid:g}, and {measure.mcid_pct:g}%)"
    elif points and share:
        yield f"{points} {matters} ({measure.mcid:g}), but {share} it as a share of the start ({measure.mcid_pct:g}%)"
    elif points:
        yield f"{points} {matters} ({measure.mcid:g})"
    elif share:
        yield f"{share} {matters} ({measure.mcid_pct:g}%)"


def change_unit(measure: Measure, size: float) -> str:
    if measure.unit in (None, "%"):
        return "point" if size == 1 else "points"
    return "degrees" if measure.unit == "deg" else measure.unit


def compared(size: float, threshold: float) -> str:
    size, threshold = round(size, 6), round(threshold, 6)
    return "above" if size > threshold else "equal to" if size == threshold else "below"


def value(value: ScoreValue, measure: Measure | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return clean(value.replace("_", " "))
    unit = unit_of(measure) if measure else ""
    return f"{number(value)}{'' if unit in ('%', '°') else ' '}{unit}".strip()


def unit_of(measure: Measure) -> str:
    return {None: "", "deg": "°"}.get(measure.unit, measure.unit or "")


def number(value: float) -> str:
    return f"{round(value, 2):g}"


def count(n: float, what: str) -> str:
    return f"{n:g} {what}{'' if n == 1 else 's'}"


def most(words: list[str]) -> str:
    """The most frequent; the first of those equally frequent."""
    return max(words, key=words.count)


def times(n: int) -> str:
    return {1: "once", 2: "twice"}.get(n, f"{n} times")


def plain(id: str) -> str:  # noqa: A002
    return sentence(clean(id.replace("_", " ")))


def sentence(text: str) -> str:
    """A capital at the start; everything else as it is."""
    return text[:1].upper() + text[1:]


def clean(text: Any) -> str:
    """Text from outside in one line: composed, without control characters or marks that turn the reading direction.

    The two joiners stay: Persian and the scripts of India are not spelled right without them.
    """
    if text is None:
        return ""
    composed = unicodedata.normalize("NFC", str(text).replace("\n", " "))
    unseen = ("Cc", "Cf", "Cs", "Co", "Cn")
    seen = (c for c in composed if c in "\u200c\u200d\t\r" or unicodedata.category(c) not in unseen)
    return " ".join("".join(seen).split())


def day(moment: date) -> str:
    return f"{moment.day} {moment:%B %Y}"


def born(text: Any) -> str:
    """FHIR birth dates may be a year, or a year and a month."""
    written = clean(text)
    for form, words in (("%Y-%m-%d", None), ("%Y-%m", "%B %Y"), ("%Y", "%Y")):
        try:
            found = datetime.strptime(written, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return found.strftime(words) if words else day(found)
    return written or NOT_ON_RECORD


def surgery_date(row: Mapping[str, Any], zone: tzinfo) -> datetime:
    """The day of surgery: as data where the row has it, else from its words, else the day it was recorded."""
    if done := row["data"].get("done_at"):
        return datetime.fromisoformat(str(done)).astimezone(zone)
    words = str(row["text"]).partition(";")[0].removeprefix("Surgery took place on ")
    try:
        return datetime.strptime(words, "%d %B %Y").replace(tzinfo=zone)
    except ValueError:
        return moment(row["at"]).astimezone(zone)


def moment(at: Any) -> datetime:
    return at if isinstance(at, datetime) else datetime.fromisoformat(str(at))


def zone(name: Any) -> tzinfo:
    try:
        return ZoneInfo(str(name)) if name else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
