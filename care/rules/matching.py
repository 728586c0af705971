"""Matching: which pathway a referral belongs to. One is settled by codes, or a person chooses; never a guess.

Two steps, because what a referrer wrote stays in PostgreSQL: `read` turns codes and texts into what they point to
(ids and our own words only), and the rule decides on that. The first is done where the referral comes in; the second
can be shown and run again from the journal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from care.gate import Facts, checks
from care.model import Model, Slug
from care.pathway import Pathway
from care.red_flag import RedFlag
from care.rules import Rule
from care.terminology import Family, exactness, family, plain
from care.wording import Text, words_of

CANDIDATES_AT_MOST = 12
"""A coordinator reads them: a longer list is no help. Design choice, not clinically reviewed."""


class Pointer(Model):
    """One thing in the referral that points to a pathway."""

    pathway: Slug
    by: Literal["code", "words"]
    code: int = 0
    """Which of the referral's codes, counted from 1; 0 for words. The code itself stays where it was stored."""
    family: Family = "other"
    exactness: int = 0
    """For codes: how exactly the pathway names this one. See `care/terminology.py`."""
    group: bool = False
    """The pathway names a group of codes (`M54*`), not this one."""

    @property
    def why(self) -> str:
        """In our own words."""
        if self.by == "words":
            return "words in the request"
        name = {"icd-10": "ICD-10", "snomed": "SNOMED CT", "other": "another"}[self.family]
        return f"{name} code {'of its group' if self.group else 'by name'}"


class Excluded(Model):
    """A pathway that is not for this patient, and why."""

    pathway: Slug
    why: str


class Evidence(Model):
    """What codes, words, age and sex say about the pathway, without the codes and the words."""

    pointers: tuple[Pointer, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    questions: tuple[Slug, ...] = ()
    """Signs of red flags at which the words hint: asked first, whatever else holds."""


class Candidate(Model):
    """A pathway for a coordinator to choose, and what speaks for it."""

    pathway: Slug
    reasons: tuple[str, ...]


class Match(Model):
    """One pathway, settled by the codes, or unsure."""

    settled: Slug | None = None
    because: Literal["codes_agree", "codes_disagree", "code_is_of_several", "words_only", "nothing_points"]
    candidates: tuple[Candidate, ...] = ()
    """All that the referral points to, best first; the settled one too."""
    questions: tuple[Slug, ...] = ()


WORDS = {
    "codes_agree": "the codes name one pathway",
    "codes_disagree": "the codes name different pathways",
    "code_is_of_several": "a code belongs to several pathways",
    "words_only": "no code names a pathway, words alone settle nothing",
    "nothing_points": "neither code nor word points to a pathway",
}
"""Why a match came out as it did, for people."""


def read(
    codes: Iterable[tuple[str, str]],
    texts: Iterable[str],
    facts: Facts,
    pathways: Iterable[Pathway],
    flags: Iterable[RedFlag] = (),
) -> Evidence:
    """What the referral points to. The order of the codes, and how often one comes, make no difference.

    A code that is the beginning of another one of the referral's (M54 beside M54.5) says nothing beyond it.
    """
    known = sorted(pathways, key=lambda p: p.id)
    pointers = [
        pointer
        for n, (kin, code) in enumerate(_most_specific(codes), 1)
        for pathway in known
        if (pointer := _by_code(pathway, n, kin, code)) is not None
    ]
    signs = {s.id: s.terms for f in flags for s in f.signs if s.terms}
    terms = [t for p in known for t in p.terms] + [t for of in signs.values() for t in of]
    text = Text(texts, longest=max((len(words_of(t)) for t in terms), default=0))
    pointers += [Pointer(pathway=p.id, by="words") for p in known if any(text.holds(t) for t in p.terms)]
    pointed = {p.pathway for p in pointers}
    excluded = (
        Excluded(pathway=p.id, why="; ".join(c.words() for c in met))
        for p in known
        if p.id in pointed and (met := [c for c in checks(p.exclude, facts) if c.holds])
    )
    questions = (sign for sign, of in signs.items() if any(text.holds(t) for t in of))
    return Evidence(pointers=tuple(pointers), excluded=tuple(excluded), questions=tuple(questions))


def _most_specific(codes: Iterable[tuple[str, str]]) -> list[tuple[Family, str]]:
    found = {(kin, plain(code, kin)) for system, code in codes if (kin := family(system)) != "other"}
    return sorted(
        (kin, code)
        for kin, code in found
        if code and not (kin == "icd-10" and any(k == kin and c != code and c.startswith(code) for k, c in found))
    )


def _by_code(pathway: Pathway, n: int, kin: Family, code: str) -> Pointer | None:
    best: tuple[int, bool] = (0, False)
    for entry in pathway.codes:
        if family(entry.system) == kin:
            known = plain(entry.code, kin)
            best = max(best, (exactness(known, code), known.endswith("*")))
    if not best[0]:
        return None
    return Pointer(pathway=pathway.id, by="code", code=n, family=kin, exactness=best[0], group=best[1])


def match(evidence: Evidence) -> Match:
    """Settled where every code that names pathways names the same single one most exactly. Words settle nothing."""
    out = {e.pathway for e in evidence.excluded}
    pointers = [p for p in evidence.pointers if p.pathway not in out]
    winners = [_winners(pointers, code) for code in sorted({p.code for p in pointers if p.by == "code"})]
    named = set().union(*winners)
    settled: Slug | None = None
    because: Literal["codes_agree", "codes_disagree", "code_is_of_several", "words_only", "nothing_points"]
    if not winners:
        because = "words_only" if pointers else "nothing_points"
    elif any(len(of) > 1 for of in winners):
        because = "code_is_of_several"
    elif len(named) > 1:
        because = "codes_disagree"
    else:
        because, settled = "codes_agree", next(iter(named))
    candidates = sorted({p.pathway for p in pointers}, key=lambda id_: _rank(id_, pointers, winners))
    return Match(
        settled=settled,
        because=because,
        candidates=tuple(
            Candidate(pathway=id_, reasons=_reasons(id_, pointers)) for id_ in candidates[:CANDIDATES_AT_MOST]
        ),
        questions=evidence.questions,
    )


def _winners(pointers: list[Pointer], code: int) -> set[str]:
    of = [p for p in pointers if p.by == "code" and p.code == code]
    most = max(p.exactness for p in of)
    return {p.pathway for p in of if p.exactness == most}


def _rank(pathway: str, pointers: list[Pointer], winners: list[set[str]]) -> tuple[int, int, int, str]:
    """Named most exactly by most codes first, then by the most exact code, then by words, then by id."""
    own = [p for p in pointers if p.pathway == pathway]
    return (
        -sum(pathway in of for of in winners),
        -max(p.exactness for p in own),
        -sum(p.by == "words" for p in own),
        pathway,
    )


def _reasons(pathway: str, pointers: list[Pointer]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p.why for p in pointers if p.pathway == pathway))


MATCH = Rule("match_pathway", 1, Evidence, match)
