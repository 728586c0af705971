"""A message that is not fit is kept as it came, and its sender is told why, in our own words."""

from __future__ import annotations

from gateway.answers import Problem
from gateway.fhir.refusal import Refusal
from gateway.fhir_server.writing.delivery import Delivery
from gateway.inbound import Refused, take_in

STATUS = {
    "invalid": 400,
    "structure": 400,
    "value": 400,
    "required": 400,
    "too-long": 400,
    "too-costly": 413,
    "not-found": 422,
    "not-supported": 422,
    "business-rule": 422,
    "multiple-matches": 422,
}
"""400: not as FHIR has it. 413: more than we read. 422: FHIR, but not something that we can do.

Source: rejected creates (https://hl7.org/fhir/R4/http.html#create)."""


async def refused(delivery: Delivery, kind: str, refusal: Refusal) -> Problem:
    """Keep the message with the reason; the problem to raise. Raises DatabaseAway."""
    meaning = Refused(code=refusal.code, reason=refusal.reason, path=refusal.path)
    await take_in(delivery.gateway.database, delivery.envelope(kind), meaning)
    return problem_of(refusal)


def problem_of(refusal: Refusal) -> Problem:
    """A refusal as a response."""
    whole = refusal.code == "too-long" and refusal.path == "$"
    return Problem(413 if whole else STATUS[refusal.code], refusal.code, refusal.reason, path=refusal.path)
