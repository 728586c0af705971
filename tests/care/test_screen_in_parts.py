"""A red-flag screen answered in parts, what stays open of it, what holds booking, and treatments checked before."""

from __future__ import annotations

from typing import Any

import pytest

import pathways
from care.card import card
from care.draft import Refused
from care.journey import OpenFlag, Stage
from care.pathway import Pathway
from care.red_flag import FlagRule, RedFlag, Sign
from care.steps import screening
from pathways.loader import library
from tests.care.driver import NOTE, Driver
from tests.care.walks import MEDIUM, no_flags, to_follow_up, to_plan, to_referral, to_therapy

FLAG = "foot_drop"


def ask(driver: Driver) -> list[str]:
    return driver.journey.screen.ask if driver.journey.screen else []


def why(driver: Driver, name: str, **data: Any) -> str:
    """The words of a refusal."""
    with pytest.raises(Refused) as refused:
        driver.act(name, **data)
    return str(refused.value)


# --- intake


def test_a_part_is_kept_and_the_rest_is_owed() -> None:
    driver = Driver()
    driver.act("record_consent", messages=True)
    everything = no_flags(driver)
    driver.act("screen", "therapist", answers={k: v for k, v in everything.items() if k != "saddle_numb"})
    assert driver.at(Stage.INTAKE)
    assert ask(driver) == ["saddle_numb"]
    task = driver.journey.open_task("finish_screen")
    assert task is not None
    assert task.due == driver.now, "an emergency may hide behind it"
    assert "Ask the red-flag questions still open" in card(driver.journey, driver.now)
    driver.act("screen", "therapist", answers={"saddle_numb": False})
    assert driver.at(Stage.REFERRAL)
    assert "finish_screen" not in driver.owed
    assert driver.journey.screen is None


def test_what_a_part_finds_acts_at_once() -> None:
    driver = Driver()
    driver.act("screen", answers={"saddle_numb": True}, action_id="s-1")
    assert [a.id for a in driver.alarms] == ["jtest:alarm:ces:s-1"]
    assert {"handle_red_flag", "finish_screen"} <= driver.owed
    assert "bladder_new" in ask(driver), "another red flag still wants to know"
    assert "sexual_new" not in ask(driver), "the flag that was found has nothing open"


def test_the_rest_of_a_screen_does_not_raise_again_what_was_found_and_cleared() -> None:
    driver = Driver()
    driver.act("screen", answers={"calf_swollen_one": True})
    driver.act("handle_red_flag", "on_call", flag="dvt_screen", outcome="cleared")
    alarms = len(driver.alarms)
    driver.act("screen", answers={k: v for k, v in no_flags(driver).items() if k != "calf_swollen_one"})
    assert len(driver.alarms) == alarms
    assert [f.outcome for f in driver.journey.flags] == ["cleared"]
    driver.act("record_consent", messages=True)
    assert driver.at(Stage.REFERRAL)


def test_asked_and_not_known_is_not_a_no() -> None:
    driver = Driver()
    driver.act("record_consent", messages=True)
    driver.act("screen", "therapist", answers={"bladder_new": None}, others_absent=True)
    assert driver.at(Stage.INTAKE)
    assert ask(driver) == ["bladder_new"]
    assert not driver.journey.flags


def test_a_clinician_signs_with_a_note_that_nobody_can_know() -> None:
    driver = Driver()
    driver.act("record_consent", messages=True)
    driver.act("screen", "therapist", answers={k: v for k, v in no_flags(driver).items() if k != "bladder_new"})
    assert driver.refused("sign_screen", "coordinator", note=NOTE) == "NotAllowed"
    assert driver.refused("sign_screen", "therapist") == "NoteNeeded"
    assert driver.refused("sign_screen", "therapist", note=NOTE) == "NotAsked"
    driver.act("screen", "therapist", answers={"bladder_new": None})
    driver.act("sign_screen", "therapist", note=NOTE)
    assert driver.at(Stage.REFERRAL)
    assert driver.refused("sign_screen", "therapist", note=NOTE) == "NothingOpen"
    row = next(e for e in driver.journal if e.kind == "screen_signed")
    assert row.data["ask"] == "bladder_new"


def test_an_open_question_that_is_not_urgent_lets_the_intake_go_on_and_stays_owed() -> None:
    driver = Driver(age=62)
    driver.act("record_consent", messages=True)
    driver.act("screen", "therapist", answers={"night_pain": None, "weight_loss": True}, others_absent=True)
    assert driver.at(Stage.REFERRAL)
    task = driver.journey.open_task("finish_screen")
    assert task is not None
    assert task.due == driver.journey.the_calendar.after_days(driver.now, screening.FINISH_DAYS)
    driver.act("accept")
    driver.act("screen", "therapist", answers={"night_pain": True})
    assert [f.flag for f in driver.journey.flags] == ["spine_cancer"]
    assert "finish_screen" not in driver.owed


