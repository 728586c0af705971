"""Our own content: it loads, lints clean, says where everything comes from, and follows the second reading."""

from __future__ import annotations

import re

import pytest

import pathways
from care.gate import Facts, checks
from care.pathway import Pathway
from care.rules.progress import REVIEW, Course
from care.rules.screening import SCREEN, Screening
from care.score import Sourced
from pathways.lint import lint, sourced

FULL = ("low_back_pain", "total_knee_replacement")


@pytest.fixture(scope="module")
def lbp() -> Pathway:
    return pathways.load("low_back_pain")


@pytest.fixture(scope="module")
def tkr() -> Pathway:
    return pathways.load("total_knee_replacement")


def urgencies(pathway: Pathway, *present: str) -> dict[str, str]:
    """What the pathway's screen finds when these signs are present and all others are not."""
    known = {s.id for f in pathway.red_flags for s in f.signs}
    assert set(present) <= known
    result, _ = SCREEN.apply(Screening(flags=pathway.red_flags, answers={sign: sign in present for sign in known}))
    return {f.flag: f.urgency for f in result.findings}


def test_all_lint_clean() -> None:
    assert lint() == []


def test_what_there_is() -> None:
    known = pathways.latest()
    assert set(FULL) <= set(known)
    assert {pathways.load(name).status for name in FULL} == {"draft"}
    assert {p.status for p in known.values()} <= {"draft", "sketch"}


def test_small_enough_to_travel_in_the_workflow() -> None:
    for pathway in pathways.load_all().values():
        assert len(pathway.model_dump_json().encode()) < 40_000, pathway.label


def test_every_entry_has_basis_and_source_and_nothing_is_signed_off() -> None:
    entries: list[tuple[str, Sourced]] = []
    for pathway in pathways.load_all().values():
        assert pathway.status != "signed_off"
        assert pathway.signed_off is None
        entries += sourced(pathway, pathway.label)
    assert len(entries) > 100
    for where, entry in entries:
        assert entry.source.strip(), where
        if entry.basis == "proposed":
            assert re.search(r"design choice|proposed", entry.source), where


def test_what_the_second_reading_changed_is_never_called_verified() -> None:
    for pathway in pathways.load_all().values():
        for where, entry in sourced(pathway, pathway.label):
            if "second reading" in entry.source:
                assert entry.basis == "unverified", where


# --- the second reading, red flags


def test_sciatica_on_both_sides_alone_is_an_emergency(lbp: Pathway) -> None:
    assert urgencies(lbp, "leg_pain_both") == {"ces": "E0"}


def test_cancer_with_worsening_pain_and_no_neurology_is_same_day(lbp: Pathway) -> None:
    assert urgencies(lbp, "cancer_history", "spinal_pain_worse") == {"mscc": "E1"}
    assert urgencies(lbp, "cancer_history", "leg_weak_unsteady")["mscc"] == "E0"


def test_over_fifty_and_no_better_does_not_hold_booking(lbp: Pathway) -> None:
    assert urgencies(lbp, "age_over_50", "no_better") == {"spine_cancer": "E3"}
    signs = {s.id: s.id in ("age_over_50", "no_better") for f in lbp.red_flags for s in f.signs}
    (weak,) = SCREEN.apply(Screening(flags=lbp.red_flags, answers=dict(signs)))[0].findings
    assert not weak.hold_booking
    assert weak.held == "nothing"
    assert urgencies(lbp, "cancer_history", "no_better")["spine_cancer"] == "E2"
    assert urgencies(lbp, "weight_loss", "night_pain") == {"spine_cancer": "E2"}


def test_spinal_fracture_has_one_level_besides_the_emergency(lbp: Pathway) -> None:
    assert urgencies(lbp, "trauma", "spine_tender") == {"spine_fracture": "E1"}
    assert urgencies(lbp, "steroids", "age_over_70") == {"spine_fracture": "E1"}
    assert urgencies(lbp, "steroids") == {}


