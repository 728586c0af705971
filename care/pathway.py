"""A pathway: clinical content as data, versioned, with source and basis on every entry.

`pathways/` holds the content itself as YAML, its loader and its linter. A journey carries the pathway it was
started on, whole, so that an edit of the content never changes the care of somebody already under way.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from care.gate import Criterion
from care.model import Slug, Strict
from care.score import Measure, ScoreValue, Sourced

SCHEMA_VERSION = 1

Urgency = Literal["E0", "E1", "E2", "E3", "N"]
"""E0 emergency now, E1 same day, E2 within 5 working days, E3 within 14 days, N note for the next review."""

Discipline = Literal[
    "physiotherapy", "occupational_therapy", "speech_therapy", "psychology", "sports_medicine", "nursing"
]


class Code(Strict):
    """A code from a terminology that suggests this pathway."""

    system: str
    code: str
    display: str


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


class DoseRule(Sourced):
    """How much therapy, for whom. For each discipline the first rule whose criteria hold applies."""

    id: Slug
    label: str
    discipline: Discipline
    when: tuple[Criterion, ...] = ()
    visits: tuple[int, int]
    """Fewest and most visits; the plan starts from the most and ends earlier when the goals are met."""
    weeks: int
    visits_per_week: float
    visit_minutes: int = 30
    self_care: bool = False
    """No course of visits: advice, a home plan and checks by message."""
    check_days: tuple[int, ...] = ()
    """For self-care: days after the start on which the patient is asked how it goes."""
    interventions: tuple[str, ...] = ()


class GoalRule(Sourced):
    """A goal that each patient's own baseline turns into a number.

    `reach` is an end state. `improve` and `improve_pct` are changes from the baseline, towards better;
    where both are given, whichever asks for more counts.
    """

    id: Slug
    measure: Slug
    reach: float | None = None
    improve: float | None = None
    improve_pct: float | None = None


Recommendation = Literal["continue", "change", "surgical_opinion", "discharge"]


class ProgressRule(Sourced):
    """What a progress review recommends when its criteria hold; the first that holds applies."""

    id: Slug
    recommend: Recommendation
    when: tuple[Criterion, ...]
    because: str


class TriageLevel(Sourced):
    """How urgent a referral is, and how long its patient may wait for the first visit."""

    code: str
    label: str
    max_wait_days: int
    """Working days from acceptance to the first visit."""


class TriageRule(Strict):
    """Who belongs to a level: all criteria hold. Facts: `urgency`, `days_since_onset`, `age`."""

    level: str
    when: tuple[Criterion, ...]


class Triage(Strict):
    """The provider's triage: levels, and rules of which the first that holds applies."""

    levels: tuple[TriageLevel, ...]
    rules: tuple[TriageRule, ...]


class Review(Sourced):
    """How often progress is reviewed, whichever comes first."""

    every_visits: int
    every_days: int
    measures: tuple[Slug, ...] = ()
    """Measures taken at every progress review; none named means those of the baseline."""


class Phase(Sourced):
    """One phase of rehabilitation after surgery.

    `window_days` counts from the day of surgery. Its start is the earliest day on which a patient may be in this
    phase; its end is the date on which the phase is reviewed if the gate has not opened, never an exit by itself.
    """

    n: int
    name: str
    window_days: tuple[int, int]
    visits_per_week: tuple[float, float]
    gate: tuple[Criterion, ...]
    """All of these, and the next phase's window, let the patient move on; or a named clinician overrides."""
    precautions: tuple[str, ...] = ()
    interventions: tuple[str, ...] = ()
    measures: tuple[Slug, ...] = ()


class Occasion(Strict):
    """One planned follow-up: so many days after the anchor."""

    id: Slug
    label: str
    days: int


