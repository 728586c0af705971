"""The bodies that the API takes. They are validated where they are used, so that a refusal has that place's words."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model

from care.action import ACTIONS, Action
from care.model import Slug, Strict
from care.score import ScoreValue
from gateway.reopening import Reason
from gateway.staff.who_may import WHO_MAY

Words = Annotated[str, Field(min_length=1, pattern=r"\S")]
Uuid = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]


class Reopening(Strict):
    """Why a closed journey is to go on."""

    reason: Reason
    note: Words


class MergePatients(Strict):
    """Two records of the register that are one person's."""

    from_: Uuid = Field(alias="from")
    """The record that is given up."""
    into: Uuid
    note: Words
    """How they are known to be one."""


class MergeJourneys(Strict):
    """The same, each record named by a journey of its patient."""

    journey: str
    into_journey: str
    note: Words


class Replay(Strict):
    """Try an ask once more, perhaps for a journey that a person has found."""

    journey: str | None = None


class Dismissal(Strict):
    """Nothing follows from an ask; why."""

    note: Words


class NewPatientLink(Strict):
    """How long a link is to live."""

    days: int = Field(default=14, ge=1, le=60)


class PatientAnswers(Strict):
    """A patient's answers: scores, and what they want to add in their own words."""

    scores: dict[Slug, ScoreValue] = Field(min_length=1)
    note: Words | None = None


def body_of(name: str) -> type[BaseModel]:
    """The body of an action: its own fields, and a note. Who acts and what they expect stand elsewhere."""
    kind = ACTIONS[name]
    own: dict[str, Any] = {
        field: (info.annotation if not info.metadata else Annotated[(info.annotation, *info.metadata)], info)
        for field, info in kind.model_fields.items()
        if field not in Action.model_fields
    }
    own["note"] = (Words | None, Field(default=None, description="Words for the record; they stay in PostgreSQL."))
    made: type[BaseModel] = create_model(f"{kind.__name__}Body", __base__=Strict, __doc__=kind.__doc__, **own)
    return made


BODIES: dict[str, type[BaseModel]] = {name: body_of(name) for name in WHO_MAY}