def test_inflammatory_back_pain_counts_four_of_nine_after_an_early_onset(lbp: Pathway) -> None:
    nine = ("onset_under_35", "wakes_second_half", "buttock_pain", "better_moving", "nsaid_48h")
    assert urgencies(lbp, "onset_under_45", *nine[:4]) == {"axspa": "E3"}
    assert urgencies(lbp, "onset_under_45", *nine[:3]) == {"axspa": "N"}
    assert urgencies(lbp, "onset_under_45", *nine[:2]) == {}
    assert urgencies(lbp, *nine) == {}


def test_an_old_stable_foot_drop_is_not_asked_about(lbp: Pathway) -> None:
    flag = lbp.red_flag("foot_drop")
    assert flag is not None
    assert all("new" in sign.text for sign in flag.signs)


def test_pain_alone_after_a_knee_replacement_is_worked_up_within_days(tkr: Pathway) -> None:
    assert urgencies(tkr, "new_pain_stiff") == {"pji": "E2"}
    assert urgencies(tkr, "new_pain_stiff", "fever")["pji"] == "E1"


def test_wells_of_two_and_a_clot_in_the_lung(tkr: Pathway) -> None:
    assert urgencies(tkr, "wells_bed_surgery") == {}
    assert urgencies(tkr, "wells_bed_surgery", "wells_calf") == {"dvt": "E1"}
    assert urgencies(tkr, "breathless_sudden", "surgery_4_weeks") == {"pe": "E0"}


def test_the_sketches_follow_it_too() -> None:
    stroke, voice = pathways.load("stroke"), pathways.load("voice_disorder")
    assert urgencies(stroke, "tia_older") == {"stroke": "E2"}
    assert urgencies(stroke, "tia_week") == {"stroke": "E1"}
    assert "eat10" not in {s.id for f in stroke.red_flags for s in f.signs}
    assert urgencies(voice, "hoarse_45") == {"voice": "E3"}
    assert urgencies(pathways.load("team_care"), "concussion_suspected") == {"concussion": "E1"}


# --- the second reading, courses of care


def test_low_back_pain_ends_in_a_state_and_not_in_a_change(lbp: Pathway) -> None:
    changed: Facts = {"odi": 44.0, "odi.gain": 30.0, "odi.gain_pct": 40.5, "nprs": 4.0, "home_programme": "independent"}
    assert not all(c.met for c in checks(lbp.discharge, changed))
    assert {c.fact for c in lbp.discharge} == {"odi", "nprs", "home_programme"}
    well: Facts = changed | {"odi": 18.0, "nprs": 2.0}
    assert all(c.met for c in checks(lbp.discharge, well))


@pytest.mark.parametrize(
    ("facts", "recommend"),
    [
        ({"odi": 18.0, "nprs": 1.0, "home_programme": "independent"}, "discharge"),
        ({"odi": 30.0, "visits": 1, "weeks": 1, "start_back": "low", "nprs": 5.0, "nprs.gain": 1.0}, "change"),
        ({"odi": 44.0, "reviews_without_gain": 2}, "surgical_opinion"),
        ({"odi": 30.0, "odi.gain": 4.0, "odi.gain_pct": 12.0, "weeks": 12}, "surgical_opinion"),
        ({"odi": 30.0, "reviews_without_gain": 2, "weeks": 8}, "discharge"),
        ({"odi": 30.0, "odi.gain": 4.0, "odi.gain_pct": 12.0, "visits": 6}, "change"),
        ({"odi": 30.0, "odi.gain": 12.0, "odi.gain_pct": 28.0, "visits": 6}, "continue"),
    ],
)
def test_what_a_review_of_back_pain_recommends(lbp: Pathway, facts: Facts, recommend: str) -> None:
    advice, _ = REVIEW.apply(Course(pathway=lbp.label, rules=lbp.progress, end_state=lbp.discharge, facts=facts))
    assert advice.recommend == recommend


