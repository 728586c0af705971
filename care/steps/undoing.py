"""Undoing what was recorded of a visit: the counts go back, what followed from it alone ends, the rest stays."""

from __future__ import annotations

from datetime import date

from care.draft import Draft, Refused
from care.journey import RecordedVisit, Stage
from care.model import copy_of
from care.plan import PlanOfCare
from care.recorded import number
from care.score import Score
from care.steps import authorisation, plans, refuse, reports, require, visits
from care.task import TaskKind

TREATING = (Stage.THERAPY, Stage.POST_SURGERY_REHAB)
FOLLOWS: set[TaskKind] = {
    "evaluate",
    "book_visit",
    "review_progress",
    "review_phase",
    "win_back",
    "progress_report",
    "renew_authorisation",
}
"""Tasks that may be owed because of a record alone. A red flag raised at it is none: only a clinician clears that."""


def visit_record(d: Draft, visit_id: str | None) -> None:
    """What was recorded of the visit does not hold: it is booked again, and its record is owed."""
    if visit_id is not None and d.journey.visit(visit_id) is not None:
        refuse("NotRecorded", "nothing is recorded of this visit yet; enter the visit itself in error, or cancel it")
    record = _recorded(d, visit_id)
    require(
        d.journey.stage in TREATING and d.journey.next_stage is None,
        "CareEnded",
        "care has ended, and the record could not be made again: reopen care first (reopen_care), or say that the "
        "visit itself was never this patient's (what: visit)",
    )
    _take_back(d, record)
    visit = record.visit.model_copy(update={"status": "booked", "reason": None})
    d.save_visit(visit)
    d.write(
        "entered_in_error",
        "What was recorded of a visit was entered in error; its record is owed",
        visit=visit.id,
        scores=" ".join(_scores(d, record)) or None,
    )
    _end_what_followed(d, record, booked=True)
    if visit.ends_at <= d.now:
        d.open_task("record_visit", visit.id)
    else:
        day = d.journey.the_calendar.local(visit.starts_at)
        d.start_clock("visit", visit.id, visit.ends_at, f"Visit on {day:%d %B}")
    _look_again(d, record)


def visit(d: Draft, visit_id: str | None) -> None:
    """The appointment never was this patient's."""
    booked = d.journey.visit(visit_id) if visit_id is not None else None
    record = _recorded(d, visit_id) if booked is None else None
    if record is not None:
        _take_back(d, record)
    standing = booked if record is None else record.visit
    if standing is None:
        raise Refused("NoSuchVisit", "no visit of that id on this journey")
    wrong = standing.model_copy(update={"status": "entered_in_error", "reason": None})
    d.save_visit(wrong)
    d.stop_clock("visit", wrong.id)
    d.settle("record_visit", wrong.id, outcome="entered in error")
    d.write(
        "entered_in_error",
        "A visit was entered in error: it was not this patient's",
        visit=wrong.id,
        scores=" ".join(_scores(d, record)) or None,
    )
    if record is not None:
        _end_what_followed(d, record, booked=False)
        _look_again(d, record)
    if _owes_visits(d, d.journey.plan(wrong.plan) if wrong.plan else None):
        visits.owe_next(d, wrong.plan)


def _recorded(d: Draft, visit_id: str | None) -> RecordedVisit:
    record = next((r for r in d.journey.recorded if r.visit.id == visit_id), None)
    if record is None:
        known = ", ".join(r.visit.id for r in d.journey.recorded) or "none"
        raise Refused("NoSuchRecord", f"not among the last visits recorded, which alone can be undone: {known}")
    return record


def _scores(d: Draft, record: RecordedVisit | None) -> list[str]:
    return [f"{d.journey.id}:score:{n}" for n in record.scores] if record is not None else []


def _take_back(d: Draft, record: RecordedVisit) -> None:
    """Counts and scores. What the journey has forgotten of them is marked by the journal's row, which names them."""
    uncount(d, record)
    d.forget_record(record.visit.id)
    d.enter_scores_in_error(_scores(d, record))


def uncount(d: Draft, record: RecordedVisit) -> None:
    """Take back what the record of a visit counted; see `visits.record`, `reports.count`, `authorisation.use`."""
    counted, plan = record.counted, d.journey.plan(record.visit.plan) if record.visit.plan else None
    if plan is None:
        d.journey.first_visits_missed = max(0, d.journey.first_visits_missed - counted.first_missed)
        return
    plan.visits_attended = max(0, plan.visits_attended - counted.attended)
    plan.visits_missed = max(0, plan.visits_missed - counted.missed)
    plan.visits_at_review = min(plan.visits_at_review, plan.visits_attended)
    standing = plan.authorisation
    day = d.journey.the_calendar.local(record.visit.starts_at).date()
    if standing is not None and authorisation.covers(standing, day):
        standing.used = max(0, standing.used - counted.authorised)
    _uncount_row(d, plan, record)
    _uncount_day(d, plan, record, day)
    d.save_plan(plan)


def _later(d: Draft, record: RecordedVisit) -> list[RecordedVisit]:
    """Visits of the same plan recorded after this one."""
    ids = [r.visit.id for r in d.journey.recorded]
    after = d.journey.recorded[ids.index(record.visit.id) + 1 :]
    return [r for r in after if r.visit.plan == record.visit.plan]


def _uncount_row(d: Draft, plan: PlanOfCare, record: RecordedVisit) -> None:
    """How often in a row the patient was missed: unless a visit attended since began the row anew."""
    later = _later(d, record)
    before, after = record.counted.missed_in_a_row
    if all(r.visit.status == "no_show" for r in later) and plan.missed_in_a_row == after + len(later):
        plan.missed_in_a_row = before + len(later)


