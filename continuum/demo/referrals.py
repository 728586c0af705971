"""The referrals that the demo's physicians send, and those of vignettes: FHIR R4, invented people."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any


def service_request(
    *,
    family: str,
    given: str,
    gender: str | None,
    birth_date: str,
    reasons: Sequence[dict[str, str]],
    priority: str = "routine",
    text: str = "",
) -> bytes:
    """A ServiceRequest with its patient and requester contained, under an order number of its own.

    `reasons` are codings: system, code, perhaps display.
    """
    resource: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "identifier": [{"system": "https://surgery.example.org/orders", "value": f"R-{secrets.token_hex(4)}"}],
        "contained": [
            {
                "resourceType": "Patient",
                "id": "patient",
                "identifier": [{"system": "https://surgery.example.org/mrn", "value": f"M-{secrets.token_hex(3)}"}],
                "name": [{"family": family, "given": [given]}],
                **({"gender": gender} if gender else {}),
                "birthDate": birth_date,
                "telecom": [{"system": "email", "value": f"{given}.{family}@mail.example".lower()}],
            },
            {
                "resourceType": "Practitioner",
                "id": "doctor",
                "name": [{"text": "Dr Samira Haddad"}],
                "telecom": [{"system": "email", "value": "s.haddad@surgery.example"}],
            },
        ],
        "status": "active",
        "intent": "order",
        "priority": priority,
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "91251008", "display": "Physical therapy"}]},
        "subject": {"reference": "#patient"},
        "requester": {"reference": "#doctor"},
        "reasonCode": [{"coding": [reason]} for reason in reasons] + ([{"text": text}] if text else []),
    }
    return json.dumps({name: value for name, value in resource.items() if value != []}).encode()


def back_pain(family: str = "Okafor", given: str = "Daniel") -> bytes:
    """Low back pain for three weeks."""
    return service_request(
        family=family,
        given=given,
        gender="male",
        birth_date="1987-04-02",
        reasons=[{"system": "http://hl7.org/fhir/sid/icd-10", "code": "M54.5", "display": "Low back pain"}],
    )


def knee_replacement() -> bytes:
    """Listed for a total knee replacement."""
    return service_request(
        family="Lindqvist",
        given="Marta",
        gender="female",
        birth_date="1958-09-17",
        reasons=[{"system": "http://snomed.info/sct", "code": "609588000", "display": "Total knee replacement"}],
    )


def sudden_back_pain() -> bytes:
    """Low back pain since yesterday; what else there is comes out at the screen."""
    return service_request(
        family="Rahman",
        given="Yusuf",
        gender="male",
        birth_date="1979-12-30",
        reasons=[{"system": "http://hl7.org/fhir/sid/icd-10", "code": "M54.5", "display": "Low back pain"}],
        priority="urgent",
    )
