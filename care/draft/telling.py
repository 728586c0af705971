"""Whom a draft tells what: notices now and later, and the referrer's answers."""

from __future__ import annotations

from datetime import datetime

from care.draft.obligations import Obligations
from care.notice import NOTICES, BusinessStatus, Notice, Outgoing, Reply, Stopped, TaskStatus, Template
from care.score import ScoreValue
from care.task import TASKS, Task


class Telling(Obligations):
    """Messages of the journey being changed."""

    def tell(
        self,
        to: str,
        template: Template,
        *,
        send_after: datetime | None = None,
        about: str | None = None,
        escalation: Task | None = None,
        **facts: ScoreValue,
    ) -> None:
        """Queue a notice. The patient is written to only with consent, and not in quiet hours.

        `about` is what the notice stands and falls with (a visit). A step of a ladder (`escalation`) has one id for
        ever, so that nothing alerts twice.
        """
        journey = self.journey
        rule = NOTICES[template]
        if (self.taking_over and send_after is None) or (rule.needs_consent and not journey.referral.consent_messages):
            return
        urgent = escalation is not None and TASKS[escalation.kind].round_the_clock
        moment = journey.after_quiet_hours(to, send_after or self.now)
        notice = Notice(
            id=self.mint("notice") if escalation is None else f"{escalation.id}:rung:{escalation.rung}",
            to=to,
            template=template,
            facts={"stage": journey.stage.label, **facts},
            send_after=moment,
            escalation=escalation.id if escalation else None,
            digest=rule.digest and not urgent,
        )
        self._notices.append(notice)
        if moment > self.now and not notice.digest:
            journey.outgoing.append(Outgoing(id=notice.id, to=to, send_after=moment, about=about))

    def stop_notice(self, notice: str, reason: str) -> None:
        """Do not send it after all. What has left already stays as it is."""
        self._stopped.append(Stopped(id=notice, reason=reason))
        self.journey.outgoing = [o for o in self.journey.outgoing if o.id != notice]

    def stop_about(self, subject: str, reason: str) -> None:
        """Do not send what was queued about something that is no longer so."""
        for outgoing in [o for o in self.journey.outgoing if o.about == subject]:
            self.stop_notice(outgoing.id, reason)

    def stop_to_patient(self, reason: str, *, queued_now_too: bool = True) -> None:
        """Do not send the patient what was queued for later, or only what earlier decisions queued."""
        kept = set() if queued_now_too else {n.id for n in self._notices}
        for outgoing in [o for o in self.journey.outgoing if o.to == "patient" and o.id not in kept]:
            self.stop_notice(outgoing.id, reason)

    def answer_referrer(
        self,
        status: TaskStatus,
        business_status: BusinessStatus | None,
        *,
        reason: str | None = None,
        visits_done: int | None = None,
        visits_planned: int | None = None,
    ) -> None:
        """Queue an answer to the referrer's system, and to the referrer."""
        if self.taking_over:
            return
        reply = Reply(
            id=self.mint("reply"),
            status=status,
            business_status=business_status,
            reason=reason,
            at=self.now,
            visits_done=visits_done,
            visits_planned=visits_planned,
        )
        self._replies.append(reply)
