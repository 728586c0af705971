"""Codes of terminologies, as they are compared: which family a code belongs to, and how it is written there."""

from __future__ import annotations

from typing import Literal

Family = Literal["icd-10", "snomed", "other"]

ICD10 = ("icd-10", "icd10", "i10", "2.16.840.1.113883.6.3", "2.16.840.1.113883.6.90")
"""How senders name ICD-10 and its national editions, in URLs, OIDs and HL7 v2 tables; one family to us."""
SNOMED = ("snomed", "sct", "2.16.840.1.113883.6.96")
PROCEDURES = ("pcs", "medicare/coding/icd10")
"""ICD-10-PCS shares the name, but its codes are procedures: M54 means something else there."""


def family(system: str) -> Family:
    """The family of a system as a sender names it."""
    name = system.strip().lower().removeprefix("urn:oid:")
    if any(part in name for part in PROCEDURES):
        return "other"
    if any(part in name if not part[0].isdigit() else part == name for part in ICD10):
        return "icd-10"
    return "snomed" if any(part in name for part in SNOMED) else "other"


def plain(code: str, of: Family) -> str:
    """A code as it is compared: ICD-10 comes with and without its dot."""
    stripped = code.strip().upper()
    return stripped.replace(".", "") if of == "icd-10" else stripped


def exactness(known: str, code: str) -> int:
    """How exactly a plain code is the known one; 0: not at all. A `*` at its end stands for any ending.

    The whole code is more exact than any beginning of it.
    """
    if known.endswith("*"):
        beginning = known[:-1]
        return len(beginning) if beginning and code.startswith(beginning) else 0
    return len(known) + 1 if known and code == known else 0
