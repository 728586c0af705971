"""A message that asks something of a journey: stored, carried out at once where that goes, and answered.

A caller has a deadline of its own: what is not settled in five seconds is answered 202 with the Task to look at.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.access import guard
from gateway.answers import Problem
from gateway.fhir_server.writing.answer import Answer
from gateway.fhir_server.writing.delivery import Delivery
from gateway.fhir_server.writing.naming import onlooker
from gateway.inbound import Ask, Asked, Envelope, take_in
from gateway.inbound.carrying_out import carry_out
from records import orders
from records.database import DatabaseAway
from records.inbound import AskRow

STORED = "stored; not carried out yet, its Task says what becomes of it"
BY_A_PERSON = "stored; a person will say whom it is about or what is to be done"


@dataclass(frozen=True, slots=True)
class Settled:
    """How it ended, for now."""

    id: str
    row: AskRow | None
    """None where the record went away after the message was stored."""
    repeated: bool
    hidden: bool = False
    """It turned out to be about a journey of which the caller may not know that it is there."""

    @property
    def done(self) -> bool:
        """Whether the journey took it, and the caller may know."""
        return self.row is not None and self.row.status == "done" and not self.hidden

    @property
    def journey(self) -> str | None:
        """Whom it turned out to be about."""
        return self.row.journey if self.row is not None else None

    @property
    def seq(self) -> int | None:
        """The last row of the journal that it wrote; None where nothing followed from it."""
        found = (self.row.result or {}).get("seq") if self.row is not None else None
        return found if isinstance(found, int) else None


async def ask(delivery: Delivery, envelope: Envelope, one: Ask) -> Settled:
    """Store it and carry it out. Raises Problem: a delivery's key was used before (409), the journey says no (422)."""
    database = delivery.gateway.database
    actor = None if delivery.caller.kind == "system" else delivery.caller.actor()
    taken = await take_in(database, envelope, Asked(asks=(one.model_copy(update={"actor": actor}),)))
    if taken.outcome == "conflict" or not taken.asks:
        raise Problem(409, "duplicate", taken.reason or "this delivery's id was used before for something else")
    id_ = taken.asks[0]
    guard.about(delivery.request, f"Task/{id_}")
    try:
        row = await carry_out(database, delivery.gateway.temporal, id_)
    except DatabaseAway:  # it is stored: the relay goes on with it
        row = None
    hidden = row is not None and one.about.journey is None and not await _may_see(delivery, row.journey)
    settled = Settled(id_, row, repeated=taken.outcome == "duplicate", hidden=hidden)
    if row is not None and not hidden and row.status in ("refused", "dismissed"):
        code = row.code if row.code in ("not-found", "not-supported") else "business-rule"
        raise Problem(422, code, row.reason or "a person decided that nothing follows from it")
    return settled


async def _may_see(delivery: Delivery, journey: str | None) -> bool:
    """Whether a journey that a patient's number led to may be known to the caller. Another sender's is theirs."""
    who = onlooker(delivery.caller)
    if journey is None or who.sender is None:
        return True
    return await orders.standing(delivery.gateway.database, who, journey) is not None


def later(delivery: Delivery, settled: Settled) -> Answer:
    """The answer while it is not done: stored, and where to look."""
    row = settled.row
    of_a_person = settled.hidden or (row is not None and row.status in ("quarantined", "dead"))
    told = BY_A_PERSON if of_a_person else STORED
    return Answer(202, location=f"{delivery.base}/Task/{settled.id}", told=told)
