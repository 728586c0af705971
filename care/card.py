"""The card: one journey at a glance, as Markdown, for the details shown in Temporal's Web UI."""

from __future__ import annotations

from datetime import datetime

from care.draft import next_due, overdue, waiting_on
from care.journey import Journey

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
    return f"### {stage}{hold}{late}\n\n{_waiting(journey)}\n\n{_facts(journey)}\n{_tasks(journey)}{_link(journey)}"


def _waiting(journey: Journey) -> str:
    whom = waiting_on(journey)
    due = next_due(journey)
    tasks = journey.open_tasks
    why = tasks[0].label if tasks else (journey.next_clock.label if journey.next_clock else "")
    until = f" until **{_day(journey, due)}**" if due else ""
    return f"Waiting for **{WHOM.get(whom, whom)}**{until}: {why}"


def _facts(journey: Journey) -> str:
    rows = []
    if journey.pathway is not None:
        rows.append(("Pathway", f"{journey.pathway.name}, version {journey.pathway.version}"))
    if journey.referral.priority:
        rows.append(("Priority", journey.referral.priority))
    if journey.phase is not None and journey.stage == "PostSurgeryRehab":
        content = journey.phase_content()
        rows.append(("Phase", f"{journey.phase.n}: {content.name if content else ''}"))
    for plan in journey.plans:
        if plan.status in ("active", "completed"):
            done = f"{plan.visits_attended} of {plan.visits_planned.value:g} visits"
            rows.append((f"Plan ({plan.discipline.replace('_', ' ')})", f"{plan.label}: {done}"))
    latest = {s.measure: s.value for s in sorted(journey.scores, key=lambda s: s.at) if not s.in_error}
    if latest:
        shown = (
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in latest.items()
        )
        rows.append(("Last scores", ", ".join(shown)))
    rows += [
        ("Red flag", f"**{flag.flag} ({flag.urgency})**, {flag.outcome or 'not handled'}")
        for flag in journey.flags
        if flag.outcome != "cleared"
    ]
    body = "".join(f"| {name} | {value} |\n" for name, value in rows)
    return f"| | |\n|---|---|\n{body}" if rows else ""


def _tasks(journey: Journey) -> str:
    if not journey.open_tasks:
        return ""
    lines = (
        f"- {task.label}: {WHOM.get(task.owner.removeprefix('queue:'), task.owner)}, by {_day(journey, task.due)}\n"
        for task in journey.open_tasks
    )
    return f"\n**Owed now**\n\n{''.join(lines)}"


def _link(journey: Journey) -> str:
    return f"\nThe whole record: `continuum show {journey.id}`"


def _day(journey: Journey, moment: datetime) -> str:
    local = journey.calendar.local(moment) if journey.calendar else moment
    return f"{local:%a %d %b %Y, %H:%M}"
