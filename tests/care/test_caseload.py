"""A caseload taken over: any row that fits begins with a live clock in its stage, and can be driven to its end."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pathways
from care.caseload import AdoptedAuthorisation, AdoptedEnding, AdoptedPlan, Adoption, NextVisit, Taken
from care.draft import Draft, Refused
from care.journey import Journey, Stage
from care.referral import Clinic, Referral
from care.steps.caseload import adopt
from tests.care.driver import LEAD, NOTE, START, TENANT, Driver, calendar
from tests.care.walks import KNEE, MEDIUM, no_flags

TODAY = START.date()
BACK = "low_back_pain"
KNEE_PATHWAY = "total_knee_replacement"


class TakenOver(Driver):
    """A journey that begins by being taken over; what was set going is in `taken`."""

    taken: Taken

    @classmethod
    def begin(
        cls,
        adoption: Adoption,
        *,
        pathway: str = BACK,
        received: date | None = None,
        messages: bool | None = True,
        id_: str = "jtest",
        now: datetime = START,
    ) -> TakenOver:
        driver = cls(pathway, now=now)
        for written in (driver.journal, driver.commits, driver.notices, driver.replies, driver.tasks, driver.minted):
            written.clear()
        noon = datetime.combine(received or adoption.since, datetime.min.time(), UTC) + timedelta(hours=11)
        referral = Referral(
            received_at=min(noon, now),
            suggested_pathway=pathway,
            age=45,
            sex="female",
            patient_matched=True,
            consent_messages=messages,
        )
        driver.journey = Journey.model_validate_json(
            Journey(id=id_, tenant=TENANT, referral=referral, adoption=adoption).model_dump_json()
        )
        before = driver.state()
        draft = Draft(driver.journey, now, taking_over=True)
        clinic = Clinic(id="clinic", tenant=TENANT, lead=LEAD)
        days = calendar(START.date()).model_copy(update={"starts": adoption.since})
        assert driver.journey.adoption is not None
        driver.taken = adopt(draft, driver.journey.adoption, clinic, days, pathways.load(pathway))
        driver._commit(draft, before)
        return driver


def adoption(stage: Stage, **more: Any) -> Adoption:
    return Adoption(
        **{"source": "old_list", "since": TODAY - timedelta(days=60), "stage": stage, "screened": True, **more}
    )


def plan(**more: Any) -> AdoptedPlan:
    facts = {"discipline": "physiotherapy", "dose": "medium_risk", "started_on": TODAY - timedelta(days=30)}
    return AdoptedPlan(**{**facts, **more})


def drive_on(driver: Driver, steps: int = 400) -> None:
    """People do what is owed, whatever it is, until the journey is closed."""
    for _ in range(steps):
        if driver.journey.status == "closed":
            return
        if not any(_settled(driver, t.kind, t.subject) for t in driver.journey.open_tasks):
            driver.tick()
    raise AssertionError(f"still open in {driver.journey.stage}: {driver.owed}")


def _settled(driver: Driver, kind: str, subject: str) -> bool:
    """A booking may have to wait for a signature or the payer; somebody owes those as well."""
    try:
        return settle(driver, kind, subject)
    except Refused as refused:
        if not refused.kind.startswith(("NotCertified", "CertificationEnds", "Authorisation", "Awaiting")):
            raise
        return False


def settle(driver: Driver, kind: str, subject: str) -> bool:  # noqa: C901 - one case for each kind of task
    baseline = KNEE if driver.journey.the_pathway.phases else MEDIUM
    match kind:
        case "complete_intake":
            driver.act("screen", "therapist", answers=no_flags(driver))
            if driver.at(Stage.INTAKE):
                driver.act("record_consent", messages=True)
        case "answer_referral" if driver.at(Stage.REFERRAL):
            driver.act("accept")
        case "book_visit" if not driver.journey.visits:
            driver.act(
                "book_visit",
                clinician="p-therapist",
                starts_at=driver.slot(days=6, minutes=45),
                plan=subject if subject != "journey" else None,
            )
        case "record_visit":
            driver.act("record_visit", "therapist", visit=subject, outcome="attended")
        case "evaluate":
            driver.act("evaluate", "therapist", scores=baseline, clinician="p-therapist")
        case "renew_authorisation":
            days: dict[str, Any] = {"first_day": driver.now.date(), "last_day": driver.now.date() + timedelta(days=200)}
            driver.act("record_authorisation", plan=subject, decision="granted", visits=500, **days)
        case "progress_report":
            driver.act("file_progress_report", "therapist", plan=subject)
        case "certify_plan" | "recertify_plan":
            driver.act("certify_plan", "therapist", plan=subject, by="signature")
        case "review_progress":
            if any(v.starts_at <= driver.now for v in driver.journey.visits):
                return False
            driver.act("review_progress", "therapist", plan=subject, decision="discharge", reason="MMI", note=NOTE)
        case "record_surgery" if driver.now > START + timedelta(days=10):
            if any(v.starts_at <= driver.now for v in driver.journey.visits):
                return False
            driver.act("record_surgery", done_at=driver.now - timedelta(hours=1))
        case "review_phase":
            if any(v.starts_at <= driver.now for v in driver.journey.visits):
                return False
            driver.act("review_phase", "therapist", decision="end_rehab", reason="MMI")
        case "sign_summary":
            driver.act("sign_summary", "therapist")
        case "chase_receipt":
            driver.act("confirm_receipt", "referrer")
        case "call_patient":
            driver.act("record_call", "therapist", outcome="well")
        case _:
            return False
    return True


DAYS = st.integers(0, 400).map(lambda n: TODAY - timedelta(days=n))
SCORES = {"nprs": st.integers(0, 10).map(float), "odi": st.integers(0, 100).map(float)}


@st.composite
def plans(draw: st.DrawFn, pathway: str, ended: date | None = None) -> AdoptedPlan:
    doses = [d.id for d in pathways.load(pathway).dosing]
    started = draw(DAYS.filter(lambda day: ended is None or day <= ended))
    used = draw(st.integers(0, 30))
    days_in = (TODAY - started).days
    since = st.integers(0, days_in).map(lambda n: TODAY - timedelta(days=n))
    return AdoptedPlan(
        discipline="physiotherapy",
        dose=draw(st.sampled_from(doses)),
        visits_planned=draw(st.none() | st.integers(1, 20)),
        started_on=started,
        visits_used=used,
        visits_missed=draw(st.integers(0, 5)),
        last_visit_on=draw(st.none() | since) if used else None,
        certified_on=draw(st.none() | since),
        authorisation=draw(
            st.none()
            | st.integers(1, 12).map(
                lambda n: (
                    AdoptedAuthorisation(
                        visits=n, used=min(n, used), first_day=started, last_day=TODAY + timedelta(days=n * 5 - 20)
                    )
                    if started <= TODAY + timedelta(days=n * 5 - 20)
                    else None
                )
            )
        ),
        last_review_on=draw(st.none() | since),
    )


@st.composite
def rows(draw: st.DrawFn) -> tuple[Adoption, str, date]:
    stage = draw(st.sampled_from(list(Stage)))
    pathway = draw(st.sampled_from([BACK, KNEE_PATHWAY]))
    if stage == Stage.POST_SURGERY_REHAB:
        pathway = KNEE_PATHWAY
    received = draw(DAYS)
    ended = None
    if stage in (Stage.DISCHARGE, Stage.FOLLOW_UP):
        on = TODAY - timedelta(days=draw(st.integers(0, 90)))
        signed = stage == Stage.FOLLOW_UP
        ended = AdoptedEnding(
            reason=draw(st.sampled_from(["GOALS", "MMI"])),
            on=on,
            signed=signed,
            receipt_confirmed=signed and draw(st.booleans()),
        )
    with_plans = stage not in (Stage.INTAKE, Stage.REFERRAL)
    made = st.lists(plans(pathway, ended.on if ended else None), max_size=2) if with_plans else st.just([])
    surgical = stage == Stage.POST_SURGERY_REHAB
    return (
        Adoption(
            source="old_list",
            since=TODAY - timedelta(days=400),
            stage=stage,
            screened=stage != Stage.INTAKE,
            accepted_on=draw(st.none() | DAYS),
            plans=tuple(draw(made)),
            baseline=draw(st.fixed_dictionaries({}, optional={"nprs": SCORES["nprs"]})),
            latest=draw(st.fixed_dictionaries({}, optional={"nprs": SCORES["nprs"]})),
            surgery_on=draw(DAYS) if surgical else None,
            phase=draw(st.integers(1, 4)) if surgical else None,
            ending=ended,
        ),
        pathway,
        received,
    )


@settings(max_examples=80)
@given(rows(), st.sampled_from([True, False]))
def test_whatever_fits_begins_in_its_stage_and_can_be_driven_to_its_end(
    row: tuple[Adoption, str, date], messages: bool
) -> None:
    taken_over, pathway, received = row
    intake = taken_over.stage == Stage.INTAKE
    driver = TakenOver.begin(taken_over, pathway=pathway, received=received, messages=None if intake else messages)
    assert driver.journey.stage == taken_over.stage
    assert driver.journey.adoption is None
    assert driver.journal[-1].kind == "taken_over"
    assert not driver.notices
    assert not driver.replies, "nobody is told what they were told long ago"
    driver.wait(hours=24)
    patient = driver.told("patient")
    assert len(patient) <= driver.taken.to_patient
    drive_on(driver)


def test_a_plan_goes_on_where_it_stood() -> None:
    old = plan(
        visits_used=3, visits_missed=1, last_visit_on=TODAY - timedelta(days=4), certified_on=TODAY - timedelta(days=20)
    )
    driver = TakenOver.begin(adoption(Stage.THERAPY, plans=(old,), baseline=MEDIUM))
    now = driver.plan
    assert (now.visits_attended, now.visits_missed) == (3, 1)
    assert now.certified_until is not None
    assert "certify_plan" not in driver.owed
    assert {g.measure for g in now.goals} == {"odi", "nprs", "psfs"}
    assert now.started_at.date() == old.started_on
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(minutes=45))
    driver.wait(days=2)
    driver.act("record_visit", "therapist", visit=driver.journey.visits[0].id, outcome="attended", scores={"nprs": 2})
    assert driver.plan.visits_attended == 4


def test_what_ran_out_before_begins_as_its_clock_says() -> None:
    old = plan(started_on=TODAY - timedelta(days=100), visits_used=2, last_visit_on=TODAY - timedelta(days=50))
    driver = TakenOver.begin(adoption(Stage.THERAPY, plans=(old,)))
    by_label = {c.label: c for c in driver.taken.clocks}
    assert by_label["Due: Get the plan of care certified"].policy == "do_now"
    assert by_label["Due: Book the next visit"].policy == "spread"
    assert by_label["Progress review"].policy == "spread"
    assert (due := by_label["Progress review"].at) is not None
    assert START < due <= START + timedelta(days=8)
    text = driver.journal[-1].text
    assert "done now: Due: Get the plan of care certified" in text
    assert "spread: " in text


def test_follow_ups_of_the_past_are_skipped_and_answered_ones_not_asked_again() -> None:
    ending = AdoptedEnding(reason="GOALS", on=TODAY - timedelta(days=100), signed=True, receipt_confirmed=True)
    driver = TakenOver.begin(adoption(Stage.FOLLOW_UP, ending=ending, follow_ups_answered=("month_6",)))
    assert driver.journey.follow_up is not None
    assert driver.journey.follow_up.to_come == ["month_12"]
    assert {c.policy for c in driver.taken.clocks} == {"skip"}
    driver.wait(days=250)
    assert not driver.told("patient", "follow_up_due")
    driver.wait(days=30)
    assert len(driver.told("patient", "follow_up_due")) == 1


def test_a_booked_visit_is_booked_and_its_patient_is_not_written_to_again() -> None:
    driver = TakenOver.begin(adoption(Stage.THERAPY, plans=(plan(visits_used=1),)))
    slot = driver.slot(days=2, minutes=45)
    visit = NextVisit(starts_at=slot, clinician="p-therapist")
    booked = plan(visits_used=1, certified_on=TODAY, next_visit=visit)
    driver = TakenOver.begin(adoption(Stage.THERAPY, plans=(booked,)))
    assert [v.starts_at for v in driver.journey.visits] == [slot]
    assert "book_visit" not in driver.owed
    assert {n.template for n in driver.told("patient")} <= {"visit_reminder"}
    assert all(n.send_after > START for n in driver.told("patient"))


def test_without_its_visits_the_journey_owes_a_booking() -> None:
    booked = plan(visits_used=1, next_visit=NextVisit(starts_at=START + timedelta(hours=1), clinician="p-therapist"))
    driver = TakenOver.begin(adoption(Stage.THERAPY, plans=(booked,)).without_visits(0))
    assert "book_visit" in driver.owed


REFUSED = [
    (adoption(Stage.THERAPY, plans=(plan(started_on=TODAY + timedelta(days=1)),)), BACK, "BadDate", "started_on"),
    (
        adoption(Stage.THERAPY, plans=(plan(last_review_on=TODAY - timedelta(days=31)),)),
        BACK,
        "BadDate",
        "last_review_on",
    ),
    (adoption(Stage.THERAPY, plans=(plan(dose="none_such"),)), BACK, "UnknownDose", "plan_label"),
    (adoption(Stage.THERAPY, plans=(plan(dose=None),)), BACK, "NotFit", "visits_planned"),
    (adoption(Stage.THERAPY, priority="P9"), BACK, "BadPriority", "priority"),
    (adoption(Stage.THERAPY, latest={"tug": 3.0}), BACK, "UnknownMeasure", "latest"),
    (adoption(Stage.THERAPY, baseline={"nprs": 11.0}), BACK, "BadScore", "baseline"),
    (adoption(Stage.REFERRAL, plans=(plan(),)), BACK, "NotFit", "discipline"),
    (adoption(Stage.REFERRAL, screened=False), BACK, "NotFit", "red_flags_screened"),
    (adoption(Stage.INTAKE), BACK, "NothingLeft", "referral"),
    (adoption(Stage.POST_SURGERY_REHAB, phase=1, surgery_on=TODAY), BACK, "NoSurgery", "surgery_on"),
    (adoption(Stage.POST_SURGERY_REHAB, phase=7, surgery_on=TODAY), KNEE_PATHWAY, "UnknownPhase", "1, 2, 3, 4"),
    (adoption(Stage.POST_SURGERY_REHAB, phase=2), KNEE_PATHWAY, "SurgeryMissing", "surgery_on"),
    (adoption(Stage.DISCHARGE), BACK, "EndingMissing", "discharged_on"),
    (
        adoption(
            Stage.FOLLOW_UP,
            ending=AdoptedEnding(reason="GOALS", on=TODAY - timedelta(days=500), signed=True, receipt_confirmed=True),
        ),
        BACK,
        "NothingLeft",
        "leave this patient out",
    ),
]


@pytest.mark.parametrize(("row", "pathway", "kind", "word"), REFUSED, ids=[f"{r[2]} {r[3]}" for r in REFUSED])
def test_what_does_not_fit_is_refused_with_what_would_be_right(
    row: Adoption, pathway: str, kind: str, word: str
) -> None:
    with pytest.raises(Refused, match=word) as refused:
        TakenOver.begin(row, pathway=pathway)
    assert refused.value.kind == kind


def test_four_hundred_journeys_do_not_flood_the_first_day() -> None:
    hours: Counter[datetime] = Counter()
    patients = 0
    total = 400
    for n in range(total):
        row = a_row(n)
        driver = TakenOver.begin(row, pathway=BACK, received=row.since, id_=f"j{n:016x}", messages=n % 7 > 0)
        driver.wait(hours=24)
        hours.update(x.send_after.replace(minute=0, second=0, microsecond=0) for x in driver.notices)
        patients += len(driver.told("patient"))
    assert patients == 0, "nobody is written to because of old dates"
    assert max(hours.values()) <= total / 12, hours
    assert sum(hours.values()) <= total / 2, hours


def a_row(n: int) -> Adoption:
    """One of a caseload as a clinic has it: most in therapy and certified, everything a little late."""
    days = 5 + n % 60
    at = TODAY - timedelta(days=days)
    late = n % 40 == 0  # one plan in forty was never certified in time
    old = plan(
        started_on=at,
        weeks=12,
        visits_used=n % 6,
        last_visit_on=at + timedelta(days=days // 2) if n % 6 else None,
        certified_on=None if late or days < 30 else at + timedelta(days=3),
        last_review_on=at + timedelta(days=1) if n % 3 else None,
    )
    match n % 8:
        case 0:
            return adoption(Stage.FOLLOW_UP, since=at, ending=_ended(TODAY - timedelta(days=days), signed=True))
        case 1:
            return adoption(Stage.DISCHARGE, since=at, ending=_ended(TODAY - timedelta(days=n % 12), signed=False))
        case 2:
            return adoption(Stage.THERAPY, since=at)
        case _:
            return adoption(Stage.THERAPY, since=at, plans=(old,))


def _ended(on: date, *, signed: bool) -> AdoptedEnding:
    # Not on the very anniversary: a follow-up that falls on this day is asked, and rightly.
    days = (TODAY - on).days
    moved = on - timedelta(days=2) if days in (6, 7, 29, 30) else on
    return AdoptedEnding(reason="GOALS", on=moved, signed=signed, receipt_confirmed=False)
