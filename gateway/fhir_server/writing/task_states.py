"""From which state of a Task who may bring it to which other, and what that asks of the journey. Pure.

Sources: FHIR R4 Task state machine (https://hl7.org/fhir/R4/task.html#statemachine); HL7 Clinical Order Workflows
(https://build.fhir.org/ig/HL7/fhir-cow-ig): work that has begun is not cancelled by its placer, who asks for it by a
Task of code `abort`; SDOH Clinical Care (https://hl7.org/fhir/us/sdoh-clinicalcare): requester and performer may both
cancel, also what is in progress; BSeR: as COW, by business status 5.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from care.action import DeclineReason
from care.steps.cancellations import NOT_BEGUN
from gateway.fhir.models import CodeableConcept
from gateway.fhir_server.profiles import STATES
from gateway.inbound.meaning import REQUEST_CANCELLATION
from records.orders import Standing

Party = Literal["placer", "staff"]
OVER = frozenset({"rejected", "cancelled", "failed", "completed", "entered-in-error"})
UNDER_WAY = frozenset({"in-progress", "on-hold"})
ALL = frozenset(
    {"draft", "requested", "received", "accepted", "rejected", "ready", "cancelled", "in-progress", "on-hold", "failed"}
    | {"completed", "entered-in-error"}
)
"""FHIR R4 task-status (https://hl7.org/fhir/R4/valueset-task-status.html)."""
ASK_TO_ABORT = "to ask that care which has begun be cancelled, create a Task of code abort whose focus is this one"


@dataclass(frozen=True, slots=True)
class Asks:
    """The transition asks this of the journey."""

    name: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The Task is in that state already."""


@dataclass(frozen=True, slots=True)
class Illegal:
    """Why not, and which states are open to the caller now."""

    reason: str


def status_of(standing: Standing) -> str:
    """Where the coordination Task is in the state machine; guides differ in what they show, not in this."""
    return STATES[standing.state].cow


def allowed(party: Party, standing: Standing) -> tuple[str, ...]:
    """The states to which this party may bring the coordination Task now."""
    now = status_of(standing)
    if now in OVER or standing.status == "closed":
        return ("completed",) if party == "placer" and now == "completed" else ()
    if party == "staff":
        return (
            ("accepted", "rejected") if now in ("requested", "received") else ("rejected",) if now == "accepted" else ()
        )
    begun = now in UNDER_WAY or standing.stage not in NOT_BEGUN
    if begun and standing.profile != "sdohcc":
        return ("entered-in-error",)
    return ("cancelled", "entered-in-error")


def transition(
    party: Party, standing: Standing, wanted: str, reason: CodeableConcept | None, clinician: str | None
) -> Asks | Unchanged | Illegal:
    """What becomes of the wish to bring the coordination Task into a state."""
    now = status_of(standing)
    if wanted in (now, STATES[standing.state].status(standing.profile)) and not (
        party == "placer" and now == "completed"
    ):
        return Unchanged()
    open_ = allowed(party, standing)
    if wanted not in open_:
        return Illegal(_why(party, standing, wanted, open_))
    match wanted:
        case "cancelled":
            return Asks(REQUEST_CANCELLATION, {})
        case "entered-in-error":
            return Asks(REQUEST_CANCELLATION, {"reason": "entered_in_error"})
        case "completed":
            return Asks("confirm_receipt", {})
        case "accepted":
            return Asks("accept", {"clinician": clinician} if clinician else {})
    return _decline(reason)


def _decline(reason: CodeableConcept | None) -> Asks | Illegal:
    known = get_args(DeclineReason)
    said = [coding.code for coding in reason.coding if coding.code] if reason else []
    for code in (one.replace("-", "_") for one in said):
        if code in known:
            return Asks("decline", {"reason": code})
    return Illegal(f"statusReason has to hold one of these codes: {', '.join(known)}")


def _why(party: Party, standing: Standing, wanted: str, open_: tuple[str, ...]) -> str:
    what = "this status cannot be set now" if wanted in ALL else "status is not a code of FHIR R4 task-status"
    now = f"; allowed now: {', '.join(open_) or 'none'}"
    hint = f"; {ASK_TO_ABORT}" if party == "placer" and wanted == "cancelled" and "cancelled" not in open_ else ""
    over = "; the Task is over" if status_of(standing) in OVER or standing.status == "closed" else ""
    return f"{what}{over}{now}{hint}"