def test_what_the_age_settles_is_not_asked() -> None:
    """At 45 nobody is over 60: with no other sign of the aorta there is nothing left to ask of it but two of three."""
    young, old, unknown = Driver(age=45), Driver(age=61), Driver(age=None)
    for driver in (young, old, unknown):
        answers = {**no_flags(driver), "tearing_pain": None}
        del answers["age_over_60"]
        driver.act("screen", "therapist", answers=answers)
    assert ask(young) == []
    assert ask(old) == ["tearing_pain"]
    assert set(ask(unknown)) == {"age_over_60", "tearing_pain"}


def test_another_pathway_asks_only_what_was_not_answered() -> None:
    driver = Driver()
    driver.act("screen", "therapist", answers=no_flags(driver))
    before = set(no_flags(driver))
    driver.act("choose_pathway", pathway="total_knee_replacement")
    assert not driver.journey.screened
    assert ask(driver)
    assert not before & set(ask(driver))


# --- later


def test_a_yes_in_therapy_asks_for_what_could_be_worse_and_holds_booking() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("screen", "therapist", answers={"foot_weak_new": True})
    assert ask(driver) == ["foot_weak_fast"]
    driver.act("handle_red_flag", "on_call", flag=FLAG, outcome="cleared")
    assert ask(driver) == [], "whoever cleared it has looked into all of it"
    driver.act("screen", "therapist", answers={"cancer_history": True})
    assert {"leg_weak_unsteady", "band_pain"} <= set(ask(driver))
    booking: dict[str, Any] = {"clinician": "p-therapist", "starts_at": driver.slot(days=2)}
    assert driver.refused("book_visit", **booking) == "ScreenOpen"
    assert "sensory_level" in why(driver, "book_visit", **booking)
    driver.act("screen", "therapist", others_absent=True, answers={"cancer_history": True})
    driver.act("book_visit", **booking)
    assert driver.journey.screen is None


def test_a_single_no_in_therapy_begins_no_screen() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("screen", "therapist", answers={"saddle_numb": False})
    assert "finish_screen" not in driver.owed


def test_an_open_screen_ends_with_its_answers_in_follow_up_too() -> None:
    driver = to_follow_up(Driver())
    driver.act("answer_follow_up", "patient", scores={"nprs": 1, "odi": 10}, answers={"bladder_new": None})
    assert "finish_screen" in driver.owed
    driver.act("screen", "therapist", answers={"bladder_new": False}, others_absent=True)
    assert "finish_screen" not in driver.owed


# --- what is held


def flag_of(urgency: str, *, hold: bool) -> RedFlag:
    return RedFlag(
        id="made_up",
        suspected="something",
        signs=(Sign(id="made_up_sign", text="Is it so?"),),
        rules=(FlagRule.model_validate({"urgency": urgency, "when": "made_up_sign"}),),
        action="Act.",
        hold_booking=hold,
        basis="proposed",
        source="a test",
    )


@pytest.mark.parametrize("hold", [True, False])
@pytest.mark.parametrize("urgency", ["E0", "E1", "E2", "E3", "N"])
def test_no_emergency_and_no_same_day_flag_ever_books_a_routine_visit(urgency: str, hold: bool) -> None:
    """Whatever the flag itself says of booking."""
    driver = to_plan(Driver(), MEDIUM)
    pathway = driver.journey.the_pathway
    driver.journey.pathway = pathway.model_copy(update={"red_flags": (*pathway.red_flags, flag_of(urgency, hold=hold))})
    booking: dict[str, Any] = {"clinician": "p-therapist", "starts_at": driver.slot(days=2)}
    driver.act("screen", "therapist", answers={"made_up_sign": True})
    held = hold or urgency in ("E0", "E1")
    if held:
        assert driver.refused("book_visit", **booking) == "RedFlagOpen"
        driver.act("handle_red_flag", "on_call", flag="made_up", outcome="seen_by_doctor")
    if hold:
        assert driver.refused("book_visit", **booking) == "RedFlagOpen"
        driver.act("handle_red_flag", "on_call", flag="made_up", outcome="cleared")
    driver.act("book_visit", **booking)


def test_every_flag_of_the_library_holds_booking_while_it_is_an_emergency_or_same_day() -> None:
    for flag in library().red_flags.values():
        for rule in flag.rules:
            if rule.urgency in ("E0", "E1"):
                held = screening.held_by_flags
                journey = to_journey(flag, rule.urgency, hold=bool(rule.hold_booking or flag.hold_booking))
                assert held(journey), flag.id


def to_journey(flag: RedFlag, urgency: Any, *, hold: bool) -> Any:
    driver = Driver()
    driver.journey.flags.append(
        OpenFlag(id="f", flag=flag.id, urgency=urgency, raised_at=driver.now, hold_booking=hold)
    )
    return driver.journey


