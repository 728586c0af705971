"""Codes of a message (CE, CWE): the two codes a field may hold, with their systems as FHIR names them.

Source: HL7 table 0396 (coding systems) and the mapping of HL7's v2-to-FHIR guide; HL7 v2.5.1, 2.A.13.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.fhir.incoming import Code
from gateway.hl7.identifiers import everywhere
from gateway.hl7.reading import Segment
from gateway.hl7.refusal import Hl7Error, Place

MAX_CODES = 50
"""Codes travel with the journey, and a journey stays small."""
MAX_SAID = 1_000
"""How often a code or a word may be said in one message, over and over or not."""

ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10_PCS = "http://www.cms.gov/Medicare/Coding/ICD10"
ICD9_CM = "http://hl7.org/fhir/sid/icd-9-cm"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
CPT = "http://www.ama-assn.org/go/cpt"
HCPCS = "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
OWN = "99CONTINUUM"
"""Our measures, by their own ids; 99zzz is how table 0396 has local systems written."""

_SYSTEMS = {
    **dict.fromkeys(("I10", "ICD10", "ICD-10", "ICD10WHO"), ICD10),
    **dict.fromkeys(("I10C", "I10CM", "ICD10CM", "ICD-10-CM", "ICD-10CM"), ICD10_CM),
    **dict.fromkeys(("I10P", "I10PCS", "ICD10PCS", "ICD-10-PCS"), ICD10_PCS),
    **dict.fromkeys(("I9", "I9C", "I9CDX", "I9CP", "ICD9", "ICD-9", "ICD9CM", "ICD-9-CM"), ICD9_CM),
    **dict.fromkeys(("SCT", "SNM", "SNM3", "SNOMED", "SNOMEDCT", "SNOMED-CT", "SNOMED CT"), SNOMED),
    **dict.fromkeys(("LN", "LOINC"), LOINC),
    **dict.fromkeys(("C4", "C5", "CPT", "CPT4", "CPT-4"), CPT),
    **dict.fromkeys(("HCPCS", "HPC", "HCPT"), HCPCS),
}
_LONGEST = 64
_LONGEST_URI = 255


def system_of(said: str) -> str | None:
    """The system as FHIR names it; as it was said where we know no other name."""
    return _SYSTEMS.get(said.upper()) or everywhere(said[:_LONGEST_URI]) or said[:_LONGEST] or None


def coded(segment: Segment, field: int, *, usual: str = "") -> Iterator[tuple[Code, str]]:
    """The codes of every repetition of a field, each with its words; the first code stands before the alternate one.

    `usual`: the coding system where the field names none. Raises Hl7Error.
    """
    for n in range(segment.count(field)):
        for first in (1, 4):
            code, words, system = (segment.text(field, first + part, repetition=n) for part in range(3))
            if code:
                yield Code(system=system_of(system or (usual if first == 1 else "")), code=code[:_LONGEST]), words


def said(segment: Segment, field: int) -> Iterator[str]:
    """The words of a coded field: what its codes are called, and what the sender wrote (CWE.9)."""
    for n in range(segment.count(field)):
        yield from (segment.text(field, part, repetition=n) for part in (2, 5, 9))


def unique(codes: Iterable[Code], place: Place) -> tuple[Code, ...]:
    """Each code once. Raises Hl7Error: too many for one referral."""
    found: dict[Code, None] = {}
    for count, code in enumerate(codes, start=1):
        found[code] = None
        if len(found) > MAX_CODES or count > MAX_SAID:
            raise Hl7Error("102", f"a referral carries at most {MAX_CODES} codes of one kind", place)
    return tuple(found)
