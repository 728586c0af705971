"""What a sender is told when a message cannot become a referral.

Source: FHIR R4 OperationOutcome (https://hl7.org/fhir/R4/operationoutcome.html) and its issue-type codes
(https://hl7.org/fhir/R4/valueset-issue-type.html).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

IssueCode = Literal[
    "invalid",
    "structure",
    "required",
    "value",
    "not-found",
    "not-supported",
    "business-rule",
    "multiple-matches",
    "too-long",
    "too-costly",
]


class Refusal(BaseModel):
    """A message refused: why, where, and what would be right.

    `reason` and `path` are made from our own words and FHIR's element names only. Nothing of the message is
    in them, so that they may be logged, counted and shown.
    """

    model_config = ConfigDict(frozen=True)

    code: IssueCode
    reason: str
    path: str = "$"

    def operation_outcome(self) -> dict[str, Any]:
        """The refusal as a FHIR OperationOutcome; a place in the JSON text goes to `diagnostics`."""
        issue: dict[str, Any] = {
            "severity": "error",
            "code": self.code,
            "details": {"text": self.reason},
        }
        if self.path[:1].isupper():
            issue["expression"] = [self.path]
        else:
            issue["diagnostics"] = f"at {self.path}"
        return {"resourceType": "OperationOutcome", "issue": [issue]}


class RefusedError(Exception):
    """Carries a refusal up to `read_referral`; never leaves this package."""

    def __init__(self, code: IssueCode, reason: str, path: str = "$") -> None:
        super().__init__(reason)
        self.refusal = Refusal(code=code, reason=reason, path=path)
