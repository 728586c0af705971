"""What a message means, whatever protocol it came by."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from care.actor import Actor
from gateway.fhir.incoming import IncomingIdentifier, IncomingReferral

Protocol = Literal["fhir", "hl7v2"]

REQUEST_CANCELLATION = "request_cancellation"
"""What every protocol has a way to ask: that an order be taken back."""


class Said(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Envelope(Said):
    """One delivery, before anybody looked inside."""

    tenant: str
    protocol: Protocol
    sender: str | None
    """The authenticated caller (`Caller.sender`), or for an HL7 v2 system that nobody registered `hl7:MSH-3|MSH-4`;
    None for what staff take in by the command line."""
    source: str
    """Whose names and delivery ids these are: `source_of(sender, what the message claims)`."""
    transport_key: str
    """This delivery at its source: Idempotency-Key, MSH-10, the Bundle's id, else `sha256:...`."""
    raw: bytes = Field(repr=False)
    media_type: str
    kind: str
    """`ServiceRequest`, `Task`, `REF^I12`, ..."""
    received_at: AwareDatetime


class NewReferral(Said):
    """An order: a journey begins, or one that is there gets an amendment."""

    referral: IncomingReferral = Field(repr=False)
    clinic: str | None = None
    payer: str | None = None


class About(Said):
    """How a message names its journey. The first that is given counts, from the top."""

    journey: str | None = None
    """The id that we gave it."""
    visit: str | None = None
    """A visit of ours."""
    appointment: str | None = None
    """An appointment by the sender's own number (`continuum.appointment`)."""
    referral_id: str | None = None
    """The order, as `IncomingReferral.referral_id` names it, among those that the same sender sent."""
    patient: tuple[IncomingIdentifier, ...] = Field(default=(), repr=False)
    """The patient's numbers: the journey is theirs if they have exactly one open."""


class Ask(Said):
    """Something a message asks of a journey. `name` is an action of `care/action.py`, or a deed of
    `carrying_out.py` that looks at the journey first and decides which actions it comes to."""

    name: str
    about: About
    data: dict[str, Any] = {}
    """Fields of the action: ids, codes, numbers, times. Never free text."""
    actor: Actor | None = None
    """Who asks, where a signed-in person does; else it is Continuum, on behalf of the system that sent it."""
    note: str | None = Field(default=None, repr=False)
    """Words for the record; they stay in PostgreSQL."""


class Asked(Said):
    """The message asks one thing or several, each of them carried out on its own."""

    asks: tuple[Ask, ...]


class Noted(Said):
    """Fit to be acknowledged, and nothing follows from it here."""

    why: str


class Refused(Said):
    """Not fit. `code` in the protocol's own terms (FHIR issue type; HL7 table 0357); our own words only."""

    code: str
    reason: str
    path: str = "$"


Meaning = NewReferral | Asked | Noted | Refused


def source_of(sender: str | None, claimed: str) -> str:
    """Whose names these are. What a message claims of its source counts only within what its sender may speak for, so
    that nobody can take the number of another's referral."""
    return claimed if sender is None else f"{sender}|{claimed}"
