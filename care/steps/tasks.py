"""Tasks, whatever they are about: their ladders, and who takes, gives, acknowledges and hands them over."""

from __future__ import annotations

from care import action as act
from care.clock import Clock
from care.draft import Draft, Refused
from care.steps import by_staff, endings, require
from care.task import TASKS, Task


def due(d: Draft, clock: Clock) -> None:
    """The next step of a task's ladder: tell the next person; after the last, the named lead again and again."""
    task = d.journey.task(clock.subject)
    if task is None:
        d.stop_clock("task", clock.subject)
        return
    ladder = TASKS[task.kind].ladder
    rung = ladder[min(d.climb(task), len(ladder) - 1)]
    lead = d.journey.clinic.lead if d.journey.clinic else "lead"
    to = {
        "owner": task.owner,
        "supervisor": f"supervisor:{task.queue or TASKS[task.kind].owner}",
        "named_lead": f"person:{lead}",
        "referrer": "referrer",
    }[rung.tell]
    words = {
        "owner": "its owner is reminded",
        "supervisor": "the supervisor is told",
        "named_lead": "the lead is told",
        "referrer": "the referrer is asked again",
    }[rung.tell]
    when = d.local_iso(task.due)
    if rung.tell == "referrer":
        _ask_referrer_again(d, task)
        d.write("reminded", f"{task.label}: {words}", task=task.id)
    elif rung.tell == "owner":
        d.tell(to, "task_due", escalation=task, task=task.kind, due=when)
        d.write("reminded", f"{task.label}: due; {words}", task=task.id)
    else:
        d.tell(to, "task_escalated", escalation=task, task=task.kind, due=when)
        d.write("escalated", f"{task.label}: overdue; {words}", task=task.id)


def _ask_referrer_again(d: Draft, task: Task) -> None:
    if task.kind == "chase_receipt":
        d.tell("referrer", "summary_reminder")
    else:
        d.tell("referrer", "referral_answer", answer="information_reminder", about=task.subject)


def claim(d: Draft, a: act.ClaimTask) -> None:
    """Out of its queue, to whoever says so; from a colleague only by `assign_task`."""
    task = _task(d, a.task)
    _staff(a)
    mine = f"person:{a.actor.person}"
    require(
        task.owner == mine or task.owner.startswith("queue:"),
        "AlreadyClaimed",
        f"this task is {task.owner.removeprefix('person:')}'s; assign_task gives it to another",
    )
    _give(d, task, mine)
    d.write("claimed", f"{task.label}: taken by {a.actor.person}", task=task.id)


def assign(d: Draft, a: act.AssignTask) -> None:
    """To a person or back to a queue. The deadline and the steps already taken stay."""
    task = _task(d, a.task)
    _staff(a)
    require(task.owner != a.to, "SameOwner", f"this task is {_name(a.to)}'s already")
    _give(d, task, a.to)
    d.write("assigned", f"{task.label}: given to {_name(a.to)}", task=task.id, to=a.to)


def acknowledge(d: Draft, a: act.AcknowledgeTask) -> None:
    """The ladder is silent for a while. A silence without end would be a task that nobody hears of again."""
    task = _task(d, a.task)
    _staff(a)
    require(
        a.rung is None or a.rung == task.rung,
        "LadderMoved",
        f"{task.rung} step(s) of the ladder have been taken, not {a.rung}: look again and acknowledge what stands now",
    )
    if task.owner.startswith("queue:"):
        _give(d, task, f"person:{a.actor.person}")
    d.silence(task, a.actor.person)
    until = task.quiet_until
    words = f"; silent until {d.local_words(until)}" if until else ""
    d.write("acknowledged", f"{task.label}: {a.actor.person} is on it{words}", task=task.id, rung=task.rung)


def request_help(d: Draft, a: act.RequestHelp) -> None:
    """The task stays where it is; helping is a task of its own."""
    task = _task(d, a.task)
    _staff(a)
    require(task.kind != "give_help", "NotHelp", "ask for help with the task itself")
    require(a.of != task.owner, "SameOwner", f"this task is {_name(a.of)}'s already")
    d.open_task("give_help", task.id, owner=a.of)
    d.tell(a.of, "task_help", task=task.kind, due=d.local_iso(task.due))
    d.write("help_asked", f"{task.label}: {_name(a.of)} is asked for help", task=task.id, of=a.of)


def give_help(d: Draft, a: act.GiveHelp) -> None:
    """Helped, or not able to: whoever asked knows."""
    task = _task(d, a.task, kind="give_help")
    helped = d.journey.task(task.subject)
    d.settle("give_help", task.subject, outcome=a.outcome)
    d.write("help_given", f"Help with a task: {a.outcome.replace('_', ' ')}", task=task.subject)
    if helped is not None and a.outcome == "cannot_help":
        d.tell(helped.owner, "task_due", task=helped.kind, due=d.local_iso(helped.due))
    endings.complete_if_done(d)


def hand_over(d: Draft, a: act.HandOver) -> None:
    """All that one person owes here, and their plans of care, go to another, who says that they read the note."""
    _staff(a)
    giver = a.giver or a.actor.person
    require(a.note, "NoteNeeded", "a handover needs a note for the colleague who takes over")
    require(a.to != giver, "SameOwner", "a handover is to somebody else")
    tasks = [t for t in d.journey.open_tasks if t.owner == f"person:{giver}"]
    plans = [p for p in d.journey.active_plans if p.clinician == giver]
    require(tasks or plans, "NothingToHandOver", f"{giver} owes nothing here and treats by no plan")
    for task in tasks:
        _give(d, task, f"person:{a.to}")
    for plan in plans:
        plan.clinician = a.to
        d.save_plan(plan)
    d.open_task("accept_handover", a.to, owner=f"person:{a.to}")
    d.tell(f"person:{a.to}", "handover", tasks=len(tasks))
    d.write("handed_over", f"Handed over from {giver} to {a.to}: {len(tasks)} task(s), {len(plans)} plan(s)", to=a.to)


def accept_handover(d: Draft, a: act.AcceptHandover) -> None:
    """The handover is complete."""
    task = _task(d, a.task, kind="accept_handover")
    d.settle("accept_handover", task.subject, outcome="accepted")
    d.write("handover_accepted", f"{a.actor.person} takes over")
    endings.complete_if_done(d)


def _task(d: Draft, task_id: str, *, kind: str | None = None) -> Task:
    task = d.journey.task(task_id)
    if task is None or (kind is not None and task.kind != kind):
        known = ", ".join(f"{t.id} ({t.label})" for t in d.journey.open_tasks if kind in (None, t.kind)) or "none"
        raise Refused("NoSuchTask", f"no such open task on this journey; open: {known}")
    return task


def _staff(a: act.Action) -> None:
    by_staff(a, "tasks are the staff's own affair")


def _give(d: Draft, task: Task, to: str) -> None:
    task.owner = to
    task.acknowledged_by = None
    d.save_task(task)


def _name(owner: str) -> str:
    return owner.partition(":")[2].replace("_", " ")
