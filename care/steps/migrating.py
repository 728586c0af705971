"""Another version of its pathway for a journey under way: what it would change, whether it may be, and doing it.

A journey carries the pathway it began with, so that an edit of the content changes nobody's care. A clinician who
wants the other version for a patient says so, journey by journey, with a reason. What the journey has is kept: plans of
care and their numbers were made for this patient and stay until the next evaluation or edit. What is still to come is
set by the other version: phases and their gates, reviews, follow-ups, red-flag questions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from care import action as act
from care.draft import Draft
from care.gate import Criterion
from care.journey import Journey, Stage
from care.model import Model
from care.pathway import FollowUpPlan, Pathway, Phase
from care.red_flag import RedFlag
from care.steps import common, follow_up, phases, require


class Difference(Model):
    """One thing that the other version says otherwise, for this journey."""

    about: str
    now: str | None
    """None: there is none now."""
    then: str | None
    """None: there would be none."""
    when: str
    """From when on it counts."""


class Preview(Model):
    """What the other version means for one journey."""

    refused: tuple[str, ...] = ()
    """Why the journey cannot have it; empty where it can."""
    differences: tuple[Difference, ...] = ()


def preview(journey: Journey, other: Pathway) -> Preview:
    """What would change, and what forbids it. Changes nothing."""
    now = journey.pathway
    if now is None:
        return Preview(refused=("this journey has no pathway yet: choose one (choose_pathway)",))
    if other.id != now.id:
        return Preview(refused=(f"this journey follows {now.id}: another pathway is no other version of it",))
    if other.version == now.version:
        return Preview(refused=(f"this journey has {now.label} already",))
    return Preview(refused=tuple(_lacking(journey, now, other)), differences=tuple(_differences(journey, now, other)))


def check(d: Draft, a: act.MigratePathway) -> None:
    """What can be said before the content is read."""
    require(a.actor.role in common.CLINICIANS, "NotAllowed", "the version of a pathway is a clinician's decision")
    require(a.note, "NoteNeeded", "another version of the pathway needs a note that says why")
    now = d.journey.pathway
    require(
        now is not None and d.journey.stage != Stage.INTAKE,
        "NotYet",
        "in intake the pathway is chosen (choose_pathway), in its latest version",
    )
    label = now.label if now is not None else "none"
    require(
        label == f"{a.pathway}@{a.from_version}",
        "OtherVersion",
        f"this journey has {label}: look again at what would change",
    )
    require(a.from_version != a.to_version, "SameVersion", f"this journey has {label} already")
    require(d.journey.status != "on_hold", "OnHold", "end the hold first (resume): its clocks are about to change")


def migrate(d: Draft, a: act.MigratePathway, content: Pathway) -> None:
    """Pin the other version; what is to come is set by it from now on. Raises Refused where it does not fit."""
    check(d, a)
    before = d.journey.the_pathway
    found = preview(d.journey, content)
    require(not found.refused, "DoesNotFit", f"{content.label} cannot be had here: {'; '.join(found.refused)}")
    d.journey.pathway = _for(d.journey, before, content)
    d.write(
        "pathway_migrated",
        f"The pathway is now {content.title}; it was version {before.version}",
        before=before.label,
        after=content.label,
        changes="; ".join(_line(one) for one in found.differences) or "none for this journey",
    )
    if d.journey.phase is not None and d.journey.stage in (Stage.THERAPY, Stage.POST_SURGERY_REHAB):
        phases.follow_version(d, before)
    if d.journey.stage == Stage.FOLLOW_UP:
        follow_up.follow_version(d, before)


def _for(journey: Journey, before: Pathway, content: Pathway) -> Pathway:
    """As this journey carries it: red flags that are open, half answered or hinted at are asked as before."""
    pending = {f.flag for f in journey.open_flags} | {f.id for f in journey.hinted_flags}
    pending |= {o.flag for o in journey.screen.open} if journey.screen is not None else set()
    kept = tuple(f for f in before.red_flags if f.id in pending and content.red_flag(f.id) is None)
    pathway = content.for_journey(kept)
    return pathway if journey.stage == Stage.REFERRAL else pathway.accepted()


# --- what forbids it


def _lacking(journey: Journey, now: Pathway, other: Pathway) -> Iterable[str]:
    """What this journey stands on and the other version does not have."""
    in_care = journey.stage in (Stage.REFERRAL, Stage.THERAPY, Stage.POST_SURGERY_REHAB)
    if other.status == "sketch":
        yield "it is a sketch, which nobody may follow"
    if in_care and (journey.phase is not None or journey.surgery is not None) and other.surgical != now.surgical:
        yield "its phases count from something else"
    if in_care and (phase := journey.phase) is not None and phase.n not in {p.n for p in other.phases}:
        yield f"it has no phase {phase.n}, in which the patient is"
    known = {m.id for m in other.measures}
    goals = {goal.measure for plan in journey.active_plans for goal in plan.goals}
    if gone := sorted(goals - known):
        yield f"it does not measure what goals of this patient are set in: {', '.join(gone)}"
    kinds = {m.id: m.direction for m in now.measures}
    if turned := sorted(m.id for m in other.measures if m.id in goals and m.direction != kinds.get(m.id)):
        yield f"in it better is the other way round: {', '.join(turned)}"
    levels = {level.code for level in other.triage.levels}
    if journey.referral.priority is not None and journey.referral.priority not in levels:
        yield f"it has no priority {journey.referral.priority}, by which this patient waits"
    waiting = journey.follow_up.waiting if journey.follow_up is not None else None
    if journey.stage == Stage.FOLLOW_UP and waiting not in {None, *(o.id for o in other.follow_up.occasions)}:
        yield f"it has no follow-up {waiting}, whose answer is awaited"


# --- what it changes


def _differences(journey: Journey, now: Pathway, other: Pathway) -> Iterable[Difference]:
    if journey.stage in (Stage.REFERRAL, Stage.THERAPY, Stage.POST_SURGERY_REHAB):
        yield from _of_care(journey, now, other)
    yield from _lists("red-flag question", _questions(now.red_flags), _questions(other.red_flags), "at the next screen")
    yield from _of_follow_up(journey, now.follow_up, other.follow_up)


def _of_care(journey: Journey, now: Pathway, other: Pathway) -> Iterable[Difference]:
    yield from _lists("measure at the evaluation", now.baseline, other.baseline, "at the next evaluation")
    yield from _lists("measure at reviews", now.review.measures, other.review.measures, "at the next review")
    for what, old, new in (
        ("visits between reviews", now.review.every_visits, other.review.every_visits),
        ("days between reviews", now.review.every_days, other.review.every_days),
    ):
        yield from _one(what, old, new, "after the next review")
    doses = {rule.id: _dose(rule.visits, rule.weeks) for rule in now.dosing}
    new_doses = {rule.id: _dose(rule.visits, rule.weeks) for rule in other.dosing}
    for id_ in [*doses, *(i for i in new_doses if i not in doses)]:
        yield from _one(f"visits planned, {id_}", doses.get(id_), new_doses.get(id_), "at the next evaluation")
    here = journey.phase.n if journey.phase is not None else 0
    old_phases, new_phases = ({p.n: p for p in pathway.phases if p.n >= here} for pathway in (now, other))
    for n in sorted(old_phases.keys() | new_phases.keys()):
        yield from _of_phase(n, old_phases.get(n), new_phases.get(n), here)
    yield from _lists("end of care", _criteria(now.discharge), _criteria(other.discharge), "at once")


def _of_phase(n: int, old: Phase | None, new: Phase | None, here: int) -> Iterable[Difference]:
    when = "at once" if n == here else f"in phase {n}"
    if old is None or new is None:
        yield from _one(f"phase {n}", old.name if old else None, new.name if new else None, when)
        return
    yield from _one(f"days of phase {n}", _span(old.window_days), _span(new.window_days), when)
    yield from _one(f"least days in phase {n}", old.min_days, new.min_days, when)
    yield from _one(f"visits a week in phase {n}", _span(old.visits_per_week), _span(new.visits_per_week), when)
    yield from _lists(f"gate of phase {n}", _criteria(old.gate), _criteria(new.gate), when)
    yield from _lists(f"measure of phase {n}", old.measures, new.measures, when)


def _of_follow_up(journey: Journey, now: FollowUpPlan, other: FollowUpPlan) -> Iterable[Difference]:
    when = "at once" if journey.stage == Stage.FOLLOW_UP else "at discharge"
    yield from _one("follow-ups count from", now.anchor, other.anchor, when)
    over = _over(journey, now)
    old, new = ({o.id: f"day {o.days}" for o in plan.occasions if o.id not in over} for plan in (now, other))
    for id_ in [*old, *(i for i in new if i not in old)]:
        yield from _one(f"follow-up {id_}", old.get(id_), new.get(id_), when)
    yield from _lists("measure at follow-ups", now.measures, other.measures, when)
    yield from _one("days to answer a follow-up", now.answer_days, other.answer_days, "at the next follow-up")
    yield from _one("days of open access", now.open_access_days, other.open_access_days, "at the next discharge")


def _over(journey: Journey, plan: FollowUpPlan) -> set[str]:
    """Follow-ups that have been."""
    if journey.stage != Stage.FOLLOW_UP or journey.follow_up is None:
        return set()
    return {o.id for o in plan.occasions} - set(journey.follow_up.to_come)


def _one(about: str, old: object, new: object, when: str) -> Iterable[Difference]:
    if old != new:
        yield Difference(
            about=about, now=None if old is None else str(old), then=None if new is None else str(new), when=when
        )


def _lists(about: str, old: Sequence[str], new: Sequence[str], when: str) -> Iterable[Difference]:
    for gone in (x for x in old if x not in new):
        yield Difference(about=about, now=gone, then=None, when=when)
    for come in (x for x in new if x not in old):
        yield Difference(about=about, now=None, then=come, when=when)


def _questions(flags: tuple[RedFlag, ...]) -> list[str]:
    return list(dict.fromkeys(sign.id for flag in flags for sign in flag.signs))


def _criteria(criteria: Sequence[Criterion]) -> list[str]:
    return [_words(c) for c in criteria]


def _words(c: Criterion) -> str:
    only_if = f" if {_words(c.only_if)}" if c.only_if is not None else ""
    return f"{c.fact} {c.op} {c.than if c.than is not None else c.value}{only_if}"


def _dose(visits: tuple[int, int] | None, weeks: int | None) -> str:
    number = f"up to {visits[1]} visits" if visits else "visits as the therapist says"
    return f"{number} in {weeks} weeks" if weeks else number


def _span(days: tuple[float, float]) -> str:
    return f"{days[0]:g} to {days[1]:g}"


def _line(one: Difference) -> str:
    return f"{one.about}: {one.now or 'none'} -> {one.then or 'none'} ({one.when})"
