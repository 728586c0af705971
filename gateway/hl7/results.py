"""ORU: scores of outcome measures that were taken elsewhere.

Taken are numbers whose OBX-3 is the LOINC code of a measure's score, or the measure's own id in the coding system
99CONTINUUM. Whatever else is in the message is not for us. Source: HL7 v2.5.1, 7.4.2 (OBX); HL7 table 0085 (OBX-11).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from care.score import Measure
from gateway.hl7.coding import LOINC, OWN, coded
from gateway.hl7.identifiers import entity
from gateway.hl7.incoming import Incoming
from gateway.hl7.reading import Segment
from gateway.hl7.refusal import Hl7Error
from gateway.hl7.times import moment
from gateway.inbound.deeds_data import RecordResults
from gateway.inbound.meaning import About, Ask, Asked, Meaning, Noted
from pathways import loader

FINAL = frozenset({"", "F", "C", "U"})
"""Final, corrected, and final without being sent again. Anything else is preliminary, wrong or taken back."""
_NUMBER = re.compile(r"[+-]?(\d{1,12}(\.\d{0,9})?|\.\d{1,9})", re.ASCII)
_NO_UNIT = frozenset({"", "1", "score", "points", "point", "pts", "pt"})
_SAME_UNIT = {
    **dict.fromkeys(("sec", "second", "seconds"), "s"),
    **dict.fromkeys(("metre", "metres", "meter", "meters"), "m"),
    **dict.fromkeys(("degree", "degrees", "[deg]", "\u00b0"), "deg"),
    **dict.fromkeys(("minute", "minutes"), "min"),
    "percent": "%",
}


@lru_cache(maxsize=1)
def our_measures() -> Mapping[tuple[str, str], Measure]:
    """Every measure by what it may be called in a message."""
    measures = loader.library().measures.values()
    own = {(OWN, m.id): m for m in measures}
    return own | {(LOINC, m.loinc.score): m for m in measures if m.loinc and m.loinc.score}


def oru(incoming: Incoming, measures: Callable[[], Mapping[tuple[str, str], Measure]] = our_measures) -> Meaning:
    """What an ORU means. Raises Hl7Error."""
    if incoming.event not in ("R01", ""):
        return Noted(why="results of a kind from which nothing follows here")
    known = measures()
    found: dict[str, tuple[float, Segment]] = {}
    for obx in incoming.message.all("OBX"):
        measure = _measure(obx, known)
        if measure is not None and obx.text(11).upper() in FINAL:
            found[measure.id] = (_value(obx, measure), obx)
    if not found:
        return Noted(why="no final score of a measure of ours is in it")
    orc, obr = incoming.message.first("ORC"), incoming.message.first("OBR")
    order = (entity(orc, 2) if orc else None) or (entity(obr, 2) if obr else None)
    about = About(referral_id=order, patient=incoming.patient_numbers())
    taken = [moment(obx, 14, incoming.zone) for _, obx in found.values()]
    at = max(filter(None, taken), default=None) or (moment(obr, 7, incoming.zone) if obr else None)
    data = RecordResults(scores={measure: value for measure, (value, _) in found.items()}, at=at)
    return Asked(asks=(Ask(name="record_results", about=about, data=data.model_dump(mode="json")),))


def _measure(obx: Segment, known: Mapping[tuple[str, str], Measure]) -> Measure | None:
    codes = (code for code, _ in coded(obx, 3))
    return next((known[key] for c in codes if (key := (c.system or "", c.code)) in known), None)


def _value(obx: Segment, measure: Measure) -> float:
    said = obx.text(5)
    if obx.text(2).upper() not in ("NM", "SN", ""):
        raise Hl7Error("102", "a score is a number: OBX-2 NM is wanted", obx.at(2))
    if obx.text(2).upper() == "SN" and not obx.text(5, 1):
        said = obx.text(5, 2)
    if _NUMBER.fullmatch(said) is None or not math.isfinite(float(said)):
        raise Hl7Error("102", "a score is a number", obx.at(5))
    if not _same_unit(obx.text(6), measure.unit):
        raise Hl7Error("103", f"the unit of this measure is {measure.unit or 'none'}", obx.at(6))
    wrong = measure.problem_with(float(said))
    if wrong is not None:
        raise Hl7Error("103", wrong, obx.at(5))
    return float(said)


def _same_unit(said: str, ours: str | None) -> bool:
    """A sender who names no unit means the measure's own."""
    given, wanted = said.lower().removeprefix("{").removesuffix("}"), (ours or "").lower()
    if given in ("", wanted):
        return True
    return given in _NO_UNIT if wanted in _NO_UNIT else _SAME_UNIT.get(given) == wanted
