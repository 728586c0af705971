"""What a message says of a deed that is not an action of ours: the data of such an ask, checked when it is read and
again when it is carried out. Ids, codes, numbers and times; never free text, never who somebody is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from care.model import Slug

CODE = r"^[A-Za-z0-9][A-Za-z0-9._ /+-]{0,63}$"
CodeText = Annotated[str, StringConstraints(pattern=CODE)]
"""A code of somebody else's: of a procedure, of a clinician."""
Number = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class DeedData(BaseModel):
    """What all of them share."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Procedure(DeedData):
    """Something that was done in hospital."""

    code: CodeText
    system: str | None = None
    at: AwareDatetime | None = None


class HospitalEvent(DeedData):
    """`hospital_event`: a patient comes to a hospital or leaves it, or that is taken back."""

    event: Literal["admitted", "discharged", "admission_cancelled", "discharge_cancelled"]
    at: AwareDatetime
    admitted_at: AwareDatetime | None = None
    """Of a discharge: when the stay began, where it is said."""
    procedures: tuple[Procedure, ...] = ()


class NoteDemographics(DeedData):
    """`note_demographics`: who the patient is has changed. What it is now stays in the message."""

    deceased: bool = False


class MergePatients(DeedData):
    """`merge_patients`: of the numbers in `About.patient`, the first so many are of the record that stays, and the
    others of the one that was merged into it."""

    surviving: int = Field(ge=1)


CancelReason = Literal["patient", "clinician", "clinic_closed"]


class Slot(DeedData):
    """When and with whom."""

    number: Number
    """The appointment, as the sender's book names it."""
    clinician: CodeText | None = None
    starts_at: AwareDatetime | None = None
    minutes: int | None = Field(default=None, ge=1, le=1_440)


class BookAppointment(Slot):
    """`book_appointment`: an appointment was made."""


class MoveAppointment(Slot):
    """`move_appointment`: it is at another time, with somebody else, or changed in what does not concern us."""

    reason: CancelReason = "patient"


class CancelAppointment(DeedData):
    """`cancel_appointment`: it will not take place."""

    number: Number
    reason: CancelReason = "patient"


class MissAppointment(DeedData):
    """`miss_appointment`: the patient did not come."""

    number: Number


class RecordResults(DeedData):
    """`record_results`: scores of measures, by our ids, taken elsewhere."""

    scores: dict[Slug, float]
    at: AwareDatetime | None = None
    """When they were taken, where it is said."""
