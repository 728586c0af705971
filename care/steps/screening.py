"""Red flags: the screen and what is still open of it, the flags raised, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from care import action as act
from care.condition import Truth
from care.draft import Draft, Refused
from care.gate import Facts
from care.journey import Journey, OpenFlag, OpenQuestions, ScreenUnderWay, Stage
from care.notice import Notice
from care.rules import Decided
from care.rules.screening import SCREEN, URGENT, Finding, Screening, ScreeningResult, Unsettled
from care.steps import CLINICIANS, endings, items, require, words

Answers = dict[str, Truth]
"""Sign id to present, absent, or None: asked, and the answer is not known."""

WORTH_ASKING = ("E0", "E1", "E2", "E3")
"""What a missing answer is asked for; a mere note for the next review is not."""
FINISH_DAYS = 2
"""Open days to finish a screen of which nothing urgent is open. Design choice, not clinically reviewed."""


# --- what the answers say


def facts_of(journey: Journey, now: datetime) -> Facts:
    """What answers questions without asking; what is not known is left out."""
    referral, surgery = journey.referral, journey.surgery
    since, done_at = referral.days_since_onset, surgery.done_at if surgery else None
    known: dict[str, int | str | None] = {
        "age": referral.age,
        "sex": referral.sex,
        "days_since_onset": since + (now - referral.received_at).days if since is not None else None,
        "days_since_surgery": (now - done_at).days if done_at is not None else None,
    }
    return {name: value for name, value in known.items() if value is not None}


def screening(
    journey: Journey, answers: Answers, now: datetime, *, everything: bool = False
) -> tuple[ScreeningResult, Decided]:
    """The pathway's red flags against the answers of the screen under way, these answers, and the signs that last.

    In intake every flag is asked about; later only those that an answer touches, or of which something is open.
    """
    merged = _merged(journey, answers)
    still_open = {o.flag for o in journey.screen.open} if journey.screen else set()
    everything = everything or journey.stage == Stage.INTAKE
    flags = tuple(
        f
        for f in journey.the_pathway.red_flags
        if everything or f.id in still_open or any(s.id in merged for s in f.signs)
    )
    asked = {s.id for f in flags for s in f.signs}
    kept = {sign: answer for sign, answer in merged.items() if sign in asked}
    # What lasts is taken back by a no, and not by somebody who does not know.
    lasting: Answers = {s: True for s in journey.lasting_signs if s in asked and kept.get(s) is not False}
    return SCREEN.apply(
        Screening(
            flags=flags,
            answers={**kept, **lasting},
            facts=facts_of(journey, now),
            levels=journey.the_pathway.urgencies,
        )
    )


def _merged(journey: Journey, answers: Answers) -> Answers:
    return {**(journey.screen.answers if journey.screen else {}), **answers}


def _news(journey: Journey, answers: Answers, result: ScreeningResult, now: datetime) -> list[Finding]:
    """The findings that these answers bring: not those that the answers kept from before had brought already."""
    if not journey.screen or not journey.screen.answers:
        return list(result.findings)
    before = {f.flag: f.urgency for f in screening(journey, {}, now)[0].findings}
    said = {sign for sign, answer in answers.items() if answer}
    flags = {f.id: f for f in journey.the_pathway.red_flags}
    return [
        f
        for f in result.findings
        if f.flag not in before or f.urgency < before[f.flag] or any(sign.id in said for sign in flags[f.flag].signs)
    ]


def _open(journey: Journey, answers: Answers, result: ScreeningResult) -> list[Unsettled]:
    """What has to be asked: in intake all that is open; later what follows a yes, or an answer that was not known."""
    journey_flags = {f.id: f for f in journey.the_pathway.red_flags}
    standing = journey.screen or ScreenUnderWay()
    pending, settled = {o.flag for o in standing.open}, set(standing.settled)

    def asks(u: Unsettled) -> bool:
        if u.urgency not in WORTH_ASKING or not u.ask:
            return False
        raised = any(answers.get(s.id, False) is not False for s in journey_flags[u.flag].signs)
        if u.flag in settled:
            return raised
        return raised or u.flag in pending or journey.stage == Stage.INTAKE

    return [u for u in result.unsettled if asks(u)]


def remember(journey: Journey, answers: Answers) -> None:
    """Keep the answers that stay true, and those about treatments. An answer of no takes back what lasted; one that is
    not known takes back nothing that lasts, and leaves a treatment to be asked about again."""
    lasts = {s.id for f in journey.the_pathway.red_flags for s in f.signs if s.lasting}
    kept = {sign for sign in journey.lasting_signs if answers.get(sign) is not False}
    journey.lasting_signs = sorted(kept | {sign for sign in lasts if answers.get(sign)})
    about = {s.id for m in journey.the_pathway.modalities for s in m.signs} & set(answers)
    merged = {**journey.modality_answers, **{sign: answers[sign] for sign in sorted(about)}}
    journey.modality_answers = {sign: answer for sign, answer in merged.items() if answer is not None}


# --- alarms


def alarms(journey: Journey, answers: Answers, action_id: str, now: datetime) -> tuple[Notice, ...]:
    """Alarms for findings that cannot wait for the record. What to do stands in the task, not in the message.

    The id is made from the action's, so that a repeated action raises the same alarm and not another.
    """
    if journey.pathway is None or not answers:
        return ()
    result, _ = screening(journey, answers, now)
    return tuple(
        Notice(
            id=f"{journey.id}:alarm:{finding.flag}:{action_id}{suffix}",
            to=to,
            template="red_flag_alarm",
            facts={"urgency": finding.urgency, "stage": journey.stage.label},
            send_after=now,
        )
        for finding in _news(journey, answers, result, now)
        for to, suffix in _alarmed(journey, finding)
    )


def _alarmed(journey: Journey, finding: Finding) -> Iterator[tuple[str, str]]:
    if finding.urgency in URGENT or "on_call" in finding.tell:
        yield "queue:on_call", ""
    if "clinical_lead" in finding.tell and journey.clinic is not None:
        yield f"person:{journey.clinic.lead}", ":lead"


# --- answers come in


def known_answers(journey: Journey, answers: Answers) -> None:
    """Refuse answers to questions that the pathway does not ask."""
    require(journey.pathway is not None, "NoPathway", "choose the pathway first: it says what to ask")
    known = {s.id for f in journey.the_pathway.red_flags for s in f.signs}
    known |= {s.id for m in journey.the_pathway.modalities for s in m.signs}
    unknown = len(set(answers) - known)
    require(
        not unknown,
        "UnknownSign",
        f"{unknown} answer(s) to questions that {journey.the_pathway.label} does not ask; "
        f"it asks: {', '.join(sorted(known))}",
    )


def said_in(journey: Journey, action: act.Action) -> Answers:
    """All that an action says of red flags: answers, signs of danger among items, and a no to all the rest.

    `others_absent` takes back no yes that was said before, and does not reach what the referrer's own words hint at:
    each of these needs an answer of its own.
    """
    answers: Answers = {**getattr(action, "answers", {}), **items.signs(journey.pathway, action)}
    if journey.pathway is None or not isinstance(action, act.Screen) or not action.others_absent:
        return answers
    before = journey.screen.answers if journey.screen else {}
    own = {sign for sign, answer in before.items() if answer} | set(journey.lasting_signs)
    if journey.stage == Stage.INTAKE:
        own |= set(journey.referral.questions)
    rest = {s.id: False for f in journey.pathway.red_flags for s in f.signs if s.id not in own}
    return {**rest, **answers}


def screen(d: Draft, a: act.Screen) -> None:
    """Red-flag questions, and those about treatments, asked outside a visit. In part is accepted: what is there counts
    at once, and somebody owes the rest."""
    known_answers(d.journey, a.answers)
    answers = said_in(d.journey, a)
    require(answers, "NoAnswers", "give at least one answer, by sign id")
    answer_flags(d, answers)
    endings.complete_if_done(d)


def answer_flags(d: Draft, answers: Answers) -> ScreeningResult | None:
    """Screen the answers; each finding opens a task of its own, what is still open another one, and the journal says
    why. Returns None where there was nothing to screen."""
    if not answers:
        return None
    known_answers(d.journey, answers)
    result, decided = screening(d.journey, answers, d.now)
    news = _news(d.journey, answers, result, d.now)
    unsettled = _open(d.journey, answers, result)
    remember(d.journey, answers)
    _keep(d, _merged(d.journey, answers), unsettled)
    _write(d, news, result, decided)
    said = {sign for sign, answer in answers.items() if answer}
    flags = {f.id: f for f in d.journey.the_pathway.red_flags}
    for finding in news:
        _raise(d, finding, said_now=any(s.id in said for s in flags[finding.flag].signs))
    return result


def owe_the_screen(d: Draft) -> None:
    """Care is under way and nobody is known to have asked: somebody owes the whole screen, and until then no further
    visit is booked."""
    result, decided = screening(d.journey, {}, d.now, everything=True)
    _keep(d, {}, [u for u in result.unsettled if u.urgency in WORTH_ASKING and u.ask])
    _write(d, [], result, decided)


def screen_again(d: Draft) -> None:
    """The pathway is another one: what was answered already is held against what it asks."""
    journey = d.journey
    if journey.screen is None:
        return
    asked = {s.id for f in journey.the_pathway.red_flags for s in f.signs}
    kept = {sign: answer for sign, answer in journey.screen.answers.items() if sign in asked}
    journey.screen = ScreenUnderWay(answers=kept)
    if not kept:
        d.settle("finish_screen", outcome="another pathway")
        return
    result, decided = screening(journey, {}, d.now)
    raised = {f.flag: f.urgency for f in journey.flags}
    news = [f for f in result.findings if f.flag not in raised or f.urgency < raised[f.flag]]
    _keep(d, kept, _open(journey, {}, result))
    _write(d, news, result, decided)
    for finding in news:
        _raise(d, finding, said_now=False)


def _keep(d: Draft, answers: Answers, unsettled: list[Unsettled]) -> None:
    """Keep what a screen under way needs, and see to it that somebody owes the rest."""
    journey, before = d.journey, d.journey.screen
    opened = {u.flag for u in unsettled}
    settled = [flag for flag in before.settled if flag not in opened] if before else []
    if not unsettled and journey.stage != Stage.INTAKE:
        journey.screen = None
    else:
        asked = {s.id for f in journey.the_pathway.red_flags if f.id in opened for s in f.signs}
        journey.screen = ScreenUnderWay(
            answers=answers if journey.stage == Stage.INTAKE else {s: v for s, v in answers.items() if s in asked},
            open=[OpenQuestions(flag=u.flag, urgency=u.urgency, ask=list(u.ask)) for u in unsettled],
            settled=settled,
        )
    _owe_the_rest(d, was_urgent=before is not None and before.urgent)


def _owe_the_rest(d: Draft, *, was_urgent: bool) -> None:
    screen = d.journey.screen
    if screen is None or not screen.open:
        d.settle("finish_screen", outcome="answered")
        return
    if screen.urgent and not was_urgent:
        d.settle("finish_screen", outcome="more urgent now")
    d.open_task("finish_screen", due=d.now if screen.urgent else d.business_days(FINISH_DAYS))


def _write(d: Draft, news: list[Finding], result: ScreeningResult, decided: Decided) -> None:
    ask = d.journey.screen.ask if d.journey.screen else []
    rest = f"; still to be asked: {len(ask)} question(s)" if ask else ""
    if news:
        named = ", ".join(f"{f.suspected} ({f.urgency})" for f in news)
        emergency = any(f.urgency == "E0" for f in news)
        d.write("red_flag", f"Red flag: {named}{rest}", decided=decided, emergency=emergency, ask=" ".join(ask) or None)
    else:
        found = "nothing new" if result.findings else "none found"
        d.write("screened", f"Red flags asked: {found}{rest}", decided=decided, ask=" ".join(ask) or None)


def _raise(d: Draft, finding: Finding, *, said_now: bool) -> None:
    standing = next((f for f in d.journey.flags if f.flag == finding.flag and f.outcome != "cleared"), None)
    if standing is not None and standing.urgency <= finding.urgency and not (said_now and standing.handled_at):
        return
    if standing is not None:
        # It got more urgent, or came back after somebody had seen it: whoever saw it saw something else.
        standing.urgency, standing.handled_at, standing.outcome = finding.urgency, None, None
        standing.hold_booking = standing.hold_booking or finding.hold_booking
        standing.held = "until_cleared" if standing.hold_booking else finding.held
        d.settle("handle_red_flag", finding.flag, outcome="found anew")
    else:
        d.journey.flags.append(
            OpenFlag(
                id=d.mint("flag"),
                flag=finding.flag,
                urgency=finding.urgency,
                raised_at=d.now,
                hold_booking=finding.hold_booking,
                held=finding.held,
            )
        )
    days = finding.working_days or 0
    d.open_task("handle_red_flag", finding.flag, due=d.business_days(days) if days else d.now)
    if "referrer" in finding.tell:
        d.tell("referrer", "journey_news", news="urgent" if finding.urgency in URGENT else "red_flag")


# --- people deal with it


def sign_screen(d: Draft, a: act.SignScreen) -> None:
    """A clinician signs that what is open of the screen cannot be answered, and that care may go on without it.

    Only of questions that were asked: what nobody asked has to be asked first, and be it in vain.
    """
    require(a.actor.role in CLINICIANS, "NotAllowed", "a clinician signs that a red-flag question cannot be answered")
    screen_ = d.journey.screen
    if screen_ is None or not screen_.open:
        raise Refused("NothingOpen", "no red-flag question is open on this journey")
    require(a.note, "NoteNeeded", "a note says why these questions cannot be answered")
    never = [sign for sign in screen_.ask if sign not in screen_.answers]
    require(
        not never,
        "NotAsked",
        f"ask these first, and answer null where nobody knows: {', '.join(never)}",
    )
    ask = screen_.ask
    screen_.settled = sorted({*screen_.settled, *(o.flag for o in screen_.open)})
    screen_.open = []
    d.settle("finish_screen", outcome="signed")
    d.write("screen_signed", f"Signed: {len(ask)} red-flag question(s) cannot be answered", ask=" ".join(ask))
    if d.journey.stage != Stage.INTAKE:
        d.journey.screen = None
    endings.complete_if_done(d)


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
    if a.outcome == "cleared":
        _settled_by_the_all_clear(d, a.flag)
    if a.outcome == "sent_to_emergency" and d.journey.stage in (Stage.INTAKE, Stage.REFERRAL):
        d.answer_referrer("rejected", "4.0", reason="sent_to_emergency")
        d.tell("referrer", "referral_answer", answer="sent_to_emergency")
        d.close("emergency")
    elif a.outcome != "cleared" and flag.hold_booking:
        d.open_task("handle_red_flag", a.flag, due=d.business_days(2))
    endings.complete_if_done(d)


def _settled_by_the_all_clear(d: Draft, flag: str) -> None:
    """Who clears a red flag has looked into all of it: what was open of it is not asked any more."""
    screen_ = d.journey.screen
    if screen_ is None:
        return
    screen_.settled = sorted({*screen_.settled, flag})
    screen_.open = [o for o in screen_.open if o.flag != flag]
    if not screen_.open:
        d.settle("finish_screen", outcome="settled by the all-clear")
        if d.journey.stage != Stage.INTAKE:
            d.journey.screen = None


# --- what is held


def held_by_flags(journey: Journey) -> bool:
    """Whether a red flag forbids booking: E0 and E1 until somebody has dealt with them, always."""
    return any(_holds(flag) for flag in journey.flags)


def cannot_wait(journey: Journey) -> bool:
    """Whether a red flag is open for which there is no routine wait."""
    return any(f.urgency in URGENT and f.outcome != "cleared" for f in journey.flags)


def booking_held(journey: Journey) -> bool:
    """Whether a red flag forbids booking, or a question whose answer may mean an emergency or the same day."""
    return held_by_flags(journey) or (journey.screen is not None and journey.screen.urgent)


def require_bookable(journey: Journey) -> None:
    """Refuse while a red flag, or an open question about one, holds booking."""
    require(not held_by_flags(journey), "RedFlagOpen", "a red flag forbids booking until it is cleared")
    screen_ = journey.screen
    urgent = [] if screen_ is None else [s for o in screen_.open if o.urgency in URGENT for s in o.ask]
    require(
        not urgent,
        "ScreenOpen",
        "red-flag questions are open, and a missing answer is not a no; ask first (screen), or have a clinician sign "
        f"(sign_screen): {', '.join(dict.fromkeys(urgent))}",
    )


def _holds(flag: OpenFlag) -> bool:
    if flag.outcome == "cleared":
        return False
    if flag.hold_booking or flag.held == "until_cleared":
        return True
    return flag.handled_at is None and (flag.urgency in URGENT or flag.held == "until_handled")
