"""Red flags: signs that something dangerous may hide behind the complaint, and what they add up to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from care.condition import AllOf, AnyOf, AtLeast, Condition, Points
from care.gate import Criterion
from care.model import Brief, Slug
from care.score import Sourced

Urgency = Literal["E0", "E1", "E2", "E3", "N"]
"""E0 emergency now, E1 same day, E2 within 5 working days, E3 within 14 days, N note for the next review."""

Told = Literal["on_call", "referrer", "clinical_lead"]
"""Who hears at once: the person on call (an alarm that waits for nothing), the referrer, the clinic's named lead."""

Held = Literal["until_cleared", "until_handled", "nothing"]
"""How long a red flag forbids to book: until a clinician clears it, until somebody has dealt with it, not at all."""


class UrgencyLevel(Sourced):
    """What an urgency means: how long it may wait, what to do, who is told, what is held."""

    code: Urgency
    name: str
    max_wait: str
    """In words, as the scale has it."""
    working_days: int
    """Within so many of the clinic's open days the red flag has to be handled; 0 is at once."""
    action: str
    tell: tuple[Told, ...] = ()
    hold: Literal["until_handled", "nothing"] = "nothing"
    """What is held even where the red flag itself does not ask for it."""


def _before(code: Urgency, days: int, *tell: Told) -> UrgencyLevel:
    return UrgencyLevel(
        code=code,
        name=code,
        max_wait=f"{days} open days" if days else "at once",
        working_days=days,
        action="",
        tell=tell,
        hold="until_handled" if not days else "nothing",
        basis="proposed",
        source="design choice, not clinically reviewed: as it stood before the levels were content",
    )


BEFORE = {
    level.code: level
    for level in (
        _before("E0", 0, "on_call", "referrer"),
        _before("E1", 0, "on_call", "referrer"),
        _before("E2", 5),
        _before("E3", 10),
        _before("N", 10),
    )
}
"""For journeys whose pathway was written before it said what its urgencies mean."""


class Sign(Brief):
    """One thing to ask or look for."""

    id: Slug
    text: str
    points: float = 0
    """For the short form `score_at_least`: what a yes adds."""
    terms: tuple[str, ...] = ()
    """Words and short phrases in a request (`numb saddle`) that put this question first; they never answer it."""
    lasting: bool = False
    """Stays true once answered yes (a cancer in the past): later screens count it without asking again."""
    yes_if: Criterion | None = None
    """A known fact that answers with yes (the age, for "over 60"): then nobody has to be asked."""
    no_if: Criterion | None = None
    """A known fact that answers with no. Where somebody said yes, or `yes_if` does, that counts and not this."""


class FlagRule(Brief):
    """When the signs of a red flag add up to an urgency, and what that urgency changes in what has to be done.

    `when` says it in full. The other forms are short ones, exactly one of which is used instead.
    """

    urgency: Urgency
    when: Condition | None = None
    any_of: tuple[Slug, ...] = ()
    all_of: tuple[Slug, ...] = ()
    at_least: int | None = None
    """Of all the flag's signs, how many."""
    score_at_least: float | None = None
    also: tuple[Slug, ...] = ()
    """Signs of which at least one must be present as well."""
    action: str | None = None
    """What to do, where it is not what the red flag says."""
    hold_booking: bool | None = None
    """Whether booking waits until the flag is cleared, where it is not as the red flag says."""
    tell: tuple[Told, ...] | None = None
    """Who hears at once, where it is not as the red flag or the urgency says."""
    working_days: int | None = Field(default=None, ge=0)
    """Within so many open days somebody has to handle it, where that is not as the urgency says."""


class RedFlag(Sourced):
    """Signs that something dangerous may hide behind the complaint, and what to do about it."""

    id: Slug
    suspected: str
    region: str = ""
    signs: tuple[Sign, ...]
    rules: tuple[FlagRule, ...]
    """Most urgent first; the first that holds applies."""
    action: str
    hold_booking: bool
    """Whether booking waits until the flag is cleared. E0 and E1 hold it until somebody has dealt with them, always."""
    tell: tuple[Told, ...] | None = None
    """Who hears at once; None: as the urgency says."""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions of its rules."""
        return tuple(c for c in map(self.condition, self.rules) if c is not None)

    def condition(self, rule: FlagRule) -> Condition | None:
        """What has to be so for one of the rules, its short form written out; None where it says nothing."""
        if rule.when is not None:
            return rule.when
        needed: list[Condition] = [AnyOf(any=rule.also)] if rule.also else []
        ids = tuple(sign.id for sign in self.signs)
        if rule.any_of:
            needed.append(AnyOf(any=rule.any_of))
        elif rule.all_of:
            needed.append(AllOf(all=rule.all_of))
        elif rule.at_least is not None and ids:
            needed.append(AtLeast(at_least=max(rule.at_least, 1), of=ids))
        elif rule.score_at_least is not None and ids:
            points = Points(points={sign.id: sign.points for sign in self.signs}, at_least=rule.score_at_least)
            needed += [AnyOf(any=ids), points]
        return AllOf(all=tuple(needed)) if needed else None

    def for_journey(self) -> RedFlag:
        """As a journey carries it: its rules. The words of its questions are in the library."""
        signs = tuple(s.model_copy(update={"text": "", "terms": ()}) for s in self.signs)
        return self.model_copy(update={"signs": signs, "region": ""})


class Contraindication(Sourced):
    """What forbids a modality (cold, heat, ultrasound, ...), or asks for caution with it."""

    id: Slug
    modality: str
    signs: tuple[Sign, ...]
    forbids: Condition
    """What forbids it."""
    caution: Condition | None = None
    """What asks for caution with it: it may be booked, and the journal says so."""
    dose: str | None = None

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What forbids it, and what asks for caution."""
        return (self.forbids,) if self.caution is None else (self.forbids, self.caution)
