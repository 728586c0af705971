"""Actions and clocks that every stage has."""

from __future__ import annotations

from datetime import datetime

from care import action as act
from care.draft import Draft, Refused
from care.journey import Journey, OpenFlag, Stage
from care.notice import Notice
from care.rules import Decided
from care.rules.screening import SCREEN, Screening, ScreeningResult
from care.steps import endings, items, require, words

CLINICIANS = {"therapist", "clinical_lead", "surgeon", "on_call"}


def enter(d: Draft, stage: Stage) -> None:
    """Every stage begins with this row; its time is the care time at which the stage was entered."""
    d.journey.stage = stage
    d.journey.next_stage = None
    d.journey.entered_at = d.now
    d.write("entered", f"{stage.label} begins")


def goes_on(d: Draft) -> bool:
    """Whether this stage is taken up again where it stood, so that nothing begins anew."""
    again, d.journey.going_on = d.journey.going_on, False
    return again


def check_expected(journey: Journey, action: act.Action) -> None:
    """Refuse what was meant for an earlier stage or version, saying what changed; and anything once closed."""
    require(action.actor.tenant == journey.tenant, "WrongTenant", "this journey belongs to another provider")
    require(journey.status != "closed", "Closed", f"this journey is closed ({journey.outcome})")
    expected = action.expected
    require(
        expected.stage == journey.stage and journey.next_stage is None,
        "StageMoved",
        f"this was meant for {expected.stage.label}; the journey is now in "
        f"{(journey.next_stage or journey.stage).label}",
    )
    require(
        expected.seq is None or expected.seq == journey.seq,
        "VersionMoved",
        f"this was meant for row {expected.seq} of the journal; the journey is now at row {journey.seq}: "
        "look again and repeat it if it still holds",
    )


# --- red flags


def screening(journey: Journey, answers: dict[str, bool]) -> tuple[ScreeningResult, Decided]:
    """The pathway's red flags against answers and the signs that last; flags that no answer touches are left out."""
    flags = tuple(f for f in journey.the_pathway.red_flags if any(s.id in answers for s in f.signs))
    asked = {s.id for f in flags for s in f.signs}
    lasting = {sign: True for sign in journey.lasting_signs if sign in asked}
    return SCREEN.apply(Screening(flags=flags, answers={**lasting, **answers}))


def remember_lasting(journey: Journey, answers: dict[str, bool]) -> None:
    """Keep the answers that stay true; an answer of no takes one back."""
    lasts = {s.id for f in journey.the_pathway.red_flags for s in f.signs if s.lasting}
    kept = {sign for sign in journey.lasting_signs if answers.get(sign, True)}
    journey.lasting_signs = sorted(kept | {sign for sign in lasts if answers.get(sign)})


def alarms(journey: Journey, answers: dict[str, bool], action_id: str, now: datetime) -> tuple[Notice, ...]:
    """Alarms for findings that cannot wait for the record. What to do stands in the task, not in the message.

    The id is made from the action's, so that a repeated action raises the same alarm and not another.
    """
    if journey.pathway is None or not answers:
        return ()
    result, _ = screening(journey, answers)
    return tuple(
        Notice(
            id=f"{journey.id}:alarm:{finding.flag}:{action_id}",
            to="queue:on_call",
            template="red_flag_alarm",
            facts={"urgency": finding.urgency, "stage": journey.stage.label},
            send_after=now,
        )
        for finding in result.findings
        if finding.urgency in ("E0", "E1")
    )


def known_answers(journey: Journey, answers: dict[str, bool]) -> None:
    """Refuse answers to questions that the pathway does not ask."""
    require(journey.pathway is not None, "NoPathway", "choose the pathway first: it says what to ask")
    known = {s.id for f in journey.the_pathway.red_flags for s in f.signs}
    unknown = len(set(answers) - known)
    require(
        not unknown,
        "UnknownSign",
        f"{unknown} answer(s) to questions that {journey.the_pathway.label} does not ask; "
        f"it asks: {', '.join(sorted(known))}",
    )


def screen(d: Draft, a: act.Screen) -> None:
    """Red-flag questions asked outside a visit."""
    answers = all_answers(d.journey, a)
    require(answers, "NoAnswers", "give at least one answer, by sign id")
    answer_flags(d, answers)


def all_answers(journey: Journey, a: act.Screen) -> dict[str, bool]:
    """What was answered one by one, and the rest where somebody says that all of it was asked and is absent."""
    known_answers(journey, a.answers)
    rest = {s.id: False for f in journey.the_pathway.red_flags for s in f.signs} if a.others_absent else {}
    return {**rest, **a.answers}


