"""Red flags: signs that something dangerous may hide behind the complaint, and what they add up to."""

from __future__ import annotations

from typing import Literal

from care.model import Slug, Strict
from care.score import Sourced

Urgency = Literal["E0", "E1", "E2", "E3", "N"]
"""E0 emergency now, E1 same day, E2 within 5 working days, E3 within 14 days, N note for the next review."""


class Sign(Strict):
    """One thing to ask or look for."""

    id: Slug
    text: str
    points: float = 0
    """For scored flags (Wells): what a yes adds."""
    lasting: bool = False
    """Stays true once answered yes (a cancer in the past): later screens count it without asking again."""


class FlagRule(Strict):
    """When the signs of a red flag add up to an urgency. Exactly one of the four ways is used."""

    urgency: Urgency
    any_of: tuple[Slug, ...] = ()
    all_of: tuple[Slug, ...] = ()
    at_least: int | None = None
    """Of all the flag's signs, how many."""
    score_at_least: float | None = None
    also: tuple[Slug, ...] = ()
    """Signs of which at least one must be present as well."""


class RedFlag(Sourced):
    """Signs that something dangerous may hide behind the complaint, and what to do about it."""

    id: Slug
    suspected: str
    signs: tuple[Sign, ...]
    rules: tuple[FlagRule, ...]
    """Most urgent first; the first that holds applies."""
    action: str
    hold_booking: bool


class Contraindication(Sourced):
    """What forbids a modality (cold, heat, ultrasound, ...), or asks for caution with it."""

    id: Slug
    modality: str
    signs: tuple[Sign, ...]
    """Any of them forbids it."""
    caution: tuple[Slug, ...] = ()
    """Those of the signs that ask for caution instead."""
    dose: str | None = None
