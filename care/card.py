"""The card: one journey at a glance, as Markdown, for the details shown in Temporal's Web UI."""

from __future__ import annotations

from datetime import datetime

from care.commit import next_due, overdue, pressing, waiting_on
from care.dates import dated
from care.journey import Journey
from care.score import Score, ScoreValue
from care.task import Task

SCORES_SHOWN = 6

WHOM = {
    "intake": "the intake desk",
    "triage": "triage",
    "front_desk": "the front desk",
    "therapists": "the therapists",
    "on_call": "the clinician on call",
    "visit": "the next visit",
    "follow_up": "the next follow-up",
    "follow_up_answer": "the patient's answer",
    "self_care_check": "the next self-care check",
    "review_due": "the next progress review",
    "recertification": "the end of the certified time",
    "authorisation_ends": "the end of the payer's authorisation",
    "drop_off": "the patient's next booking",
    "open_access": "the end of open access",
    "gate_opens": "the earliest day of the next phase",
    "phase_review": "the review of this phase",
    "nobody": "nobody",
}


def card(journey: Journey, now: datetime) -> str:
    """Stage, plan, visits, scores, and who is waited for, until when and why."""
    stage = journey.stage.label
    if journey.status == "closed":
        return f"### {stage}: closed ({journey.outcome})\n\n{_facts(journey)}\n{_link(journey)}"
    late = " · **overdue**" if overdue(journey, now) else ""
    hold = " · **on hold**" if journey.status == "on_hold" else ""
    return (
        f"### {stage}{hold}{late}\n\n{_waiting(journey)}\n\n{_facts(journey)}\n{_tasks(journey, now)}{_link(journey)}"
    )


def _waiting(journey: Journey) -> str:
    whom = waiting_on(journey)
    due = next_due(journey)
    tasks = pressing(journey)
    why = tasks[0].label if tasks else (journey.next_clock.label if journey.next_clock else "")
    until = f" until **{_day(journey, due)}**" if due else ""
    return f"Waiting for **{WHOM.get(whom, whom)}**{until}: {why}"


def _facts(journey: Journey) -> str:
    rows = []
    if journey.pathway is not None:
        rows.append(("Pathway", journey.pathway.title))
    elif journey.referral.candidates:
        rows.append(("To choose from", ", ".join(journey.referral.candidates)))
    if journey.referral.questions and not journey.screened:
        rows.append(("Ask first", ", ".join(journey.referral.questions)))
    if journey.referral.priority:
        rows.append(("Priority", journey.referral.priority))
    if journey.phase is not None and journey.stage in ("Therapy", "PostSurgeryRehab"):
        content = journey.phase_content()
        rows.append(("Phase", f"{journey.phase.n}: {content.name if content else ''}"))
    rows += [
        (
            f"Plan ({plan.discipline.replace('_', ' ')})",
            f"{plan.label}: {plan.visits_attended} of {plan.visits_planned.value:g} visits",
        )
        for plan in journey.active_plans or journey.plans[-1:]
    ]
    booked = sorted(visit.starts_at for visit in journey.visits)
    if booked:
        rows.append(("Next visit", _day(journey, booked[0])))
    rows += [
        ("Red flag", f"**{flag.flag} ({flag.urgency})**, {flag.outcome or 'not handled'}")
        for flag in journey.flags
        if flag.outcome != "cleared"
    ]
    body = "".join(f"| {name} | {value} |\n" for name, value in rows)
    return (f"| | |\n|---|---|\n{body}" if rows else "") + _scores(journey)


def _scores(journey: Journey) -> str:
    """The measures taken last: first and last value, and on which day."""
    taken: dict[str, list[Score]] = {}
    for score in sorted(journey.scores, key=lambda s: s.at):
        if not score.in_error:
            taken.setdefault(score.measure, []).append(score)
    latest = sorted(taken.values(), key=lambda scores: scores[-1].at, reverse=True)[:SCORES_SHOWN]
    if not latest or journey.pathway is None:
        return ""
    lines = ""
    for scores in latest:
        measure = journey.pathway.measure(scores[0].measure)
        name, unit = (measure.name, measure.unit or "") if measure else (scores[0].measure, "")
        first = _value(scores[0].value, unit) if len(scores) > 1 else ""
        lines += f"| {name} | {first} | {_value(scores[-1].value, unit)} | {_date(journey, scores[-1].at)} |\n"
    return f"\n| Last scores | First | Last | On |\n|---|---|---|---|\n{lines}"


def _value(value: ScoreValue, unit: str) -> str:
    return f"{value:g} {unit}".strip() if isinstance(value, int | float) else str(value).replace("_", " ")


def _tasks(journey: Journey, now: datetime) -> str:
    if not journey.open_tasks:
        return ""
    lines = (f"- {_task(journey, task, now)}\n" for task in journey.open_tasks)
    return f"\n**Owed now**\n\n{''.join(lines)}"


def _task(journey: Journey, task: Task, now: datetime) -> str:
    owner = task.owner.partition(":")[2]
    late = " · **overdue**" if task in journey.running_tasks and task.due < now else ""
    on_it = (
        f"; {task.acknowledged_by} is on it, no reminders until {_day(journey, task.quiet_until)}"
        if task.quiet_until is not None and task.quiet_until > now
        else ""
    )
    return f"{task.label}: {WHOM.get(owner, owner)}, by {_day(journey, task.due)}{late}{on_it}"


def _link(journey: Journey) -> str:
    return f"\nThe whole record: `continuum show {journey.id}`"


def _local(journey: Journey, moment: datetime) -> datetime:
    return journey.calendar.local(moment) if journey.calendar else moment


def _day(journey: Journey, moment: datetime) -> str:
    return dated(_local(journey, moment), "%a %d %b %Y, %H:%M")


def _date(journey: Journey, moment: datetime) -> str:
    return dated(_local(journey, moment), "%d %b %Y")