def answer_flags(d: Draft, answers: dict[str, bool]) -> ScreeningResult | None:
    """Screen the answers; each finding opens a task of its own, and the journal says why."""
    if not answers:
        return None
    known_answers(d.journey, answers)
    result, decided = screening(d.journey, answers)
    remember_lasting(d.journey, answers)
    if not result.findings:
        d.write("screened", "Red flags asked: none found", decided=decided)
        return result
    named = ", ".join(f"{f.suspected} ({f.urgency})" for f in result.findings)
    d.write("red_flag", f"Red flag: {named}", decided=decided, emergency=result.emergency)
    for finding in result.findings:
        standing = next((f for f in d.journey.flags if f.flag == finding.flag and f.outcome != "cleared"), None)
        if standing is not None and standing.urgency <= finding.urgency:
            continue
        if standing is not None:
            # It got more urgent: whoever saw it saw something else.
            standing.urgency, standing.handled_at, standing.outcome = finding.urgency, None, None
            d.settle("handle_red_flag", finding.flag, outcome="more urgent now")
        else:
            d.journey.flags.append(
                OpenFlag(
                    id=d.mint("flag"),
                    flag=finding.flag,
                    urgency=finding.urgency,
                    raised_at=d.now,
                    hold_booking=finding.hold_booking,
                )
            )
        days = {"E0": 0, "E1": 0, "E2": 5, "E3": 10}.get(finding.urgency, 10)
        d.open_task("handle_red_flag", finding.flag, due=d.business_days(days) if days else d.now)
        if finding.urgency in ("E0", "E1"):
            d.tell("referrer", "journey_news", news="urgent")
    return result


def handle_red_flag(d: Draft, a: act.HandleRedFlag) -> None:
    """Somebody dealt with it. Before therapy an emergency ends the journey; later, booking waits for the all-clear."""
    open_names = ", ".join(sorted({f.flag for f in d.journey.flags if f.outcome != "cleared"})) or "none"
    flag = next((f for f in d.journey.flags if f.flag == a.flag and f.outcome != "cleared"), None)
    if flag is None:
        raise Refused("NoSuchFlag", f"no red flag of that name is open on this journey; open: {open_names}")
    require(a.actor.role in CLINICIANS, "NotAllowed", "a red flag is handled by a clinician")
    flag.handled_at = d.now
    flag.outcome = a.outcome
    d.settle("handle_red_flag", a.flag, outcome=a.outcome)
    d.write("red_flag_handled", f"Red flag handled: {words(a.outcome)}", flag=a.flag, outcome=a.outcome)
    if a.outcome == "sent_to_emergency" and d.journey.stage in (Stage.INTAKE, Stage.REFERRAL):
        d.answer_referrer("rejected", "4.0", reason="sent_to_emergency")
        d.tell("referrer", "referral_answer", answer="sent_to_emergency")
        d.close("emergency")
    elif a.outcome != "cleared" and flag.hold_booking:
        d.open_task("handle_red_flag", a.flag, due=d.business_days(2))
    endings.complete_if_done(d)


def cannot_wait(journey: Journey) -> bool:
    """Whether a red flag is open for which there is no routine wait."""
    return any(f.urgency in ("E0", "E1") and f.outcome != "cleared" for f in journey.flags)


def booking_held(journey: Journey) -> bool:
    """Whether a red flag forbids booking until it is cleared."""
    return any(f.hold_booking and f.outcome != "cleared" for f in journey.flags)


# --- the record


def record_consent(d: Draft, a: act.RecordConsent) -> None:
    """Whether the patient wants messages; a patient may think otherwise at any time."""
    d.journey.referral.consent_messages = a.messages
    if not a.messages:
        d.stop_to_patient("the patient does not want messages")
    d.write("consent", f"The patient {'agrees' if a.messages else 'does not agree'} to be written to")


def record_scores(d: Draft, a: act.RecordScores) -> None:
    """Scores taken outside a visit."""
    require(d.journey.pathway is not None, "NoPathway", "choose the pathway first: it says what is measured")
    require(a.scores or a.items, "NoScores", "give at least one score, by measure id")
    found = items.taken(d, a)
    d.add_scores(found.scores)
    d.write("scores", f"Scores recorded: {found.named}")
    found.explain(d)
    answer_flags(d, found.signs)


def confirm_receipt(d: Draft, a: act.ConfirmReceipt) -> None:
    """The loop is closed: the referrer has the summary."""
    ending = d.journey.ending
    if ending is None or ending.signed_by is None:
        raise Refused("NoSummary", "no discharge summary has been sent yet")
    ending.received_at = d.now
    d.settle("chase_receipt", outcome="received")
    d.write("receipt", "The referrer confirmed receipt of the discharge summary")
    endings.complete_if_done(d)
