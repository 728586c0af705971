"""Taking a journey over: what fits begins in its stage, and the journal says what became of its clocks."""

from __future__ import annotations

from datetime import timedelta

from care.actor import Actor, system
from care.calendar import Calendar
from care.caseload import Adoption, BackdatedClock, Taken
from care.clock import Backdated
from care.draft import Draft, Refused
from care.journey import Journey, Stage
from care.pathway import Pathway
from care.referral import Clinic
from care.steps import screening
from care.steps.caseload.fitting import check, notes_on
from care.steps.caseload.stages import in_discharge, in_follow_up, in_intake, in_referral, in_rehab, in_therapy

A_DAY = timedelta(hours=24)


def adopt(d: Draft, adoption: Adoption, clinic: Clinic, calendar: Calendar, pathway: Pathway | None) -> Taken:
    """Set the journey up where it stood. Raises Refused, saying what does not fit and what would be right.

    The draft is one that is taking over (`Draft(taking_over=True)`).
    """
    d.journey.adoption = None
    d.journey.clinic = clinic
    d.journey.calendar = calendar
    if pathway is None:
        raise Refused("UnknownPathway", "there is no pathway of that name")
    check(d, adoption, pathway)
    notes = notes_on(d, adoption, pathway)
    match adoption.stage:
        case Stage.INTAKE:
            in_intake(d, adoption, pathway)
        case Stage.REFERRAL:
            in_referral(d, adoption, pathway)
        case Stage.THERAPY:
            in_therapy(d, adoption, pathway)
        case Stage.POST_SURGERY_REHAB:
            in_rehab(d, adoption, pathway)
        case Stage.DISCHARGE:
            in_discharge(d, adoption, pathway)
        case Stage.FOLLOW_UP:
            in_follow_up(d, adoption, pathway)
    if adoption.stage in (Stage.THERAPY, Stage.POST_SURGERY_REHAB) and not adoption.screened:
        screening.owe_the_screen(d)  # an appointment of the old records stands; no other is made before it
    taken = _taken(d, adoption.stage, notes)
    counts = {p: sum(c.policy == p for c in taken.clocks) or None for p in ("skip", "do_now", "spread")}
    words = _words(adoption, taken)
    d.write(
        "taken_over",
        words,
        source=adoption.source,
        skipped=counts["skip"],
        now=counts["do_now"],
        spread=counts["spread"],
    )
    return taken


def actor(journey: Journey, adoption: Adoption) -> Actor:
    """Who takes it over: the person who said so, else Continuum itself."""
    if adoption.by is None:
        return system(journey.tenant)
    return Actor(person=adoption.by, role="coordinator", tenant=journey.tenant)


def _taken(d: Draft, stage: Stage, notes: tuple[str, ...]) -> Taken:
    standing = {c.id: c for c in d.journey.clocks}
    clocks = [
        BackdatedClock(label=c.label, policy=policy, at=None if policy == "skip" else c.due)
        for c, policy in d.ran_out
        if policy == "skip" or c.id in standing
    ]
    soon = [c for c in d.journey.clocks if c.due <= d.now + A_DAY]
    asked = [c for c in soon if c.kind in ("follow_up", "self_care_check")]
    return Taken(
        stage=stage,
        clocks=tuple(clocks),
        first_day=sum(c.kind not in ("visit", "gate_opens", "review_due", "drop_off", "phase_review") for c in soon),
        to_patient=len(asked) if d.journey.referral.consent_messages else 0,
        notes=notes,
    )


def _words(a: Adoption, taken: Taken) -> str:
    """For the journal: what was taken over, which clocks were skipped, done now or spread, and what was unusual."""
    counts = f"; {', '.join(f'{p.visits_used} visits used' for p in a.plans)}" if a.plans else ""
    parts: dict[Backdated, str] = {"skip": "skipped", "do_now": "done now", "spread": "spread"}
    told = [
        f"{word}: {', '.join(sorted(c.label for c in taken.clocks if c.policy == policy))}"
        for policy, word in parts.items()
        if any(c.policy == policy for c in taken.clocks)
    ]
    return "; ".join([f"Taken over from {a.source} in {a.stage.label}{counts}", *told, *taken.notes])
