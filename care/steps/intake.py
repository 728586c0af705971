"""Intake: matched patient, complete enough to act on, consent, red-flag screen, eligibility."""

from __future__ import annotations

from care import action as act
from care.calendar import Calendar
from care.draft import Draft
from care.gate import Criterion
from care.journey import Journey, Stage
from care.pathway import Pathway
from care.red_flag import RedFlag
from care.referral import Clinic
from care.rules.matching import WORDS, Evidence, Match
from care.rules.triage import ELIGIBLE, Candidate
from care.steps import common, prioritising, require, screening


def enter(
    d: Draft,
    clinic: Clinic,
    calendar: Calendar,
    pathway: Pathway | None,
    hinted_flags: tuple[RedFlag, ...] = (),
) -> None:
    """The referral has arrived: it is answered by a deadline that began at receipt, whatever the stage."""
    d.journey.clinic = clinic
    d.journey.calendar = calendar
    common.enter(d, Stage.INTAKE)
    received = d.journey.referral.received_at
    d.open_task("answer_referral", due=calendar.after_days(received, d.number("answer_referral_within", received)))
    d.open_task("complete_intake")
    d.answer_referrer("received", "2.0")
    if not d.journey.referral.patient_matched:
        d.open_task("match_patient")
        d.write("unmatched", "The patient is only a reference: to be matched by a person")
    d.journey.hinted_flags = hinted_flags
    _matched(d)
    if pathway is not None:
        _follow(d, pathway, "settled by the referral's codes")
    if d.journey.pathway is None:
        d.open_task("choose_pathway")


def _matched(d: Draft) -> None:
    """Why the codes settle the pathway or not, and what the words ask for: as it was decided at receipt."""
    referral = d.journey.referral
    if referral.matching is None:
        return
    match = Match.model_validate(referral.matching.outcome)
    named = "; ".join(f"{c.pathway} ({', '.join(c.reasons)})" for c in match.candidates) or "none"
    excluded = Evidence.model_validate(referral.matching.inputs).excluded
    not_for = "".join(f"; not for this patient: {e.pathway} ({e.why})" for e in excluded)
    asked = f"; asked first in the screen: {', '.join(match.questions)}" if match.questions else ""
    choose = "" if match.settled else "; a person chooses"
    d.write(
        "matching",
        f"Matching: {WORDS[match.because]}{choose}. Candidates: {named}{not_for}{asked}",
        decided=referral.matching,
        candidates=None if match.settled else ", ".join(c.pathway for c in match.candidates) or None,
    )
    referral.matching = None


def match_patient(d: Draft, a: act.MatchPatient) -> None:
    """The patient is known."""
    require(not d.journey.referral.patient_matched, "AlreadyMatched", "the patient is matched already")
    d.journey.referral.patient_matched = True
    d.settle("match_patient")
    d.write("matched", "Patient matched")
    _go_on(d)


def record_consent(d: Draft, a: act.RecordConsent) -> None:
    """It may be the last thing that was missing."""
    common.record_consent(d, a)
    _go_on(d)


def choose_pathway(d: Draft, a: act.ChoosePathway, pathway: Pathway) -> None:
    """A coordinator chooses the pathway, or another one than the codes suggested."""
    if a.days_since_onset is not None:
        d.journey.referral.days_since_onset = a.days_since_onset
    d.journey.screened = False
    _follow(d, pathway, "chosen")
    if d.journey.pathway is None:
        d.open_task("choose_pathway")
    else:
        d.settle("choose_pathway", outcome="chosen")
    if d.journey.pathway is not None and d.journey.screen is not None:
        screening.screen_again(d)
        _screened(d)
    else:
        _go_on(d)


def _follow(d: Draft, pathway: Pathway, how: str) -> None:
    known = prioritising.facts(d.journey, pathway)
    too_late = _too_late(pathway)
    eligibility, decided = d.decide(
        ELIGIBLE, Candidate(pathway=pathway.label, exclude=(*pathway.exclude, *too_late), facts=known)
    )
    d.journey.hinted_flags = _still_asked(d.journey)
    d.journey.pathway = pathway.for_journey(d.journey.hinted_flags)
    if eligibility.eligible:
        d.write("pathway", f"Pathway {pathway.title}: {how}", decided=decided)
    else:
        why = "; ".join(c.words() for c in eligibility.excluded_by)
        d.write("not_eligible", f"Not eligible for {pathway.name}: {why}", decided=decided)
        d.journey.pathway = None


def _still_asked(journey: Journey) -> tuple[RedFlag, ...]:
    """The red flags hinted at, and those half answered: a yes that leaves something open goes on to any pathway."""
    if journey.pathway is None or journey.screen is None:
        return journey.hinted_flags
    said, known = journey.screen.answers, {f.id for f in journey.hinted_flags}
    open_ = {o.flag for o in journey.screen.open} - known
    begun = (f for f in journey.pathway.red_flags if f.id in open_ and any(said.get(s.id) for s in f.signs))
    return (*journey.hinted_flags, *begun)


