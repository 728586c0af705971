"""A pathway: clinical content as data, versioned, with source and basis on every entry.

`pathways/` holds the content itself as YAML, its loader and its linter. A journey carries the pathway it was
started on, whole, so that an edit of the content never changes the care of somebody already under way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from hashlib import sha256
from typing import Literal, Self, TypeVar

from pydantic import Field, model_validator

from care.condition import signs as signs_of
from care.gate import Criterion
from care.model import Brief, Slug
from care.red_flag import Contraindication, RedFlag, UrgencyLevel
from care.score import Measure, Sourced
from care.triage import REDIRECT, Triage

S = TypeVar("S", bound=Sourced)

SCHEMA_VERSION = 1

UNSIGNED = "DRAFT, not signed by a clinician"
"""How people are told that they look at content nobody answers for."""

Discipline = Literal[
    "physiotherapy", "occupational_therapy", "speech_therapy", "psychology", "sports_medicine", "nursing"
]


class Code(Brief):
    """A code from a terminology that suggests this pathway."""

    system: str
    code: str
    display: str


class DoseRule(Sourced):
    """How much therapy, for whom. For each discipline the first rule whose criteria hold applies."""

    id: Slug
    label: str
    discipline: Discipline
    when: tuple[Criterion, ...] = ()
    visits: tuple[int, int] | None = None
    """Fewest and most visits; the plan starts from the most and ends earlier when the goals are met."""
    weeks: int | None = None
    visits_per_week: float | None = None
    """Visits, weeks and visits a week that no source gives are left out: the therapist says them at the evaluation."""
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
    unit: str | None = None
    """Of `reach` or `improve`, where the measure has one: the linter compares."""


Recommendation = Literal["continue", "change", "surgical_opinion", "discharge"]


class ProgressRule(Sourced):
    """What a progress review recommends when its criteria hold; the first that holds applies."""

    id: Slug
    recommend: Recommendation
    when: tuple[Criterion, ...]
    because: str


class Review(Sourced):
    """How often progress is reviewed, whichever comes first."""

    every_visits: int
    every_days: int
    measures: tuple[Slug, ...] = ()
    """Measures taken at every progress review; none named means those of the baseline."""


class Phase(Sourced):
    """One phase of rehabilitation, after surgery or (`phases_from: care`) of a programme with steps.

    `window_days` counts from the day of surgery, or from the evaluation. Its start is the earliest day on which a
    patient may be in this phase; its end is the date on which the phase is reviewed if the gate has not opened, never
    an exit by itself.
    """

    n: int
    name: str
    window_days: tuple[int, int]
    visits_per_week: tuple[float, float]
    gate: tuple[Criterion, ...]
    """All of these, the next phase's window and `min_days` let the patient move on; or a named clinician overrides."""
    min_days: int = Field(default=0, ge=0)
    """The least time in this phase, counted from the day the patient entered it."""
    precautions: tuple[str, ...] = ()
    interventions: tuple[str, ...] = ()
    measures: tuple[Slug, ...] = ()


class Occasion(Brief):
    """One planned follow-up: so many days after the anchor."""

    id: Slug
    label: str
    days: int


class FollowUpPlan(Sourced):
    """Follow-ups after discharge (or counted from surgery, or from the onset), and what counts as getting worse."""

    anchor: Literal["discharge", "surgery", "onset"]
    """Where the day of the anchor is not known, the follow-ups count from discharge."""
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


class LateEnrolment(Sourced):
    """What becomes of a patient who arrives when the first windows are over: decided, and not left to chance."""

    after_days: int = Field(gt=0)
    """So many days after the onset (after surgery, where the phases count from it)."""
    then: Literal["begin_as_new", "first_phase", "not_eligible"]
    """`first_phase`: the phases are passed one by one as the facts meet their gates, for their time is over."""


class ConditionRule(Sourced):
    """Another condition the patient has, and what it changes in the plan of care."""

    condition: Slug
    label: str
    precautions: tuple[str, ...] = ()
    visits_per_week_at_most: float | None = None


class SignOff(Brief):
    """A clinician answers for the content as it stood on that day."""

    by: str
    on: date
    digest: str
    """Of the content, library entries included (`continuum pathways digest`): an edit after the signature is seen."""


