"""The elements that are read of what is written, beside those of an order (`gateway/fhir/models.py`).

Definitions: https://hl7.org/fhir/R4/task.html, questionnaireresponse.html, observation.html, appointment.html.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictBool, StrictInt

from gateway.fhir.models import (
    CodeableConcept,
    Coding,
    DateTime,
    Element,
    Identifier,
    Reference,
    Resource,
    Text,
)
from gateway.fhir.models import Task as ReadTask
from gateway.fhir.refusal import RefusedError


def moment(said: str | None, path: str) -> datetime | None:
    """A FHIR dateTime as a moment; of a day, a month or a year its middle. Raises RefusedError."""
    if said is None:
        return None
    day = {4: f"{said}-07-01", 7: f"{said}-15"}.get(len(said), said)
    try:
        found = datetime.fromisoformat(day if "T" in day else f"{day}T12:00:00+00:00")
    except ValueError:  # a leap second
        found = None
    if found is None or found.tzinfo is None:
        raise RefusedError("value", "a moment with its offset from UTC is wanted", path)
    return found


Decimal = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Task(ReadTask):
    """A Task as its sender wants it."""

    identifier: tuple[Identifier, ...] = ()
    based_on: tuple[Reference, ...] = ()
    for_: Reference | None = Field(default=None, alias="for")
    owner: Reference | None = None
    reason_code: CodeableConcept | None = None
    status_reason: CodeableConcept | None = None


class Quantity(Element):
    value: Decimal | None = None
    unit: Text | None = None
    system: Text | None = None
    code: Text | None = None
    comparator: Text | None = None


class Valued(Element):
    """One of `value[x]`."""

    value_boolean: StrictBool | None = None
    value_integer: StrictInt | None = None
    value_decimal: Decimal | None = None
    value_string: Text | None = None
    value_coding: Coding | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_quantity: Quantity | None = None


class Observation(Valued, Resource):
    """One result."""

    status: Text | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    based_on: tuple[Reference, ...] = ()
    focus: tuple[Reference, ...] = ()
    effective_date_time: DateTime | None = None
    effective_instant: DateTime | None = None
    data_absent_reason: CodeableConcept | None = None


class Answer(Valued):
    """An answer, perhaps with questions below it."""

    item: tuple[Item, ...] = ()


class Item(Element):
    """A question or a group of them."""

    link_id: Text | None = None
    answer: tuple[Answer, ...] = ()
    item: tuple[Item, ...] = ()


class QuestionnaireResponse(Resource):
    """Answers."""

    questionnaire: Text | None = None
    status: Text | None = None
    subject: Reference | None = None
    based_on: tuple[Reference, ...] = ()
    authored: DateTime | None = None
    item: tuple[Item, ...] = ()


class Participant(Element):
    actor: Reference | None = None
    status: Text | None = None


class Appointment(Resource):
    """A visit."""

    identifier: tuple[Identifier, ...] = ()
    status: Text | None = None
    cancelation_reason: CodeableConcept | None = None
    based_on: tuple[Reference, ...] = ()
    start: DateTime | None = None
    end: DateTime | None = None
    minutes_duration: StrictInt | None = None
    participant: tuple[Participant, ...] = ()


Answer.model_rebuild()
