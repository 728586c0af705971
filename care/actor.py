"""Who acts."""

from __future__ import annotations

from typing import Literal

from care.model import Model, PersonId, Slug

Role = Literal["referrer", "coordinator", "therapist", "clinical_lead", "surgeon", "on_call", "patient", "system"]


class Actor(Model):
    """A person in a role, perhaps acting for another; stands in every row of the journal."""

    person: PersonId
    role: Role
    tenant: Slug
    on_behalf_of: PersonId | None = None

    @property
    def is_staff(self) -> bool:
        """Whether somebody of the clinic acts, and neither the patient nor the referrer."""
        return self.role not in ("patient", "referrer")


def system(tenant: str) -> Actor:
    """Continuum itself: a clock ran out, a rule applied."""
    return Actor(person="continuum", role="system", tenant=tenant)
