"""Whoever speaks to the gateway, once it is known who they are."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from care.actor import Actor, Role

Kind = Literal["system", "person", "patient"]

CallerRole = Literal["system", "physician", "coordinator", "therapist", "author", "auditor", "operator", "patient"]
"""`system` is a registered client (a hospital's record system); all others are people."""

WHOLE_TENANT = "continuum/whole-tenant"
"""The scope of a system that sees all referrals of its tenant, the clinic's own record system for instance."""

ACTS_AS: dict[CallerRole, Role] = {
    "system": "referrer",
    "physician": "referrer",
    "coordinator": "coordinator",
    "therapist": "therapist",
    "patient": "patient",
}
"""In which role of care each may act on a journey. Authors, auditors and operators act on none."""


class Caller(BaseModel):
    """An authenticated client, person or patient. Never built from anything but a checked token or certificate."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    tenant: str
    kind: Kind
    id: str
    """The client's id, the person's id in the directory, or the journey of a patient's link."""
    roles: frozenset[CallerRole]
    scopes: frozenset[str] = frozenset()
    """SMART scopes (`system/ServiceRequest.crs`); only clients have them, people have roles."""
    email: str | None = None
    """As the identity provider verified it: a physician sees the referrals that name it."""
    journey: str | None = None
    """The one journey that a patient's link is for."""

    @property
    def sender(self) -> str:
        """How the record names them: `client:ID`, `person:ID`, `patient:JOURNEY`."""
        return f"{'client' if self.kind == 'system' else self.kind}:{self.id}"

    @property
    def sees_own_only(self) -> bool:
        """A referrer (a system or a physician) sees the referrals they sent, a patient their own; staff the tenant's,
        and so does a system that was trusted with it."""
        return not (self.roles & {"coordinator", "therapist", "auditor", "operator"} or WHOLE_TENANT in self.scopes)

    def actor(self) -> Actor:
        """Who acts, for the journal. Raises LookupError for whoever may act on no journey."""
        for role in ("coordinator", "therapist", "physician", "patient", "system"):
            if role in self.roles:
                person = "patient" if self.kind == "patient" else self.id
                return Actor(person=person, role=ACTS_AS[role], tenant=self.tenant)
        raise LookupError("this caller may act on no journey")