def test_who_hears_is_content() -> None:
    """The referrer hears of an E2 in other words than of an emergency, and never of suspected abuse by itself."""
    driver = to_therapy(Driver(age=62))
    driver.act("screen", "therapist", answers={"weight_loss": True, "night_pain": True}, others_absent=True)
    assert [n.facts["news"] for n in driver.told("referrer", "journey_news")] == ["red_flag"]
    assert not driver.alarms
    pathway = driver.journey.the_pathway
    driver.journey.pathway = pathway.model_copy(
        update={"red_flags": (*pathway.red_flags, library().red_flags["abuse"])}
    )
    told = len(driver.told("referrer", "journey_news"))
    driver.act("screen", "therapist", answers={"disclosure": True})
    assert {a.to for a in driver.alarms} == {"queue:on_call", "person:p-lead"}
    assert len(driver.told("referrer", "journey_news")) == told


# --- treatments


def with_modalities(*names: str) -> Pathway:
    entries = library().contraindications
    return pathways.load("low_back_pain").model_copy(update={"modalities": tuple(entries[n] for n in names)})


def treated(*names: str, **person: Any) -> Driver:
    driver = to_referral(Driver(**person))
    driver.journey.pathway = with_modalities(*names)
    driver.act("accept")
    return driver


def booking(driver: Driver, *modalities: str) -> dict[str, Any]:
    return {"clinician": "p-therapist", "starts_at": driver.slot(days=2), "modalities": modalities}


HEAT = ("skin_numb", "inflammation_48h", "bleeding_disorder", "infection_at_site", "circulation_poor")


def test_a_treatment_is_asked_about_then_booked_and_the_answers_are_kept() -> None:
    driver = treated("heat_pack")
    wish = booking(driver, "heat_pack")
    assert driver.refused("book_visit", **wish) == "AskFirst"
    assert "bleeding_disorder (Bleeding disorder)" in why(driver, "book_visit", **wish)
    driver.act("screen", "therapist", answers=dict.fromkeys(HEAT[:-1], False) | {HEAT[-1]: None})
    assert "circulation_poor" in why(driver, "book_visit", **wish)
    driver.act("screen", "therapist", answers={HEAT[-1]: False})
    driver.act("book_visit", **wish)
    assert "modality_checked" in driver.kinds()
    assert "finish_screen" not in driver.owed


def test_a_contraindicated_treatment_is_refused_with_the_reason() -> None:
    driver = treated("heat_pack")
    driver.act("screen", "therapist", answers={"bleeding_disorder": True})
    wish = booking(driver, "heat_pack")
    assert driver.refused("book_visit", **wish) == "Contraindicated"
    assert "Bleeding disorder" in why(driver, "book_visit", **wish)
    driver.act("book_visit", **{**wish, "modalities": ()})


def test_a_treatment_that_the_pathway_does_not_list_is_refused() -> None:
    driver = treated("heat_pack")
    assert driver.refused("book_visit", **booking(driver, "cryotherapy")) == "NoSuchModality"


def test_caution_is_booked_and_written_down() -> None:
    driver = treated("spinal_manipulation")
    forbids = ("spine_disease", "cord_cauda_sign", "arterial_dysfunction", "osteoporosis_severe", "ra_neck")
    driver.act("screen", "therapist", answers=dict.fromkeys((*forbids, "fusion_at_level"), False))
    assert driver.refused("book_visit", **booking(driver, "spinal_manipulation")) == "AskFirst"
    driver.act("screen", "therapist", answers={"anticoagulant": True})
    driver.act("book_visit", **booking(driver, "spinal_manipulation"))
    row = next(e for e in driver.journal if e.kind == "modality_caution")
    assert "anticoagulant" in row.text


def test_a_man_is_not_asked_whether_he_is_pregnant() -> None:
    woman, man = treated("electrical_stim", sex="female"), treated("electrical_stim", sex="male")
    assert "pregnant_trunk" in why(woman, "book_visit", **booking(woman, "electrical_stim"))
    assert "pregnant_trunk" not in why(man, "book_visit", **booking(man, "electrical_stim"))


@pytest.mark.parametrize("name", sorted(library().contraindications))
def test_each_contraindication_forbids_by_each_of_its_signs(name: str) -> None:
    entry = library().contraindications[name]
    driver = treated(name)
    caution = {entry.caution} if isinstance(entry.caution, str) else set()
    for sign in entry.signs:
        driver.journey.modality_answers = {s.id: s.id == sign.id for s in entry.signs}
        wish = booking(driver, name)
        if sign.id in caution:
            continue
        assert driver.refused("book_visit", **wish) == "Contraindicated", sign.id
