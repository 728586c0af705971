"""The patient of a message (PID), and who refers (PRD, or the orderer of ORC and OBR).

Source: HL7 v2.5.1, 3.4.2 (PID), 11.6.3 (PRD), 2.A.88 (XPN), 2.A.89 (XTN), 2.A.86 (XCN); HL7 tables 0001, 0200, 0202
and 0286.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.fhir.incoming import IncomingIdentifier, IncomingPatient, IncomingRequester
from gateway.hl7.identifiers import everywhere, patient_numbers
from gateway.hl7.reading import Message, Segment
from gateway.hl7.refusal import Hl7Error, Place
from gateway.hl7.times import day

_GENDERS = {"M": "male", "F": "female", "O": "other", "A": "other", "N": "other", "U": "unknown"}
_ADDRESS = re.compile(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+")
_NUMBER = re.compile(r"(?=(?:\D*\d){3})[\d\s()+./xXextEXT-]{3,40}")
_MAIL = frozenset({"internet", "x.400"})


def patient_of(message: Message, house: str) -> IncomingPatient:
    """The patient. Raises Hl7Error where nobody is named, or a number, a name and birth date are all missing."""
    pid = message.first("PID")
    if pid is None:
        raise Hl7Error("100", "the segment PID, which says who the patient is, is missing", Place("PID"))
    identifiers = numbers_of(pid, house)
    named = _best_name(pid)
    family, given = _name(pid, 5, named) if named is not None else (None, None)
    birth_date = day(pid, 7)
    known = bool(identifiers) or (bool(family or given) and birth_date is not None)
    if not known:
        reason = "a patient needs a number (PID-3), or a name (PID-5) and a date of birth (PID-7)"
        raise Hl7Error("101", reason, pid.at(3))
    contacts = [(field, n) for field in (13, 14, 40) for n in range(pid.count(field))]
    return IncomingPatient(
        matched_by_message=True,
        identifiers=identifiers,
        family=family,
        given=given,
        birth_date=birth_date,
        gender=_GENDERS.get(pid.text(8).upper()),
        phone=next(filter(None, (_phone(pid, field, n) for field, n in contacts)), None),
        email=next(filter(None, (_email(pid, field, n) for field, n in contacts)), None),
        languages=tuple(filter(None, [pid.text(15)])),
        deceased=is_deceased(pid),
    )


def numbers_of(pid: Segment, house: str) -> tuple[IncomingIdentifier, ...]:
    """PID-3, or in messages of version 2.2 and before PID-2. Raises Hl7Error."""
    return patient_numbers(pid, 3, house) or patient_numbers(pid, 2, house)


def is_deceased(pid: Segment) -> bool:
    """Whether the sender says that the patient died."""
    return pid.text(30).upper() == "Y" or bool(pid.text(29))


def referrer_of(message: Message) -> IncomingRequester:
    """The PRD in the role RP (referring provider), else the first that is not the one referred to."""
    providers = list(message.all("PRD"))
    roles = [{role.upper() for role in prd.texts(1)} for prd in providers]
    referring = [prd for prd, role in zip(providers, roles, strict=True) if "RP" in role]
    others = [prd for prd, role in zip(providers, roles, strict=True) if not role & {"RT", "IR", "RP"}]
    prd = next(iter([*referring, *others]), None)
    if prd is None:
        return IncomingRequester()
    contacts = [(field, n) for field in (5, 14) for n in range(prd.count(field))]
    house = prd.text(10) or prd.text(4, 9) or prd.text(4, 4)
    return IncomingRequester(
        name=_full_name(prd, 2),
        identifier=_number(prd.text(7), prd.text(7, 2)),
        phone=next(filter(None, (_phone(prd, field, n) for field, n in contacts)), None),
        email=next(filter(None, (_email(prd, field, n) for field, n in contacts)), None),
        organisation=house or None,
        organisation_identifier=_organisation_number(prd, 10),
    )


def orderer_of(order: Message) -> IncomingRequester:
    """ORC-12 with its call-back number and house, else OBR-16."""
    orc, obr = order.first("ORC"), order.first("OBR")
    for segment, field, call_back in ((orc, 12, 14), (obr, 16, 17)):
        if segment is not None and segment.raw(field):
            contacts = range(segment.count(call_back))
            return IncomingRequester(
                name=_person(segment, field),
                identifier=_number(segment.text(field), segment.text(field, 9, 2) or segment.text(field, 9)),
                phone=next(filter(None, (_phone(segment, call_back, n) for n in contacts)), None),
                email=next(filter(None, (_email(segment, call_back, n) for n in contacts)), None),
                organisation=(orc.text(21) or None) if orc else None,
                organisation_identifier=_organisation_number(orc, 21) if orc else None,
            )
    return IncomingRequester()


def _best_name(pid: Segment) -> int | None:
    """The legal name (L), else the first that is not an alias, a maiden name or withheld."""
    types = [kind.upper() for kind in pid.texts(5, 7)]
    if "L" in types:
        return types.index("L")
    fit = [n for n, kind in enumerate(types) if kind not in ("A", "M", "S", "U", "BAD", "NOUSE")]
    return fit[0] if fit else (0 if types else None)


def _name(segment: Segment, field: int, repetition: int = 0) -> tuple[str | None, str | None]:
    family, *given = (segment.text(field, part, repetition=repetition) for part in (1, 2, 3))
    return family or None, " ".join(filter(None, given)) or None


def _full_name(prd: Segment, field: int) -> str | None:
    family, given = _name(prd, field)
    return _joined((prd.text(field, 5), given, family, prd.text(field, 4)))


def _person(segment: Segment, field: int) -> str | None:
    """Of an XCN, whose name comes after its number."""
    return _joined(segment.text(field, part) for part in (6, 3, 4, 2, 5))


def _joined(parts: Iterable[str | None]) -> str | None:
    return " ".join(filter(None, parts)) or None


def _number(value: str, system: str) -> IncomingIdentifier | None:
    return IncomingIdentifier(system=everywhere(system), value=value) if value else None


def _organisation_number(segment: Segment, field: int) -> IncomingIdentifier | None:
    """Of an XON: its tenth component since v2.5, its third before; its authority is the sixth."""
    value = segment.text(field, 10) or segment.text(field, 3)
    return _number(value, segment.text(field, 6, 2) or segment.text(field, 6))


def _phone(segment: Segment, field: int, n: int) -> str | None:
    """Of an XTN that is no mail address: unformatted (12), in parts (5 to 8), or as it used to be (1)."""
    if segment.text(field, 3, repetition=n).lower() in _MAIL:
        return None
    country, area, local, extension = (segment.text(field, part, repetition=n) for part in (5, 6, 7, 8))
    parts = (f"+{country.removeprefix('+')}" if country else "", area, local, f"x{extension}" if extension else "")
    in_parts = " ".join(filter(None, parts)) if local else ""
    for said in (segment.text(field, 12, repetition=n), in_parts, segment.text(field, 1, repetition=n)):
        if _NUMBER.fullmatch(said):
            return said
    return None


def _email(segment: Segment, field: int, n: int) -> str | None:
    said = segment.text(field, 4, repetition=n)
    return said if _ADDRESS.fullmatch(said) else None