def _uncount_day(d: Draft, plan: PlanOfCare, record: RecordedVisit, day: date) -> None:
    """The treatment day: it stays where another visit of that day stands, and where a report has been filed since."""
    local = d.journey.the_calendar.local
    others = [
        r for r in d.journey.recorded if r is not record and r.visit.plan == plan.id and r.visit.status == "attended"
    ]
    same_day = next((r for r in others if local(r.visit.starts_at).date() == day), None)
    if same_day is not None:
        together = same_day.counted.treatment_days + record.counted.treatment_days
        counted = same_day.counted.model_copy(update={"treatment_days": together})
        d.journey.recorded = [
            r.model_copy(update={"counted": counted}) if r is same_day else r for r in d.journey.recorded
        ]
        return
    if plan.reported_at is None or plan.reported_at < record.recorded_at:
        plan.treatment_days = max(0, plan.treatment_days - record.counted.treatment_days)
    if record.counted.treatment_days and plan.last_treatment_on == day:
        days = [local(r.visit.starts_at).date() for r in others]
        plan.last_treatment_on = max(
            [*days, *([record.counted.last_treatment_on] if record.counted.last_treatment_on else [])], default=None
        )


def _end_what_followed(d: Draft, record: RecordedVisit, *, booked: bool) -> None:
    """End what is owed because of the record alone, and owe again what the record had ended."""
    journey = d.journey
    plan = journey.plan(record.visit.plan) if record.visit.plan else None
    for task in [t for t in journey.open_tasks if number(t.id) in record.opened and t.kind in FOLLOWS]:
        if task.kind == "book_visit" and not booked:
            continue
        d.settle(task.kind, task.subject, outcome="entered in error")
    holder = plan or journey
    if record.visit.status == "no_show" and record.counted.winning_back is None and not _missed_since(d, record):
        holder.winning_back = None
        d.settle("win_back", plan.id if plan else "journey", outcome="entered in error")
    for task in record.settled if _owes_visits(d, plan) else ():
        unseen = task.kind == "first_visit" and not _came_since(d, record)
        if unseen or (task.kind == "win_back" and holder.winning_back is None):
            d.reopen_task(task)
            if task.kind == "win_back":
                holder.winning_back = copy_of(record.counted.winning_back)
    if plan is None:
        return
    if booked:
        d.stop_clock("drop_off", plan.id)
    if plan.treatment_days < reports.every(d, plan).value:
        d.settle("progress_report", plan.id, outcome="entered in error")
    d.save_plan(plan)


def _owes_visits(d: Draft, plan: PlanOfCare | None) -> bool:
    """Whether visits can be owed: once care, or the plan, has ended nobody could settle what is about them."""
    return d.journey.stage in TREATING and d.journey.next_stage is None and (plan is None or plan.status == "active")


def _came_since(d: Draft, record: RecordedVisit) -> bool:
    return any(r.visit.status == "attended" and r.recorded_at > record.recorded_at for r in d.journey.recorded)


def _missed_since(d: Draft, record: RecordedVisit) -> bool:
    return any(
        r.visit.status == "no_show" and r.visit.plan == record.visit.plan and r.recorded_at > record.recorded_at
        for r in d.journey.recorded
    )


def _look_again(d: Draft, record: RecordedVisit) -> None:
    """Whoever decided by what was recorded looks again, and the referrer hears of it where they had been told."""
    scores_were_wrong(d, [s for s in d.before.scores if s.id in _scores(d, record)])
    raised = [f for f in d.journey.flags if f.raised_at == record.recorded_at and f.urgency in ("E0", "E1")]
    ending = d.journey.ending
    if record.visit.status == "no_show" or raised or (ending is not None and ending.signed_by is not None):
        tell_referrer(d, record.visit.plan)


def scores_were_wrong(d: Draft, wrong: list[Score]) -> None:
    """Goals are held against what is left; what was decided by a wrong score is looked at by a clinician again."""
    journey = d.journey
    if not wrong or journey.stage not in TREATING:
        return
    measures = {s.measure for s in wrong}
    for plan in journey.active_plans:
        plans.note_goals(d, plan)
        made_from = [s for s in wrong if s.at <= plan.started_at and s.measure in {g.measure for g in plan.goals}]
        if made_from and journey.stage == Stage.THERAPY:
            plans.owe_review(d, plan, "a score that the plan was made from was wrong")
    phase = journey.phase
    opened = phase is not None and phase.opened_by == "gate" and any(s.at <= phase.entered_at for s in wrong)
    if phase is not None and opened:
        gate = next((p.gate for p in journey.the_pathway.phases if p.n == phase.n - 1), ())
        if measures & {c.fact.partition(".")[0] for c in gate}:
            d.open_task("review_phase")
            d.write("gate_doubtful", f"A score that the gate to phase {phase.n} looked at was wrong: to be reviewed")


def tell_referrer(d: Draft, plan_id: str | None) -> None:
    """What the referrer was told is corrected."""
    plan = d.journey.plan(plan_id) if plan_id else None
    d.answer_referrer(
        "in-progress" if d.journey.stage in TREATING else "completed",
        None,
        reason="corrected",
        visits_done=plan.visits_attended if plan else None,
        visits_planned=round(plan.visits_planned.value) if plan else None,
    )
    d.tell("referrer", "journey_news", news="corrected")
