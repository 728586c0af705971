"""Messages on their way: what waits is decided when its time comes, and what came back is told to a person."""

from __future__ import annotations

from care import action as act
from care.clock import PATIENT_CANNOT, Clock
from care.draft import Draft, Refused
from care.journey import Journey
from care.notice import Outgoing
from care.steps import endings, require


def wake(d: Draft, _: Clock) -> None:
    """The moment of the earliest message has come: all that are due are decided upon, and leave together or never.

    Consent, quiet hours and whether it still holds are looked at now, in care time; how often the mail server then
    has to be tried is another matter.
    """
    d.stop_clock("messages")
    for outgoing in [o for o in d.journey.outgoing if o.send_after is not None and o.send_after <= d.now]:
        if (reason := why_not(d, outgoing)) is not None:
            d.stop_notice(outgoing.id, reason)
        elif (moment := d.quiet(outgoing.to, d.now)) > d.now:
            later = outgoing.model_copy(update={"send_after": moment})
            d.journey.outgoing = [later if o.id == outgoing.id else o for o in d.journey.outgoing]
    d.schedule_messages()


def leaving(journey: Journey) -> list[Outgoing]:
    """What may leave now: all that never had to wait, and what was decided upon when its time came.

    Its time alone is not enough: after an outage something else may be committed before the clock is heard.
    """
    clock = next((c for c in journey.clocks if c.kind == "messages"), None)
    return [o for o in journey.outgoing if o.send_after is None or clock is None or o.send_after < clock.due]


def why_not(d: Draft, outgoing: Outgoing) -> str | None:
    """Why a message that was queued for now is not sent after all; None when it is."""
    journey = d.journey
    if outgoing.to != "patient":
        return None
    if not journey.referral.consent_messages:
        return "the patient does not want messages"
    if journey.hold_reason in PATIENT_CANNOT:
        return "the journey is on hold"
    if outgoing.about is not None:
        visit = journey.visit(outgoing.about)
        if visit is None or visit.starts_at <= d.now:
            return "the visit is over or cancelled"
    return None


def undelivered(d: Draft, lost: list[Outgoing]) -> None:
    """Messages did not leave: a person takes over, once for each they were for, unless the journey is over."""
    for outgoing in lost:
        if d.journey.status != "closed":
            d.open_task("deliver_notice", outgoing.to)
        d.write("undelivered", f"A message could not be sent: {outgoing.words}", notice=outgoing.id)


def note_undelivered(d: Draft, a: act.NoteUndelivered) -> None:
    """A message came back after it had left, or was lost on its way in a digest: one task for each it was for.

    A task for each message would have no end where the address of those who deliver them is the one that is wrong.
    """
    require(a.notice.startswith(f"{d.journey.id}:"), "NoSuchNotice", "no message of that id is this journey's")
    d.open_task("deliver_notice", a.to)
    d.write("undelivered", "A message came back or could not be sent", notice=a.notice)


def settle_notice(d: Draft, a: act.SettleNotice) -> None:
    """A message that could not be sent is dealt with."""
    task = d.journey.task(a.task)
    if task is None or task.kind != "deliver_notice":
        raise Refused("NoSuchTask", "no undelivered message of that task id")
    d.settle("deliver_notice", task.subject, outcome=a.outcome)
    d.write("notice_settled", f"Undelivered message: {a.outcome.replace('_', ' ')}")
    endings.complete_if_done(d)
