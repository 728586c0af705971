"""Whose numbers: assigning authorities (HD), numbers of patients (CX) and of orders (EI).

A name that means something only in the sender's house is never taken for one that means the same everywhere: without
an OID, a UUID or a URL it is written with the house's name before it. Source: HL7 v2.5.1, 2.A.14, 2.A.28, 2.A.33, and
HL7 table 0301.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from gateway.fhir.incoming import IncomingIdentifier
from gateway.hl7.reading import Segment
from gateway.hl7.refusal import Hl7Error

LONGEST = 1_000
"""Bytes of a number with its system: it goes into an index."""
HOUSE = "urn:continuum:hl7v2:"
_OID = re.compile(r"[0-2](\.(0|[1-9]\d*))+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_URL = re.compile(r"(https?://|urn:)[^\s|]+")


def everywhere(name: str) -> str | None:
    """The URI of an authority that is the same in every house; None of any other."""
    if _OID.fullmatch(name):
        return f"urn:oid:{name}"
    if _UUID.fullmatch(name):
        return f"urn:uuid:{name.lower()}"
    return name if _URL.fullmatch(name) else None


def patient_numbers(pid: Segment, field: int, house: str) -> tuple[IncomingIdentifier, ...]:
    """The numbers in a field of CX, each with its system. Raises Hl7Error."""
    found = []
    for n in range(pid.count(field)):
        value = pid.text(field, repetition=n)
        namespace, universal = (pid.text(field, 4, part, repetition=n) for part in (1, 2))
        system = everywhere(universal) or everywhere(namespace) or _in_house(house, universal or namespace)
        if value:
            _bound(f"{system}|{value}", pid, field)
            found.append(IncomingIdentifier(system=system, value=value))
    return tuple(dict.fromkeys(found))


def entity(segment: Segment, field: int) -> str | None:
    """`system|value` of an EI, the form in which a referral is named; `|value` where it has no authority.

    The house's own namespace is left as it is: a referral's name counts only within its source. Raises Hl7Error.
    """
    value = segment.text(field)
    if not value:
        return None
    namespace, universal = (segment.text(field, part) for part in (2, 3))
    system = everywhere(universal) or everywhere(namespace) or universal or namespace
    return _bound(f"{system.replace('|', '')}|{value}", segment, field)


def _in_house(house: str, name: str) -> str:
    return HOUSE + ":".join(quote(part, safe="") for part in (house, name) if part)


def _bound(name: str, segment: Segment, field: int) -> str:
    if len(name.encode()) > LONGEST:
        raise Hl7Error("102", f"an identifier with its authority has at most {LONGEST} bytes", segment.at(field))
    return name