def _too_late(pathway: Pathway) -> tuple[Criterion, ...]:
    """Where the pathway decides that whoever comes so late is not for it."""
    late = pathway.late_enrolment
    if late is None or late.then != "not_eligible":
        return ()
    return (Criterion(fact="days_since_onset", op=">=", value=late.after_days),)


def screen(d: Draft, a: act.Screen) -> None:
    """The red-flag screen of intake asks every question of the pathway and of its triage, at once or in parts.

    A part is kept and counts at once; the intake goes on when no emergency and no same-day sign can hide behind a
    question without an answer.
    """
    said, a = a, _told(d, a)
    if a.answers or a.others_absent or not said.answers:
        screening.screen(d, a)
    else:
        d.write("triage_told", "Asked for the triage")
    if d.journey.pathway is not None and a.days_since_onset is not None:
        _follow(d, d.journey.pathway, "looked at again, now that the onset is known")
        if d.journey.pathway is None:
            d.open_task("choose_pathway")
            return
    if screening.cannot_wait(d.journey):
        prioritising.prioritise(d)
    _screened(d)


def sign_screen(d: Draft, a: act.SignScreen) -> None:
    """As everywhere; it may be the last thing that was missing."""
    screening.sign_screen(d, a)
    _screened(d)


def _screened(d: Draft) -> None:
    journey = d.journey
    journey.screened = journey.screen is not None and bool(journey.screen.answers) and not journey.screen.urgent
    _go_on(d)


def _told(d: Draft, a: act.Screen) -> act.Screen:
    """Keep what triage asked for; what is left is about red flags. Nobody has to answer what triage asks."""
    if d.journey.pathway is None:
        return a
    if a.days_since_onset is not None:
        d.journey.referral.days_since_onset = a.days_since_onset
    flags = {s.id for f in d.journey.pathway.red_flags for s in f.signs}
    asked = [s.id for s in d.journey.pathway.triage.questions]
    rest = dict.fromkeys(asked, False) if a.others_absent else {}
    answered = {name: said for name in asked if (said := a.answers.get(name)) is not None}
    d.journey.referral.told = {**rest, **d.journey.referral.told, **answered}
    own = set(asked) - flags
    return a.model_copy(update={"answers": {name: said for name, said in a.answers.items() if name not in own}})


def ask_referrer(d: Draft, a: act.AskReferrer) -> None:
    """Something is missing: the referrer is asked, and somebody owns the wait."""
    about = a.about.replace("_", " ")
    d.journey.referral.information_asked += 1
    d.open_task("missing_information", a.about)
    d.write("asked", f"The referrer is asked for: {about}", about=a.about)
    d.answer_referrer("received", "2.0", reason="awaiting_information")
    d.tell("referrer", "referral_answer", answer="awaiting_information", about=a.about)


def receive_information(d: Draft, a: act.ReceiveInformation) -> None:
    """What was missing has come."""
    require(d.journey.open_task("missing_information"), "NothingAsked", "nothing was asked of the referrer")
    d.settle("missing_information", outcome="received")
    d.write("information", "The missing information has come")
    if d.journey.stage == Stage.INTAKE:
        _go_on(d)


def handle_red_flag(d: Draft, a: act.HandleRedFlag) -> None:
    """As everywhere; an all-clear lets the intake go on."""
    screening.handle_red_flag(d, a)
    if d.journey.status != "closed":
        _screened(d) if d.journey.screen is not None else _go_on(d)


def decline(d: Draft, a: act.Decline) -> None:
    """No, with a coded reason. The referral stays the referrer's; they decide what to do next."""
    require(
        a.reason != "information_never_came" or d.journey.open_task("missing_information"),
        "NothingAsked",
        "nothing is awaited from the referrer: ask first (ask_referrer), or give another reason",
    )
    d.write("declined", f"Declined: {a.reason.replace('_', ' ')}", reason=a.reason)
    d.answer_referrer("rejected", "4.0", reason=a.reason)
    d.tell("referrer", "referral_answer", answer="declined", reason=a.reason)
    d.close("refused")


def redirect(d: Draft, a: act.Redirect) -> None:
    """No, but there is a right door."""
    d.write("redirected", f"Redirected to {a.to.replace('_', ' ')}", to=a.to)
    d.answer_referrer("rejected", "4.0", reason=a.to)
    d.tell("referrer", "referral_answer", answer="redirected", door=a.to)
    d.close("redirected")


def missing(journey: Journey) -> list[str]:
    """What the intake still lacks, in a coordinator's words."""
    lacks = {
        "the patient's match": not journey.referral.patient_matched,
        "the pathway": journey.pathway is None,
        "the red-flag screen": not journey.screened,
        "the patient's consent to messages": journey.referral.consent_messages is None,
        "an answer from the referrer": journey.open_task("missing_information") is not None,
        "the all-clear of a red flag": screening.held_by_flags(journey),
    }
    return [words for words, lacking in lacks.items() if lacking]


def _go_on(d: Draft) -> None:
    if not missing(d.journey):
        d.settle("complete_intake")
        if d.journey.screen is not None and not d.journey.screen.open:
            d.journey.screen = None
        d.write("intake_complete", "Intake complete")
        d.leave_for(Stage.REFERRAL)
