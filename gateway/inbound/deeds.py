"""What an ask comes to when it is more than an action of the same name: that depends on where the journey stands.

Here the record is read; what is decided from it is in `decisions/`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from gateway.inbound.decisions import appointments, hospital_stays, scores
from gateway.inbound.decisions.decision import Decision
from gateway.inbound.deeds_data import (
    BookAppointment,
    CancelAppointment,
    DeedData,
    HospitalEvent,
    MissAppointment,
    MoveAppointment,
    RecordResults,
)
from gateway.inbound.finding import Found
from gateway.inbound.meaning import REQUEST_CANCELLATION
from gateway.inbound.snapshot import Snapshot
from pathways import loader
from pathways.source import PathwayError
from records import locating, snapshots
from records.database import Database
from records.inbound import AskRow

Deed = Callable[[Database, AskRow, Found], Awaitable[Decision]]
D = TypeVar("D", bound=DeedData)


def _deciding(data: type[D], decide: Callable[[D, Snapshot, str | None], Decision]) -> Deed:
    """A deed that reads the ask's data and the journey, and decides."""

    async def deed(database: Database, ask: AskRow, found: Found) -> Decision:
        seen = await snapshot(database, ask.tenant, found.journey)
        return decide(data.model_validate(ask.data), seen, found.visit)

    return deed


async def snapshot(database: Database, tenant: str, journey: str) -> Snapshot:
    """The journey as it stands now. Raises LookupError where there is none."""
    row = await snapshots.of_journey(database, tenant, journey)
    if row is None:
        raise LookupError("no journey of that id")
    return Snapshot.model_validate(
        {**row, "now": datetime.now(UTC), "surgical": _surgical(row.pop("pathway"))},
    )


def _surgical(label: str | None) -> bool:
    name, _, version = (label or "").partition("@")
    try:
        return bool(name) and loader.load(name, int(version) if version else None).surgical
    except PathwayError:
        return False


async def _request_cancellation(database: Database, ask: AskRow, found: Found) -> Decision:
    return [("note_cancellation", {})]


OF_A_JOURNEY: dict[str, Deed] = {
    REQUEST_CANCELLATION: _request_cancellation,
    "hospital_event": _deciding(HospitalEvent, lambda data, seen, _: hospital_stays.hospital_event(data, seen)),
    "book_appointment": _deciding(BookAppointment, appointments.book),
    "move_appointment": _deciding(MoveAppointment, appointments.move),
    "cancel_appointment": _deciding(CancelAppointment, appointments.cancel),
    "miss_appointment": _deciding(MissAppointment, appointments.miss),
    "record_results": _deciding(RecordResults, lambda data, seen, _: scores.record(data, seen)),
}
"""By the name of the ask."""


async def after(database: Database, ask: AskRow, found: Found, result: dict[str, Any]) -> None:
    """Remember the visit that a sender's appointment became, so that the next message about it finds it."""
    number = ask.data.get("number")
    if ask.name not in ("book_appointment", "move_appointment") or not isinstance(number, str) or "seq" not in result:
        return
    visit = await snapshots.visit_of_row(database, found.journey, int(result["seq"]))
    if visit is not None:
        await locating.remember_appointment(database, ask.tenant, ask.sender, number, found.journey, visit)
