"""Another version of the pathway: what it changes for a journey, what forbids it, and what becomes of its clocks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from care.clock import Clock
from care.journey import Stage
from care.pathway import Pathway
from care.steps.migrating import preview
from tests.care.driver import NOTE, VERSIONS, Driver, second
from tests.care.walks import MEDIUM, RECOVERED, to_discharge, to_follow_up, to_plan, to_referral, to_rehab, to_therapy

BACK, KNEE = "low_back_pain", "total_knee_replacement"


def migrate(driver: Driver, pathway: str = BACK, role: Any = "therapist", **more: Any) -> None:
    said: dict[str, Any] = {"pathway": pathway, "from_version": 1, "to_version": 2, "note": NOTE} | more
    driver.act("migrate_pathway", role, **said)


def next_follow_up(driver: Driver) -> Clock:
    return min((c for c in driver.journey.clocks if c.kind == "follow_up"), key=lambda c: c.due)


def changed(pathway: str, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Pathway:
    """Version 2 with more changes."""
    content = second(pathway).model_copy(update=changes)
    monkeypatch.setitem(VERSIONS, content.label, content)
    return content


def differences(driver: Driver, other: Pathway) -> dict[str, tuple[str | None, str | None, str]]:
    return {d.about: (d.now, d.then, d.when) for d in preview(driver.journey, other.for_journey()).differences}


class TestPreview:
    def test_it_names_what_this_journey_would_notice(self) -> None:
        driver = to_plan(Driver(), MEDIUM)
        before = driver.trace()
        found = differences(driver, VERSIONS[f"{BACK}@2"])
        assert found["days between reviews"][2] == "after the next review"
        assert any(about.startswith("visits planned") and "up to 20 visits" in str(d[1]) for about, d in found.items())
        assert found["follow-up extra"] == (None, "day 60", "at discharge")
        assert driver.trace() == before

    def test_phases_that_are_over_are_none_of_it(self) -> None:
        driver = to_rehab(Driver(KNEE, age=68))
        found = differences(driver, VERSIONS[f"{KNEE}@2"])
        assert found["days of phase 1"][2] == "at once"
        assert found["days of phase 2"][2] == "in phase 2"
        driver.act("override_gate", "surgeon", note=NOTE)
        assert "days of phase 1" not in differences(driver, VERSIONS[f"{KNEE}@2"])

    def test_after_care_only_the_follow_ups_are_left(self) -> None:
        driver = to_follow_up(Driver())
        found = differences(driver, VERSIONS[f"{BACK}@2"])
        assert found["follow-up extra"] == (None, "day 60", "at once")
        assert not [about for about in found if "visits" in about or "phase" in about]

    def test_the_same_version_and_another_pathway_are_none(self) -> None:
        driver = to_plan(Driver(), MEDIUM)
        same = driver.journey.the_pathway
        assert preview(driver.journey, same).refused == (f"this journey has {same.label} already",)
        (why,) = preview(driver.journey, VERSIONS[f"{KNEE}@2"]).refused
        assert "no other version of it" in why


class TestRefused:
    @pytest.mark.parametrize(
        ("role", "data", "kind"),
        [
            ("coordinator", {}, "NotAllowed"),
            ("patient", {}, "NotAllowed"),
            ("therapist", {"note": None}, "NoteNeeded"),
            ("therapist", {"from_version": 3}, "OtherVersion"),
            ("therapist", {"pathway": KNEE}, "OtherVersion"),
            ("therapist", {"to_version": 1}, "SameVersion"),
        ],
    )
    def test_who_asks_and_how(self, role: Any, data: dict[str, Any], kind: str) -> None:
        driver = to_plan(Driver(), MEDIUM)
        said = {"pathway": BACK, "from_version": 1, "to_version": 2, "note": NOTE} | data
        assert driver.refused("migrate_pathway", role, **said) == kind
        assert driver.journey.the_pathway.version == 1

    def test_in_intake_the_pathway_is_chosen(self) -> None:
        said = {"pathway": BACK, "from_version": 1, "to_version": 2, "note": NOTE}
        assert Driver().refused("migrate_pathway", "therapist", **said) == "NotYet"

    def test_during_a_hold(self) -> None:
        driver = to_plan(Driver(), MEDIUM)
        driver.act("hold", reason="patient_ill", review_on=driver.now + timedelta(days=9))
        said = {"pathway": BACK, "from_version": 1, "to_version": 2, "note": NOTE}
        assert driver.refused("migrate_pathway", "therapist", **said) == "OnHold"
        driver.act("resume")
        migrate(driver)

    def test_without_the_phase_that_the_patient_is_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        driver = to_rehab(Driver(KNEE, age=68))
        content = second(KNEE)
        fewer = changed(KNEE, monkeypatch, phases=content.phases[1:])
        assert "no phase 1" in preview(driver.journey, fewer).refused[0]
        said = {"pathway": KNEE, "from_version": 1, "to_version": 2, "note": NOTE}
        assert driver.refused("migrate_pathway", "therapist", **said) == "DoesNotFit"

    def test_without_the_measure_of_a_goal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        driver = to_plan(Driver(), MEDIUM)
        content = second(BACK)
        fewer = changed(BACK, monkeypatch, measures=tuple(m for m in content.measures if m.id != "odi"))
        assert "odi" in " ".join(preview(driver.journey, fewer).refused)
        assert preview(to_referral(Driver()).journey, fewer).refused == (), "nobody has a goal in it yet"

    def test_without_the_follow_up_whose_answer_is_awaited(self, monkeypatch: pytest.MonkeyPatch) -> None:
        driver = to_follow_up(Driver())
        driver.wait(until=next_follow_up(driver).due + timedelta(minutes=1))
        waiting = driver.journey.follow_up and driver.journey.follow_up.waiting
        assert waiting
        content = second(BACK)
        assert waiting not in {o.id for o in content.follow_up.occasions}, "the first is left out"
        assert waiting in preview(driver.journey, content).refused[0]


class TestDone:
    @pytest.mark.parametrize("begun", [to_referral, to_therapy, lambda d: to_plan(d, MEDIUM), to_discharge])
    def test_the_version_is_pinned_and_recorded(self, begun: Any) -> None:
        driver = begun(Driver())
        plans = [p.model_dump() for p in driver.journey.plans]
        rows = len(driver.journal)
        migrate(driver)
        entry = driver.journal[rows]
        assert (entry.kind, entry.data["before"], entry.data["after"]) == ("pathway_migrated", f"{BACK}@1", f"{BACK}@2")
        assert (entry.pathway, entry.note, entry.actor.role) == (f"{BACK}@2", NOTE, "therapist")
        assert "follow-up extra" in str(entry.data["changes"])
        assert driver.journey.the_pathway.version == 2
        assert [p.model_dump() for p in driver.journey.plans] == plans, "what was made for this patient stays"

    def test_the_journey_goes_on_to_its_end(self) -> None:
        driver = to_plan(Driver(), MEDIUM)
        migrate(driver)
        driver.visit(days=6, scores=RECOVERED)
        driver.act("review_progress", "therapist", plan=driver.plan.id, decision="discharge", reason="GOALS")
        driver.act("sign_summary", "therapist")
        assert driver.journey.follow_up
        assert "extra" in driver.journey.follow_up.to_come

    def test_windows_of_the_phase_are_those_of_the_other_version(self) -> None:
        driver = to_rehab(Driver(KNEE, age=68))
        driver.act("override_gate", "surgeon", note=NOTE)
        gate, review = driver.clock("gate_opens").due, driver.clock("phase_review").due
        migrate(driver, KNEE)
        assert driver.clock("gate_opens").due == gate + timedelta(days=3)
        assert driver.clock("phase_review").due == review + timedelta(days=7)

    def test_a_review_date_that_a_person_set_stands(self) -> None:
        driver = to_rehab(Driver(KNEE, age=68))
        driver.wait(until=driver.clock("phase_review").due + timedelta(minutes=1))
        date = driver.now + timedelta(days=5)
        driver.act("review_phase", "therapist", decision="continue", review_on=date)
        migrate(driver, KNEE)
        assert driver.clock("phase_review").due == date

    def test_follow_ups_to_come_move_and_those_that_were_do_not_come_again(self) -> None:
        driver = to_follow_up(Driver())
        first = next_follow_up(driver)
        driver.wait(until=first.due + timedelta(minutes=1))
        driver.act("answer_follow_up", "patient", scores={"nprs": 1, "odi": 12, "groc": 6})
        before = {c.subject: c.due for c in driver.journey.clocks if c.kind == "follow_up"}
        migrate(driver)
        after = {c.subject: c.due for c in driver.journey.clocks if c.kind == "follow_up"}
        assert set(after) == {*before, "extra"}
        assert first.subject not in after
        assert all(after[id_] == due + timedelta(days=10) for id_, due in before.items())
        assert driver.journey.follow_up
        assert driver.journey.follow_up.to_come == [*before, "extra"]

    def test_a_follow_up_whose_new_day_is_over_is_due_soon_and_not_lost(self, monkeypatch: pytest.MonkeyPatch) -> None:
        driver = to_follow_up(Driver())
        content = second(BACK)
        sooner = tuple(o.model_copy(update={"days": 1}) for o in content.follow_up.occasions[:-1])
        changed(BACK, monkeypatch, follow_up=content.follow_up.model_copy(update={"occasions": sooner}))
        driver.wait(days=3)
        migrate(driver)
        dues = [c.due for c in driver.journey.clocks if c.kind == "follow_up"]
        assert len(dues) == len(sooner)
        assert all(driver.now < due <= driver.now + timedelta(days=4) for due in dues)

    def test_red_flags_that_are_open_are_asked_about_as_before(self, monkeypatch: pytest.MonkeyPatch) -> None:
        driver = to_plan(Driver(), MEDIUM)
        driver.act("screen", answers={"bladder_new": True})
        (flag,) = [f.flag for f in driver.journey.open_flags]
        content = second(BACK)
        gone = tuple(f for f in content.red_flags if f.id != flag)
        changed(BACK, monkeypatch, red_flags=gone)
        migrate(driver)
        assert driver.journey.the_pathway.red_flag(flag) is not None
        driver.act("handle_red_flag", "therapist", flag=flag, outcome="cleared")

    def test_back_again(self) -> None:
        driver = to_plan(Driver(), MEDIUM)
        first = driver.journey.the_pathway
        migrate(driver)
        migrate(driver, from_version=2, to_version=1)
        assert driver.journey.the_pathway == first
        assert driver.journey.stage == Stage.THERAPY
