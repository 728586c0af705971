"""What each guide calls a state of our coordination Task; which guide a client speaks is in its registration.

FHIR R4 has twelve codes of Task.status, and the guides do not agree on them: BSeR has an order `received` as soon as it
is there, SDOH-CC knows neither `received` nor `ready` and waits for information `on-hold`. Cancelling work that has
begun is a Task of its own in all three (code `abort`): SDOH-CC allows it on the Task itself, Clinical Order Workflows
do not.

Sources: HL7 Clinical Order Workflows (https://hl7.org/fhir/uv/cow/2025May/), Bidirectional Services eReferral
(http://hl7.org/fhir/us/bser/, TaskBusinessStatusCS), SDOH Clinical Care (http://hl7.org/fhir/us/sdoh-clinicalcare/,
referral task state diagram).
"""

from __future__ import annotations

from dataclasses import dataclass

from activities.replies import BSER_STATUS, BSER_WORDS
from records.clients import Profile

PROFILES: tuple[Profile, ...] = ("cow", "bser", "sdohcc")

TASK_STATUS = "http://hl7.org/fhir/task-status"
COW_STATUS = "http://hl7.org/fhir/uv/cow/CodeSystem/temp"
"""Called temporary by the guide itself: it has no other yet."""


@dataclass(frozen=True, slots=True)
class State:
    """One state of a Task, in the words of each guide."""

    words: str
    cow: str
    bser: str
    sdohcc: str
    bser_business: str | None = None
    cow_business: str | None = None

    def status(self, profile: Profile) -> str:
        """Task.status."""
        return {"cow": self.cow, "bser": self.bser, "sdohcc": self.sdohcc}[profile]

    def business(self, profile: Profile) -> list[dict[str, str]]:
        """The codings of Task.businessStatus: BSeR's everywhere, and those of Clinical Order Workflows in theirs."""
        found = []
        if self.bser_business is not None:
            display = BSER_WORDS[self.bser_business]
            found.append({"system": BSER_STATUS, "code": self.bser_business, "display": display})
        if self.cow_business is not None and profile == "cow":
            found.append({"system": COW_STATUS, "code": self.cow_business})
        return found


def _same(words: str, status: str, bser: str | None = None, cow: str | None = None) -> State:
    return State(words, status, status, status, bser, cow)


STATES: dict[str, State] = {
    "sent": State("received, not looked at yet", "requested", "received", "requested", "2.0"),
    "received": State("being looked at", "received", "received", "requested", "2.0"),
    "awaiting-information": State(
        "waiting for information", "received", "received", "on-hold", None, "awaiting-information"
    ),
    "accepted": _same("accepted", "accepted", "3.0"),
    "declined": _same("declined", "rejected", "4.0"),
    "in-progress": _same("in progress", "in-progress"),
    "visit-scheduled": _same("a visit is booked", "in-progress", "5.1.1", "visit-scheduled"),
    "visit-missed": _same("a visit was missed", "in-progress", "5.1.2"),
    "visit-cancelled": _same("a visit was cancelled", "in-progress", "5.1.3"),
    "visit-completed": _same("a visit took place", "in-progress", "5.1.4", "visit-complete"),
    "cancellation-requested": _same("cancellation requested", "in-progress", "5.2"),
    "on-hold": _same("on hold", "on-hold"),
    "cancelled": _same("cancelled", "cancelled", "6.0"),
    "failed": _same("could not be fulfilled", "failed"),
    "completed": _same("completed", "completed", "7.0"),
    "entered-in-error": _same("entered in error", "entered-in-error"),
    "abort-requested": _same("cancellation requested", "requested"),
    "abort-accepted": _same("cancellation accepted", "accepted"),
    "abort-rejected": _same("cancellation declined", "rejected"),
    "abort-cancelled": _same("taken back", "cancelled"),
    "review-requested": _same("to be noted", "requested"),
    "review-completed": _same("read", "completed"),
    "review-rejected": _same("could not be noted", "rejected"),
    "work-requested": _same("to be done", "requested"),
    "work-accepted": _same("somebody is on it", "accepted"),
    "work-completed": _same("done", "completed"),
    "work-cancelled": _same("no longer needed", "cancelled"),
}
"""By the words of the view `continuum.fhir_task`."""


def states_of_status(profile: Profile, code: str) -> tuple[str, ...]:
    """The states that a guide calls by this Task.status."""
    return tuple(name for name, state in STATES.items() if state.status(profile) == code)


def states_of_business(profile: Profile, system: str | None, code: str) -> tuple[str, ...]:
    """The states that have this code of Task.businessStatus, in any system where none is named."""
    return tuple(
        name
        for name, state in STATES.items()
        if any(c["code"] == code and system in (None, c["system"]) for c in state.business(profile))
    )
