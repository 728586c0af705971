"""Moments and days, as HL7 writes them.

Source: HL7 v2.5.1, 2.A.22 (DTM: YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]) and 2.A.21 (DT). A time without an
offset is one on the sender's clock (2.A.22): we take the clinic's time zone for that.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from gateway.hl7.reading import Segment
from gateway.hl7.refusal import Hl7Error, Place

_DTM = re.compile(
    r"(?P<year>\d{4})(?:(?P<month>\d\d)(?:(?P<day>\d\d)(?:(?P<hour>\d\d)(?:(?P<minute>\d\d)(?:(?P<second>\d\d)"
    r"(?:\.\d{1,9})?)?)?)?)?)?(?P<zone>[+-]\d{4})?",
    re.ASCII,
)
FURTHEST_OFFSET = timedelta(hours=14)


def moment(segment: Segment, field: int, zone: ZoneInfo, component: int = 1) -> datetime | None:
    """A moment in UTC; None where there is none, or where no day is said. Raises Hl7Error."""
    said = segment.text(field, component)
    return moment_of(said, zone, segment.at(field)) if said else None


def moment_of(said: str, zone: ZoneInfo, place: Place) -> datetime | None:
    """The same, of a value. A day alone begins at midnight."""
    match = _DTM.fullmatch(said)
    if match is None:
        raise Hl7Error("102", "a time is written YYYYMMDDHHMM[SS][+/-ZZZZ]", place)
    if match["day"] is None:
        return None
    numbers = [int(match[part] or 0) for part in ("year", "month", "day", "hour", "minute", "second")]
    try:
        local = datetime(*numbers[:5], min(numbers[5], 59), tzinfo=_offset(match["zone"]) or zone)  # type: ignore[misc,arg-type]
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Hl7Error("102", "this is no day or time that exists", place) from None


def day(segment: Segment, field: int) -> str | None:
    """A day as FHIR writes it, perhaps only its year and month; None where there is none. Raises Hl7Error."""
    said = segment.text(field)
    if not said:
        return None
    place = segment.at(field)
    match = _DTM.fullmatch(said)
    if match is None:
        raise Hl7Error("102", "a day is written YYYYMMDD", place)
    try:
        datetime(int(match["year"]), int(match["month"] or 1), int(match["day"] or 1), tzinfo=UTC)
    except ValueError:
        raise Hl7Error("102", "this is no day that exists", place) from None
    return "-".join(match[part] for part in ("year", "month", "day") if match[part])


def written(at: datetime) -> str:
    """A moment for the wire, in UTC."""
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")


def _offset(said: str | None) -> timezone | None:
    if said is None:
        return None
    apart = timedelta(hours=int(said[1:3]), minutes=int(said[3:5]))
    if apart > FURTHEST_OFFSET:
        raise ValueError
    return timezone(-apart if said[0] == "-" else apart)
