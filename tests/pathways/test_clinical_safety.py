"""What no pathway may do whatever its author meant: children, modalities, ends of care, gates; and its vignettes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest

import pathways
from care.pathway import Pathway
from care.red_flag import RedFlag
from pathways import vignette
from pathways.lint import sourced
from pathways.loader import library

EVERY = sorted(pathways.latest().values(), key=lambda p: p.id)
LIBRARY = library()
FILES = [vignette.read_vignettes(path, name=name).content for name, path in vignette.files()]
PATHWAYS = [pytest.param(p, id=p.id) for p in EVERY]

FOR_CHILDREN = {"cerebral_palsy_motor", "torticollis", "brachial_plexus_birth_injury", "gait_variants"}
FOR_ALL_AGES = {"articulation_fluency", "auditory_processing"}

WORDS = {
    r"heat|hot pack|warm pack": "heat_pack",
    r"cold or|cold pack|\bice\b|cryo": "cryotherapy",
    r"robot": "robotic_gait",
    r"NMES|TENS|FES|electrical|electro": "electrical_stim",
    r"ultrasound": "therapeutic_ultrasound",
    r"manipulation|thrust": "spinal_manipulation",
    r"Epley|repositioning|roll manoeuvre": "bppv_manoeuvre",
}
"""Words of an intervention, and the modality whose contraindications they ask for."""


@pytest.mark.parametrize("pathway", PATHWAYS)
def test_children_are_on_pathways_for_children(pathway: Pathway) -> None:
    bounds = {(c.op, c.value) for c in pathway.exclude if c.fact == "age"}
    if pathway.id in FOR_CHILDREN:
        assert (">=", 18) in bounds
        assert pathway.usual_level.startswith("C-")
        assert {"child_bone_tumour", "scfe", "abuse"} <= {f.id for f in pathway.red_flags}
    elif pathway.id in FOR_ALL_AGES:
        assert {"child_speech", "abuse"} <= {f.id for f in pathway.red_flags}
    else:
        assert any(op == "<" and isinstance(value, float | int) and value >= 18 for op, value in bounds)


@pytest.mark.parametrize("pathway", PATHWAYS)
def test_what_an_intervention_mentions_is_checked_before_it_is_booked(pathway: Pathway) -> None:
    said = [i for rule in pathway.dosing for i in rule.interventions]
    said += [i for phase in pathway.phases for i in phase.interventions]
    asked = {modality for word, modality in WORDS.items() if any(re.search(word, i) for i in said)}
    assert asked <= {m.id for m in pathway.modalities}


@pytest.mark.parametrize("pathway", PATHWAYS)
def test_care_never_ends_with_goals_met_by_a_change_alone(pathway: Pathway) -> None:
    """A change is no end state, nor is the mere course of time (second reading)."""
    ends = [pathway.discharge, *(p.gate for p in pathway.phases[-1:] if p.gate)]
    ends += [r.when for r in pathway.progress if r.recommend == "discharge" and "plateau" not in r.because]
    for end in ends:
        states = [c for c in end if not re.search(r"\.(change|gain|gain_pct|responder)$", c.fact)]
        assert {c.fact for c in states} - {"weeks", "visits", "weeks_since_surgery"} or _is_the_end_of_a_block(end)


def _is_the_end_of_a_block(end: tuple[object, ...]) -> bool:
    """Maintenance and training blocks end by their weeks, without "goals met"."""
    return {getattr(c, "fact", "") for c in end} <= {"weeks", "visits"} and bool(end)


def test_every_gate_has_criteria_but_that_of_life_long_care() -> None:
    assert [(p.id, phase.n) for p in EVERY for phase in p.phases if not phase.gate] == [("stroke", 3)]


def test_what_is_designed_here_says_so_from_its_first_word() -> None:
    for pathway in EVERY:
        for where, entry in sourced(pathway, pathway.label):
            if entry.basis == "proposed" and "urgenc" not in where:
                assert entry.source.startswith("design choice, not clinically reviewed: "), where


def test_nothing_verified_calls_itself_unverified() -> None:
    for pathway in EVERY:
        for where, entry in sourced(pathway, pathway.label):
            if entry.basis == "verified":
                assert not re.search(r"unverified|not read|no source|design choice|proposed", entry.source), where


@pytest.mark.parametrize("red", LIBRARY.red_flags.values(), ids=LIBRARY.red_flags)
def test_an_emergency_says_what_to_do_and_holds_booking(red: RedFlag) -> None:
    for rule in red.rules:
        if rule.urgency in ("E0", "E1"):
            assert (rule.action or red.action).strip()
            level = next(u for u in LIBRARY.urgencies if u.code == rule.urgency)
            assert level.hold == "until_handled"
            assert "on_call" in (rule.tell or red.tell or level.tell)


def _cases() -> Iterator[tuple[str, vignette.Vignette]]:
    for content in FILES:
        for case in content.vignettes:
            yield content.pathway or f"flag {content.flag}", case


def test_three_vignettes_for_each_pathway_one_of_them_to_the_end_and_150_in_all() -> None:
    own = Counter(of for of, _ in _cases() if not of.startswith("flag "))
    assert set(own) == {p.id for p in EVERY}
    assert min(own.values()) >= 3
    assert own.total() >= 150
    assert {of for of, case in _cases() if case.to_the_end} >= {p.id for p in EVERY}


def test_half_of_the_vignettes_stand_on_something_published_or_on_a_boundary() -> None:
    for pick in (True, False):
        bases = Counter(case.basis for of, case in _cases() if of.startswith("flag ") is not pick)
        assert 2 * (bases.total() - bases["by_authors"]) >= bases.total()
    assert Counter(case.basis for _, case in _cases())["published_case"] >= 10


def test_a_citation_names_something_that_can_be_looked_up() -> None:
    """A year, a number of a document, a site, a named rule or programme; not only "the guideline"."""
    named = re.compile(
        r"(19|20)\d\d|PMC\d|pubmed|\.(com|org|uk|ca|net|au|ae|ai)\b|NICE|NG\d|GIRFT|GRACE-3|ACOG|Kanavel|Budapest|IFOMPT|STEADI|AACVPR"
        r"|AAO-HNS|CRT6|BSR|BESS|BTS|Berlin|Wells|Ottawa|Canadian|ASSET|Lidcombe|DOI|10\.\d{4}|Delaware|Remedy|MDC|MCID|PHQ"
        r"|programme|protocol|second reading|starting data|red flags|measures|priorities|unverified"
    )
    vague = [case.id for _, case in _cases() if case.basis != "by_authors" and not named.search(case.cites or "")]
    assert vague == []


def test_a_published_case_names_its_paper() -> None:
    paper = re.compile(r"(19|20)\d\d|PMC\d|\.(com|org|net|edu|au)\b")
    for _, case in _cases():
        if case.basis == "published_case":
            assert paper.search(case.cites or ""), case.id
            assert "read" in (case.cites or ""), case.id
