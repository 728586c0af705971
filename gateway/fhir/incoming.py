"""A referral as it came in: what the sender said, in our words, before anybody has matched or judged it.

Everything about a person here is for PostgreSQL only; it is kept out of `repr`, so that a log line or a
traceback that shows the object shows no patient.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["service-request", "bundle-message", "bundle-transaction", "bundle-collection", "hl7v2"]


class Incoming(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Code(Incoming):
    """A code of a terminology; never its display, which is free text."""

    system: str | None = None
    code: str


class IncomingIdentifier(Incoming):
    system: str | None = None
    value: str = Field(repr=False)


class IncomingPatient(Incoming):
    """The patient as the message tells of them; finding them in our own records is for others to do.

    `matched_by_message` is true when a Patient resource with an identifier, or with a name and a birth date,
    was in the message. False means a reference alone: accepted, to be matched by a person.
    """

    matched_by_message: bool
    reference: str | None = Field(default=None, repr=False)
    display: str | None = Field(default=None, repr=False)
    identifiers: tuple[IncomingIdentifier, ...] = Field(default=(), repr=False)
    family: str | None = Field(default=None, repr=False)
    given: str | None = Field(default=None, repr=False)
    birth_date: str | None = Field(default=None, repr=False)
    gender: str | None = Field(default=None, repr=False)
    phone: str | None = Field(default=None, repr=False)
    email: str | None = Field(default=None, repr=False)
    languages: tuple[str, ...] = Field(default=(), repr=False)
    deceased: bool = Field(default=False, repr=False)


class IncomingRequester(Incoming):
    """Who asks, and how to answer them. Any part may be missing; then the answer goes back by the channel."""

    reference: str | None = Field(default=None, repr=False)
    name: str | None = Field(default=None, repr=False)
    identifier: IncomingIdentifier | None = Field(default=None, repr=False)
    phone: str | None = Field(default=None, repr=False)
    email: str | None = Field(default=None, repr=False)
    organisation: str | None = Field(default=None, repr=False)
    organisation_identifier: IncomingIdentifier | None = Field(default=None, repr=False)


class IncomingReferral(Incoming):
    """One order, read from one message.

    `(source, referral_id)` says which referral it is; `transport_key` which delivery; `sha256` which bytes.
    `in_reply_to` is the message this one answers: such a message repeats an order for context, and whoever
    takes it in should put it before a person rather than start a journey unseen.
    `replaces` names earlier referrals in the form of `referral_id`.
    """

    source: str
    referral_id: str
    transport_key: str
    sha256: str
    kind: Kind
    path: str
    in_reply_to: str | None = None
    replaces: tuple[str, ...] = ()
    status: Literal["active", "draft"]
    intent: str
    priority: Literal["routine", "urgent", "asap", "stat"] | None = None
    authored_on: str | None = None
    codes: tuple[Code, ...] = ()
    reason_codes: tuple[Code, ...] = ()
    texts: tuple[str, ...] = Field(default=(), repr=False)
    patient: IncomingPatient = Field(repr=False)
    requester: IncomingRequester = Field(repr=False)