class FollowUpPlan(Sourced):
    """Follow-ups after discharge (or counted from surgery), and what counts as getting worse."""

    anchor: Literal["discharge", "surgery"]
    occasions: tuple[Occasion, ...]
    measures: tuple[Slug, ...]
    answer_days: int
    """How long an answer is waited for before the next reminder, and in the end a phone call."""
    reminders: int
    worse: tuple[Criterion, ...]
    """Any of these opens a call and a way back into therapy."""
    call_within_days: int
    """Working days for that call."""
    open_access_days: int = Field(default=182, ge=0)
    """So many days after the summary is signed the patient may come back with the same problem, without a new
    referral: 6 months, or 12 where the condition is chronic. Basis "proposed", design choice, not clinically
    reviewed."""


class Pathway(Sourced):
    """Who is eligible, what to screen, how much therapy, what to measure, when to move on, how to follow up."""

    schema_version: Literal[1]
    id: Slug
    version: int
    name: str
    status: Literal["sketch", "draft", "signed_off"]
    """A sketch proves the schema; a draft is complete but no clinician has signed it; see `signed_off_by`."""
    signed_off_by: str | None = None
    service_line: str
    codes: tuple[Code, ...]
    eligibility: tuple[str, ...]
    exclude: tuple[Criterion, ...] = ()
    """Any of these makes the referral ineligible for this pathway."""
    triage: Triage
    usual_level: str
    """The triage level where no rule of the triage holds."""
    red_flags: tuple[RedFlag, ...]
    measures: tuple[Measure, ...]
    baseline: tuple[Slug, ...]
    """Measures taken at the evaluation, before the plan of care is made."""
    dosing: tuple[DoseRule, ...]
    goals: tuple[GoalRule, ...] = ()
    review: Review
    progress: tuple[ProgressRule, ...]
    before_surgery: tuple[Criterion, ...] = ()
    """What has to be on record before surgery on a surgical pathway (pre-hab)."""
    phases: tuple[Phase, ...] = ()
    discharge: tuple[Criterion, ...] = ()
    """End state at which care is complete (all of them)."""
    home_programme: tuple[str, ...] = ()
    follow_up: FollowUpPlan

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        known = {m.id for m in self.measures}
        used = {*self.baseline, *self.follow_up.measures, *(g.measure for g in self.goals)}
        used |= {m for phase in self.phases for m in phase.measures} | set(self.review.measures)
        if unknown := used - known:
            raise ValueError(f"measures used but not listed under measures: {', '.join(sorted(unknown))}")
        levels = {level.code for level in self.triage.levels}
        if unknown := {self.usual_level, *(rule.level for rule in self.triage.rules)} - levels:
            raise ValueError(f"triage levels that do not exist: {', '.join(sorted(unknown))}")
        for flag in self.red_flags:
            signs = {s.id for s in flag.signs}
            named = {s for rule in flag.rules for s in (*rule.any_of, *rule.all_of, *rule.also)}
            if unknown := named - signs:
                raise ValueError(f"red flag {flag.id} has rules over unknown signs: {', '.join(sorted(unknown))}")
        if self.status == "signed_off" and not self.signed_off_by:
            raise ValueError("a signed-off pathway names who signed it")
        return self

    @property
    def label(self) -> str:
        """For the journal and the search attributes: id and version."""
        return f"{self.id}@{self.version}"

    def measure(self, id: str) -> Measure | None:  # noqa: A002 - the field's own word
        """The measure of that id, if this pathway uses it."""
        return next((m for m in self.measures if m.id == id), None)

    def red_flag(self, id: str) -> RedFlag | None:  # noqa: A002
        """The red flag of that id, if this pathway screens for it."""
        return next((f for f in self.red_flags if f.id == id), None)


__all__ = [
    "SCHEMA_VERSION",
    "Code",
    "Discipline",
    "DoseRule",
    "FlagRule",
    "FollowUpPlan",
    "GoalRule",
    "Occasion",
    "Pathway",
    "Phase",
    "ProgressRule",
    "Recommendation",
    "RedFlag",
    "Review",
    "ScoreValue",
    "Sign",
    "Triage",
    "TriageLevel",
    "TriageRule",
    "Urgency",
]
