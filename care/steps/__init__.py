"""What an action or a clock does to a journey, stage by stage.

A step is a plain function of a draft and an action. It raises `Refused` when the action may not be done now, and
otherwise changes the draft. The same function, on a draft that is thrown away, is the validator.
"""

from __future__ import annotations

from typing import NoReturn

from care.action import Action
from care.draft import Refused

CLINICIANS = {"therapist", "clinical_lead", "surgeon", "on_call"}
"""Roles of the actors who may decide clinically."""


def require(condition: object, kind: str, message: str) -> None:
    """Refuse the action unless the condition holds."""
    if not condition:
        refuse(kind, message)


def by_staff(action: Action, why: str) -> None:
    """Refuse what patients and referrers ask for."""
    require(action.actor.is_staff, "NotAllowed", why)


def words(code: str) -> str:
    """A code as people read it."""
    return code.replace("_", " ")


def refuse(kind: str, message: str) -> NoReturn:
    """Refuse the action: why, and what would be right."""
    raise Refused(kind, message)
