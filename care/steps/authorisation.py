"""The payer's authorisation: so many visits of a plan, between two days."""

from __future__ import annotations

from care import action as act
from care.draft import Draft
from care.steps import refuse


def request(d: Draft, a: act.RequestAuthorisation) -> None:
    """The payer is asked; until the answer no visit of the plan can be booked."""
    refuse("NotYet", "authorisations are not built yet")


def record(d: Draft, a: act.RecordAuthorisation) -> None:
    """The payer's answer."""
    refuse("NotYet", "authorisations are not built yet")
