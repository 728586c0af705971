"""Who may ask for which action: one table, for the policies of the routes and for "which actions may I take now?".

It is the first look. Whether an action fits the journey is the journey's own affair (`care/steps/`), which also holds
what is said here about clinicians; a test compares the two.
"""

from __future__ import annotations

from care.action import ACTIONS
from care.actor import Actor
from gateway.access.caller import ACTS_AS, Caller, CallerRole
from gateway.acting import OURS_ALONE

Roles = frozenset[CallerRole]

STAFF: Roles = frozenset({"coordinator", "therapist"})
CLINICIANS: Roles = frozenset({"therapist"})
"""Whoever may decide clinically signs in as a therapist: the clinical lead, surgeons and who is on call too."""

_OTHERS: dict[str, Roles] = {
    "sign_screen": CLINICIANS,
    "handle_red_flag": CLINICIANS,
    "edit_plan": CLINICIANS,
    "migrate_pathway": CLINICIANS,
    "override_gate": CLINICIANS,
    "sign_summary": CLINICIANS,
    "reopen_care": CLINICIANS,
    "withdraw": STAFF | {"physician"},
    "receive_information": STAFF | {"physician"},
    "confirm_receipt": STAFF | {"physician"},
    "answer_check": STAFF | {"patient"},
    "answer_follow_up": STAFF | {"patient"},
}

WHO_MAY: dict[str, Roles] = {
    name: _OTHERS.get(name, STAFF) for name in sorted(ACTIONS) if not name.startswith(OURS_ALONE)
}
"""The roles that may ask for each action that people ask for. What is not named here nobody may ask for."""

IN_THIS_ORDER: tuple[CallerRole, ...] = ("coordinator", "therapist", "physician", "patient")
"""Whoever has several roles acts in the first of them that may."""


def may(caller: Caller, name: str) -> bool:
    """Whether this caller may ask for that action."""
    return bool(caller.roles & WHO_MAY.get(name, frozenset()))


def actor_for(caller: Caller, name: str, on_behalf_of: str | None = None) -> Actor:
    """Who acts, for the journal: only what the token says of them. Raises LookupError for who may not."""
    roles = WHO_MAY.get(name, STAFF) & caller.roles
    role = next((role for role in IN_THIS_ORDER if role in roles), None)
    if role is None:
        raise LookupError("this caller may not do this")
    person = "patient" if caller.kind == "patient" else caller.id
    return Actor(person=person, role=ACTS_AS[role], tenant=caller.tenant, on_behalf_of=on_behalf_of)
