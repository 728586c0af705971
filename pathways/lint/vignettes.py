"""Vignettes that could never come as expected: ids that do not exist, scores out of range, expectations of nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from care.pathway import Pathway
from pathways.lint.finding import Problem
from pathways.source import close
from pathways.vignette import Expected, Step, Vignette, VignetteContent


def vignettes(content: VignetteContent, known: Mapping[str, Pathway]) -> Iterator[Problem]:
    """Every problem of one file, against the pathways there are."""
    if content.pathway is not None and content.pathway not in known:
        yield "pathway", "unknown_pathway", f"there is no such pathway{close(content.pathway, known)}"
        return
    about = _about(content, known)
    if not about:
        yield "flag", "unused_flag", "no pathway screens for this red flag: correct it, or add it to a pathway"
        return
    for n, vignette in enumerate(content.vignettes):
        yield from _Checked(f"vignettes[{n}]", vignette, known, about).problems()


def _about(content: VignetteContent, known: Mapping[str, Pathway]) -> tuple[Pathway, ...]:
    if content.pathway is not None:
        return (known[content.pathway],)
    return tuple(p for p in known.values() if p.red_flag(content.flag or ""))


class _Checked:
    """One vignette, against the pathways on which it may take place."""

    def __init__(
        self, where: str, vignette: Vignette, known: Mapping[str, Pathway], about: tuple[Pathway, ...]
    ) -> None:
        self._where = where
        self._vignette = vignette
        self._known = known
        chosen = known.get(vignette.choose or vignette.expect.pathway or "")
        self._on = (chosen,) if chosen is not None else about
        self._flags = {flag.id: flag for pathway in known.values() for flag in pathway.red_flags}
        self._signs = {s.id for f in self._flags.values() for s in f.signs} | {
            s.id for p in self._on for s in (*(s for m in p.modalities for s in m.signs), *p.triage.ask)
        }

    def problems(self) -> Iterator[Problem]:
        vignette, where = self._vignette, self._where
        for name, ids in (("choose", (vignette.choose,)), ("expect.pathway", (vignette.expect.pathway,))):
            yield from self._there(f"{where}.{name}", ids, self._known, "pathway")
        yield from self._there(f"{where}.screen", vignette.screen, self._signs, "sign")
        conditions = {c.condition for p in self._on for c in p.conditions}
        yield from self._there(f"{where}.conditions", vignette.conditions, conditions, "condition of this pathway")
        for n, step in enumerate(vignette.course):
            yield from self._step(step, f"{where}.course[{n}]")
        yield from self._expected(vignette.expect, f"{where}.expect")

    def _step(self, step: Step, where: str) -> Iterator[Problem]:
        for name in ("evaluate", "scores", "surgery", "check", "follow_up"):
            yield from self._scores(getattr(step, name) or {}, f"{where}.{name}")
        for name in ("answers", "screen"):
            yield from self._there(f"{where}.{name}", getattr(step, name) or {}, self._signs, "sign")
        modalities = {m.id for p in self._on for m in p.modalities}
        yield from self._there(f"{where}.modalities", step.modalities, modalities, "treatment of this pathway")
        disciplines = {rule.discipline for p in self._on for rule in p.dosing}
        yield from self._there(f"{where}.doses", step.doses, disciplines, "discipline of this pathway")
        if step.expect is not None:
            yield from self._expected(step.expect, f"{where}.expect")

    def _scores(self, scores: Mapping[str, Any], where: str) -> Iterator[Problem]:
        measures = {m.id: m for p in self._on for m in p.measures}
        yield from self._there(where, scores, measures, "measure of this pathway")
        for id_, value in scores.items():
            if id_ in measures and (what := measures[id_].problem_with(value)):
                yield f"{where}.{id_}", "value_range", what

    def _expected(self, expected: Expected, where: str) -> Iterator[Problem]:
        yield from self._there(f"{where}.flags", expected.flags or {}, self._flags, "red flag")
        for id_, urgency in (expected.flags or {}).items():
            if id_ in self._flags and urgency not in {rule.urgency for rule in self._flags[id_].rules}:
                yield f"{where}.flags.{id_}", "never_expected", f"no rule of {id_} ever says {urgency}"
        yield from self._there(f"{where}.asked", expected.asked or (), self._signs, "sign")
        yield from self._there(f"{where}.candidates", expected.candidates or (), self._known, "pathway")
        levels = {level.code for p in self._on for level in p.triage.levels}
        yield from self._there(f"{where}.priority", (expected.priority,), levels, "triage level")
        rules = {rule.id for p in self._on for rule in p.dosing}
        yield from self._there(f"{where}.plan", expected.plan or {}, rules, "dosing rule of this pathway")
        if expected.gate is not None:
            yield from self._gate(expected, f"{where}.gate")

    def _gate(self, expected: Expected, where: str) -> Iterator[Problem]:
        gate = expected.gate
        phases = [phase for p in self._on for phase in p.phases if gate is not None and phase.n == gate.phase]
        if gate is None or not phases:
            yield f"{where}.phase", "never_expected", "this pathway has no such phase"
            return
        facts = {c.fact for phase in phases for c in phase.gate}
        yield from self._there(f"{where}.missing", gate.missing or (), facts, "criterion of this gate")

    def _there(self, where: str, ids: Iterable[str | None], known: Iterable[str], word: str) -> Iterator[Problem]:
        for id_ in ids:
            if id_ is not None and id_ not in known:
                yield where, "unknown_id", f"there is no {word} {id_!r}{close(id_, known)}"