class Pathway(Sourced):
    """Who is eligible, what to screen, how much therapy, what to measure, when to move on, how to follow up."""

    schema_version: Literal[1]
    id: Slug
    version: int
    name: str
    status: Literal["sketch", "draft", "signed_off"]
    """A draft may be complete, but no clinician has signed it; a sketch is not even complete, and never suggested."""
    signed_off: SignOff | None = None
    signed_off_by: None = Field(default=None, exclude=True)
    """Journeys under way carry pathways written when a signature was only a name; none was ever signed."""
    service_line: str
    purpose: str = ""
    """For whom and to what end, in a sentence or two."""
    codes: tuple[Code, ...]
    terms: tuple[str, ...] = ()
    """Words and short phrases in a request that make this pathway a candidate (`ACL`); they never settle it."""
    eligibility: tuple[str, ...]
    exclude: tuple[Criterion, ...] = ()
    """Any of these makes the referral ineligible for this pathway."""
    late_enrolment: LateEnrolment | None = None
    checklist: tuple[str, ...] = ()
    """What else is looked at or arranged in intake, in words: a chaperone, a hearing test on file."""
    triage: Triage
    usual_level: str
    """The triage level where no rule of the triage holds."""
    red_flags: tuple[RedFlag, ...]
    urgencies: tuple[UrgencyLevel, ...] = ()
    """What the urgencies of the red flags mean: who is told, how long somebody may take."""
    modalities: tuple[Contraindication, ...] = ()
    """What treatments need to be checked before they are booked."""
    measures: tuple[Measure, ...]
    baseline: tuple[Slug, ...]
    """Measures taken at the evaluation, before the plan of care is made."""
    dosing: tuple[DoseRule, ...]
    conditions: tuple[ConditionRule, ...] = ()
    goals: tuple[GoalRule, ...] = ()
    review: Review
    progress: tuple[ProgressRule, ...]
    before_surgery: tuple[Criterion, ...] = ()
    """What has to be on record before surgery on a surgical pathway (pre-hab)."""
    at_surgery: tuple[Slug, ...] = ()
    """Measures recorded with the surgery that later gates ask for (the graft, the size of the tear)."""
    phases: tuple[Phase, ...] = ()
    phases_from: Literal["surgery", "care"] = "surgery"
    """What the windows of the phases count from: the day of surgery, or the evaluation."""
    discharge: tuple[Criterion, ...] = ()
    """End state at which care is complete (all of them)."""
    home_programme: tuple[str, ...] = ()
    follow_up: FollowUpPlan
    gaps: tuple[str, ...] = ()
    """What is not known or not decided yet, in words: shown to whoever signs."""

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        known = {m.id for m in self.measures}
        used = {*self.baseline, *self.follow_up.measures, *(g.measure for g in self.goals)}
        used |= {m for phase in self.phases for m in phase.measures} | {*self.review.measures, *self.at_surgery}
        if unknown := used - known:
            raise ValueError(f"measures used but not listed under measures: {', '.join(sorted(unknown))}")
        levels = {level.code for level in self.triage.levels}
        if unknown := {self.usual_level, *(rule.level for rule in self.triage.rules)} - levels:
            raise ValueError(f"triage levels that do not exist: {', '.join(sorted(unknown))}")
        for flag in self.red_flags:
            known = {s.id for s in flag.signs}
            if unknown := {s for c in flag.conditions for s in signs_of(c)} - known:
                raise ValueError(f"red flag {flag.id} has rules over unknown signs: {', '.join(sorted(unknown))}")
        for entry in self.modalities:
            known = {s.id for s in entry.signs}
            if unknown := {s for c in entry.conditions for s in signs_of(c)} - known:
                raise ValueError(f"contraindication {entry.id} looks at unknown signs: {', '.join(sorted(unknown))}")
        if (self.status == "signed_off") != (self.signed_off is not None):
            raise ValueError("a signed-off pathway says who signed it, when and what (signed_off); others do not")
        return self

    def for_journey(self, hinted: tuple[RedFlag, ...] = ()) -> Pathway:
        """As a journey carries it: with the flags hinted at, and without what is only matched by and read.

        Sources stay where a decision hands them on (doses, goals, levels); where other entries come from, and the
        words of questions, stand in the content, under the pathway's id and version.
        """
        flags = {f.id: f.for_journey() for f in (*self.red_flags, *hinted)}
        levels = {self.usual_level, REDIRECT, *(rule.level for rule in self.triage.rules)}
        triage = {
            "levels": tuple(x for x in self.triage.levels if x.code in levels),
            "ask": tuple(s.model_copy(update={"text": ""}) for s in self.triage.questions),
        }
        unread = {"codes": (), "terms": (), "gaps": (), "purpose": "", "checklist": (), "eligibility": ()}
        return self.model_copy(
            update={
                **unread,
                "red_flags": _without_source(flags.values()),
                "measures": _without_source(self.measures),
                "modalities": _without_source(self.modalities),
                "urgencies": _without_source(self.urgencies),
                "progress": _without_source(self.progress),
                "triage": self.triage.model_copy(update=triage),
            }
        )

    def accepted(self) -> Pathway:
        """What is left of it once the referral is accepted: nobody is prioritised any more."""
        return self.model_copy(update={"triage": self.triage.model_copy(update={"rules": (), "ask": ()})})

    @property
    def surgical(self) -> bool:
        """Whether this pathway has rehabilitation after surgery."""
        return bool(self.phases) and self.phases_from == "surgery"

    @property
    def digest(self) -> str:
        """Of what this pathway says, the library's entries included, whoever signed it.

        SHA-256 of canonical JSON: keys in order, no spaces, fields as usual left out, so that a field that a later
        version of Continuum adds does not break a signature.
        """
        said = self.model_dump(mode="json", exclude={"status", "signed_off"}, exclude_defaults=True)
        text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return sha256(text.encode()).hexdigest()

    @property
    def title(self) -> str:
        """For people: name and version, and that nobody has signed it."""
        unsigned = "" if self.status == "signed_off" else f" ({UNSIGNED})"
        return f"{self.name}, version {self.version}{unsigned}"

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


def _without_source(entries: Iterable[S]) -> tuple[S, ...]:
    return tuple(entry.model_copy(update={"source": ""}) for entry in entries)
