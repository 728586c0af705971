"""A journey as it stands, as far as deciding upon a message needs it: what is read from the record, and all of it."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict

from care.model import PersonId
from care.stage import Stage
from care.visit import VisitStatus


class Seen(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class VisitSeen(Seen):
    """One visit."""

    id: str
    status: VisitStatus
    clinician: PersonId
    starts_at: AwareDatetime
    ends_at: AwareDatetime

    @property
    def minutes(self) -> int:
        """How long it is."""
        return round((self.ends_at - self.starts_at).total_seconds() / 60)


class Snapshot(Seen):
    """One journey at one moment."""

    now: AwareDatetime
    timezone: str
    """The clinic's, in which days are counted."""
    stage: Stage
    status: str
    """`open`, `on_hold`, `closed`."""
    surgical: bool = False
    """Whether its pathway has rehabilitation after surgery."""
    surgery_planned_for: AwareDatetime | None = None
    surgery_done_at: AwareDatetime | None = None
    visits: tuple[VisitSeen, ...] = ()
    people: frozenset[PersonId] = frozenset()
    """The directory's people, by id."""

    def visit(self, id_: str | None) -> VisitSeen | None:
        """The visit of that id."""
        return next((v for v in self.visits if v.id == id_), None)


class RegisterSeen(Seen):
    """The patients of the register that bear the numbers a message names, by our ids."""

    surviving: tuple[str, ...] = ()
    """Of a merge, those with a number of the record that stays; of anything else, all of them."""
    merged: tuple[str, ...] = ()