def test_a_gain_needs_more_than_the_measurement_error_and_a_loss_less(lbp: Pathway) -> None:
    odi = lbp.measure("odi")
    assert odi is not None
    assert odi.mdc is not None
    assert all(g.improve == odi.mdc for g in lbp.goals if g.measure == "odi")
    assert [c.value for c in lbp.follow_up.worse if c.fact == "odi.loss"] == [odi.mcid]


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({"start_back": "low", "days_since_onset": 3}, "self_care"),
        ({"start_back": "low", "days_since_onset": 14}, "low_risk"),
        ({"start_back": "low"}, "low_risk"),
        ({"start_back": "low", "days_since_onset": 10, "earlier_plans": 1}, "after_self_care"),
        ({"start_back": "medium"}, "medium_risk"),
        ({"start_back": "high"}, "high_risk"),
        ({}, "risk_unknown"),
    ],
)
def test_dose_matched_to_start_back(lbp: Pathway, facts: Facts, rule: str) -> None:
    assert next(r.id for r in lbp.dosing if all(c.met for c in checks(r.when, facts))) == rule


def test_strength_is_not_held_back_by_flexion(tkr: Pathway) -> None:
    early = tkr.phases[1]
    assert any("strength" in text for text in early.interventions)
    assert early.window_days[0] == 0


def test_phase_three_holds_chair_stands_against_age_and_sex(tkr: Pathway) -> None:
    stands = next(c for c in tkr.phases[2].gate if c.fact == "sts30")
    assert (stands.op, stands.than, stands.value) == (">=", "sts30.norm", None)
    assert stands.against({"sts30": 11, "sts30.norm": 10}).met
    assert not stands.against({"sts30": 9, "sts30.norm": 10}).met
    measure = tkr.measure("sts30")
    assert measure is not None
    covered = {age for norm in measure.norms for age in range(norm.ages[0], norm.ages[1] + 1)}
    assert covered >= set(range(18, 91))


def test_surgery_waits_for_a_fresh_baseline(tkr: Pathway) -> None:
    assert all(c.met for c in checks(tkr.before_surgery, {"koos_jr.age_days": 90}))
    assert not all(c.met for c in checks(tkr.before_surgery, {"koos_jr.age_days": 91}))
    assert not all(c.met for c in checks(tkr.before_surgery, {}))


def test_the_last_gate_of_the_knee_is_no_change_alone(tkr: Pathway) -> None:
    assert "home_programme" in {c.fact for c in tkr.phases[-1].gate}
    assert [p.n for p in tkr.phases] == [1, 2, 3, 4]


def test_first_visits_are_soon_enough(tkr: Pathway) -> None:
    days = {level.code: level.max_wait_days for level in tkr.triage.levels}
    assert days[tkr.usual_level] == 2
    assert tkr.triage.rules == ()
    stroke = pathways.load("stroke")
    assert {level.code: level.max_wait_days for level in stroke.triage.levels}[stroke.usual_level] == 1


def test_follow_ups_are_on_their_days(lbp: Pathway, tkr: Pathway) -> None:
    assert [o.days for o in lbp.follow_up.occasions] == [7, 30, 91, 182, 365]
    assert [o.days for o in tkr.follow_up.occasions] == [42, 91, 182, 365]
    assert 300 <= tkr.follow_up.occasions[-1].days <= 425
    assert (lbp.follow_up.anchor, tkr.follow_up.anchor) == ("discharge", "surgery")


def test_several_disciplines_at_once() -> None:
    stroke = pathways.load("stroke")
    disciplines = {r.discipline for r in stroke.dosing}
    assert disciplines == {"physiotherapy", "occupational_therapy", "speech_therapy"}


# --- suggestion by code

ICD = "http://hl7.org/fhir/sid/icd-10-cm"
SCT = "http://snomed.info/sct"
