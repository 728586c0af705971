"""FHIR R4, read strictly where we use it and leniently everywhere else.

Bytes go in; an `IncomingReferral` or a `Refusal` comes out. No I/O, no database, no clock.
"""

from __future__ import annotations

from gateway.fhir.incoming import (
    Code,
    IncomingIdentifier,
    IncomingPatient,
    IncomingReferral,
    IncomingRequester,
    Kind,
)
from gateway.fhir.referral import read_referral
from gateway.fhir.refusal import IssueCode, Refusal

__all__ = [
    "Code",
    "IncomingIdentifier",
    "IncomingPatient",
    "IncomingReferral",
    "IncomingRequester",
    "IssueCode",
    "Kind",
    "Refusal",
    "read_referral",
]
