"""The state machine of the coordination Task, over all states, parties and guides."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import get_args

import pytest

from care.action import DeclineReason
from gateway.fhir.models import CodeableConcept
from gateway.fhir_server.profiles import STATES
from gateway.fhir_server.writing.task_states import ALL, OVER, Asks, Illegal, Party, Unchanged, allowed, transition
from records.clients import Profile
from records.orders import Standing

COORDINATION = [name for name in STATES if not name.startswith(("abort", "work", "review"))]
NOW = datetime(2026, 12, 1, tzinfo=UTC)
NO_CAPACITY = CodeableConcept.model_validate({"coding": [{"code": "no-capacity"}]})


def standing(state: str, profile: Profile = "cow", stage: str = "Intake", status: str = "open") -> Standing:
    return Standing.model_validate(
        {
            "journey": "j0123456789abcdef",
            "source": "client:c|fhir",
            "referral_id": "s|1",
            "sender": "client:c",
            "received_at": NOW,
            "version": 1,
            "changed_at": NOW,
            "stage": stage,
            "status": status,
            "task_version": 1,
            "state": state,
            "self_care": False,
            "profile": profile,
        }
    )


def by(party: Party, state: str, wanted: str, profile: Profile = "cow") -> Asks | Unchanged | Illegal:
    return transition(party, standing(state, profile), wanted, NO_CAPACITY, "p-anna")


@pytest.mark.parametrize("profile", get_args(Profile))
@pytest.mark.parametrize("party", get_args(Party))
def test_every_wish_is_answered_and_what_is_allowed_is_said(party: Party, profile: Profile) -> None:
    for state, wanted in product(COORDINATION, sorted(ALL)):
        found = by(party, state, wanted, profile)
        open_ = allowed(party, standing(state, profile))
        if isinstance(found, Illegal):
            assert wanted not in open_
            assert f"allowed now: {', '.join(open_) or 'none'}" in found.reason
            assert wanted not in found.reason.partition(";")[0].split()
        elif isinstance(found, Asks):
            assert wanted in open_


def test_nothing_leaves_a_state_that_is_over_but_the_receipt() -> None:
    for state, wanted, party in product(COORDINATION, ALL, get_args(Party)):
        if STATES[state].cow in OVER and isinstance(found := by(party, state, wanted), Asks):
            assert (party, state, wanted, found.name) == ("placer", "completed", "completed", "confirm_receipt")


@pytest.mark.parametrize("state", ["sent", "received", "awaiting-information", "accepted"])
def test_a_placer_cancels_before_care_begins(state: str) -> None:
    assert by("placer", state, "cancelled") == Asks("request_cancellation", {})


@pytest.mark.parametrize("state", ["in-progress", "visit-scheduled", "on-hold", "cancellation-requested"])
def test_a_placer_asks_once_care_has_begun_unless_the_guide_lets_them(state: str) -> None:
    for profile in ("cow", "bser"):
        found = by("placer", state, "cancelled", profile)
        assert isinstance(found, Illegal)
        assert "Task of code abort" in found.reason
    assert by("placer", state, "cancelled", "sdohcc") == Asks("request_cancellation", {})


def test_care_that_has_begun_without_a_visit_has_begun() -> None:
    found = transition("placer", standing("accepted", stage="Therapy"), "cancelled", None, None)
    assert isinstance(found, Illegal)


@pytest.mark.parametrize("state", [s for s in COORDINATION if STATES[s].cow not in OVER])
def test_entered_in_error_works_from_every_state_that_is_not_over(state: str) -> None:
    assert by("placer", state, "entered-in-error") == Asks("request_cancellation", {"reason": "entered_in_error"})


def test_staff_accept_and_decline() -> None:
    assert by("staff", "received", "accepted") == Asks("accept", {"clinician": "p-anna"})
    assert by("staff", "accepted", "rejected") == Asks("decline", {"reason": "no_capacity"})
    assert isinstance(by("staff", "received", "cancelled"), Illegal)
    assert isinstance(by("placer", "received", "accepted"), Illegal)


@pytest.mark.parametrize(
    "reason", [None, CodeableConcept(text="full"), CodeableConcept.model_validate({"coding": [{}]})]
)
def test_a_decline_has_a_code(reason: CodeableConcept | None) -> None:
    found = transition("staff", standing("received"), "rejected", reason, None)
    assert isinstance(found, Illegal)
    assert all(code in found.reason for code in get_args(DeclineReason))


@pytest.mark.parametrize("profile", get_args(Profile))
def test_what_a_guide_shows_as_the_status_changes_nothing(profile: Profile) -> None:
    for state in COORDINATION:
        if state != "completed":
            assert by("placer", state, STATES[state].status(profile), profile) == Unchanged()
