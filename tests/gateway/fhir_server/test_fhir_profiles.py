"""What each guide calls a state: every state in every guide, held against the value sets of the guides."""

from __future__ import annotations

from typing import get_args

import pytest

from activities.replies import BSER_STATUS, BSER_WORDS
from care.notice import TaskStatus
from gateway.fhir_server.profiles import COW_STATUS, PROFILES, STATES, states_of_business, states_of_status
from records.clients import Profile

R4 = {
    *("draft", "requested", "received", "accepted", "rejected", "ready", "cancelled"),
    *("in-progress", "on-hold", "failed", "completed", "entered-in-error"),
}
"""https://hl7.org/fhir/R4/valueset-task-status.html"""
VALUE_SETS: dict[Profile, set[str]] = {"cow": R4, "bser": R4, "sdohcc": R4 - {"ready", "received"}}
COW_BUSINESS = {"visit-scheduled", "visit-complete", "awaiting-information"}

TABLE = {
    # state: (cow, bser, sdohcc, code of BSeR)
    "sent": ("requested", "received", "requested", "2.0"),
    "received": ("received", "received", "requested", "2.0"),
    "awaiting-information": ("received", "received", "on-hold", None),
    "accepted": ("accepted", "accepted", "accepted", "3.0"),
    "declined": ("rejected", "rejected", "rejected", "4.0"),
    "in-progress": ("in-progress", "in-progress", "in-progress", None),
    "visit-scheduled": ("in-progress", "in-progress", "in-progress", "5.1.1"),
    "visit-missed": ("in-progress", "in-progress", "in-progress", "5.1.2"),
    "visit-cancelled": ("in-progress", "in-progress", "in-progress", "5.1.3"),
    "visit-completed": ("in-progress", "in-progress", "in-progress", "5.1.4"),
    "cancellation-requested": ("in-progress", "in-progress", "in-progress", "5.2"),
    "on-hold": ("on-hold", "on-hold", "on-hold", None),
    "cancelled": ("cancelled", "cancelled", "cancelled", "6.0"),
    "failed": ("failed", "failed", "failed", None),
    "completed": ("completed", "completed", "completed", "7.0"),
    "entered-in-error": ("entered-in-error", "entered-in-error", "entered-in-error", None),
}
OTHERS = ("abort-", "review-", "work-")


def test_the_table_is_that_of_the_guides() -> None:
    ours = {
        name: (state.cow, state.bser, state.sdohcc, state.bser_business)
        for name, state in STATES.items()
        if not name.startswith(OTHERS)
    }
    assert ours == TABLE


@pytest.mark.parametrize("profile", PROFILES)
def test_every_state_is_a_code_of_the_guide(profile: Profile) -> None:
    for name, state in STATES.items():
        assert state.status(profile) in VALUE_SETS[profile], name
        for coding in state.business(profile):
            known = {BSER_STATUS: set(BSER_WORDS), COW_STATUS: COW_BUSINESS}[coding["system"]]
            assert coding["code"] in known, name


@pytest.mark.parametrize("profile", PROFILES)
def test_every_state_is_found_by_what_it_is_called(profile: Profile) -> None:
    for name, state in STATES.items():
        assert name in states_of_status(profile, state.status(profile))
        for coding in state.business(profile):
            assert name in states_of_business(profile, coding["system"], coding["code"])
            assert name in states_of_business(profile, None, coding["code"])


@pytest.mark.parametrize("profile", PROFILES)
def test_a_code_that_the_guide_does_not_have_finds_nothing(profile: Profile) -> None:
    for code in R4 - VALUE_SETS[profile] | {"no-such-code", "", "'--"}:
        assert states_of_status(profile, code) == ()
    assert states_of_business(profile, "http://elsewhere.example", "2.0") == ()


def test_only_clinical_order_workflows_get_their_own_business_status() -> None:
    both = {coding["system"] for coding in STATES["visit-scheduled"].business("cow")}
    assert both == {BSER_STATUS, COW_STATUS}
    for profile in ("bser", "sdohcc"):
        assert {c["system"] for c in STATES["visit-scheduled"].business(profile)} == {BSER_STATUS}


def test_whatever_a_journey_replies_has_a_state_of_that_status() -> None:
    said = set(get_args(TaskStatus))
    assert said <= {state.cow for name, state in STATES.items() if not name.startswith(OTHERS)}
