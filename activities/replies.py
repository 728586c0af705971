"""The answer to the referrer's system: an HL7 Clinical Order Workflows coordination Task with BSeR's business status.

The order belongs to the sender and is never changed here; this Task carries its execution.
"""

from __future__ import annotations

from typing import Any

BSER_STATUS = "http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS"
TASK_CODE = "http://hl7.org/fhir/CodeSystem/task-code"
TASK_SYSTEM = "urn:continuum:reply"

CONSULT_NOTE = {
    "coding": [{"system": "http://loinc.org", "code": "18842-5", "display": "Discharge summary"}],
    "text": "Consult note: discharge summary",
}

BSER_WORDS = {
    "2.0": "Service Request Created",
    "3.0": "Service Request Accepted",
    "4.0": "Service Request Declined",
    "5.1.1": "Service Request Fulfillment Event Scheduled",
    "5.1.2": "Service Request Fulfillment Event Unattended",
    "5.1.3": "Service Request Fulfillment Event Cancelled",
    "5.1.4": "Service Request Fulfillment Event Completed",
    "5.2": "Service Request Cancellation Requested",
    "6.0": "Service Request Fulfillment Cancelled",
    "7.0": "Service Request Completed",
}


def task_of(reply: dict[str, Any]) -> dict[str, Any]:
    """A FHIR R4 Task: `focus` is the sender's order by its own identifier, progress is n of m sessions."""
    task: dict[str, Any] = {
        "resourceType": "Task",
        "identifier": [{"system": TASK_SYSTEM, "value": reply["id"]}],
        "status": reply["task_status"],
        "intent": "order",
        "code": {"coding": [{"system": TASK_CODE, "code": "fulfill"}]},
        "focus": _focus(reply["referral_id"]),
        "authoredOn": reply["received_at"].isoformat(),
        "lastModified": reply["at"].isoformat(),
    }
    requester = reply["requester"]
    if requester.get("reference") and not requester["reference"].startswith("#"):
        task["requester"] = {"reference": requester["reference"]}
    if reply["business_status"]:
        code = reply["business_status"]
        task["businessStatus"] = {"coding": [{"system": BSER_STATUS, "code": code, "display": BSER_WORDS[code]}]}
    if reply["reason"]:
        task["statusReason"] = {"text": reply["reason"].replace("_", " ")}
    if output := _output(reply):
        task["output"] = output
    return task


def _output(reply: dict[str, Any]) -> list[dict[str, Any]]:
    """Progress, and with the last answer the signed summary (a consult note)."""
    output: list[dict[str, Any]] = []
    if reply["visits_planned"]:
        ratio = {
            "numerator": _sessions(reply["visits_done"] or 0),
            "denominator": _sessions(reply["visits_planned"]),
        }
        output.append({"type": {"text": "Visits attended of planned"}, "valueRatio": ratio})
    if reply["document"]:
        note = {"reference": f"DocumentReference/{reply['document'].replace(':', '.')}"}
        output.append({"type": CONSULT_NOTE, "valueReference": note})
    return output


def _focus(referral_id: str) -> dict[str, Any]:
    """The sender's order, by the name under which it came: identifier, reference, or else the digest of its bytes."""
    system, bar, value = referral_id.rpartition("|")
    if bar:
        return {
            "type": "ServiceRequest",
            "identifier": {"system": system, "value": value} if system else {"value": value},
        }
    if referral_id.startswith("sha256:"):
        return {"type": "ServiceRequest", "identifier": {"value": referral_id}}
    return {"type": "ServiceRequest", "reference": referral_id}


def _sessions(count: int) -> dict[str, Any]:
    return {"value": count, "unit": "session", "system": "http://unitsofmeasure.org", "code": "{session}"}
