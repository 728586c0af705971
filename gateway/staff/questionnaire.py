"""What a patient is asked now: pure, from the journal, the plans and the pathway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from care.journey import Stage
from care.pathway import Pathway
from care.score import Measure

Row = dict[str, Any]
Action = Literal["answer_check", "answer_follow_up"]

SAID_BY_PATIENTS = ("prom", "screen")
"""Kinds of measures that a patient can answer alone. Tests and a clinician's scales need somebody else."""
_OPENS: dict[Stage, tuple[Action, str, frozenset[str]]] = {
    Stage.FOLLOW_UP: (
        "answer_follow_up",
        "follow_up_due",
        frozenset({"follow_up_answered", "follow_up_missed", "called"}),
    ),
    Stage.THERAPY: ("answer_check", "check_sent", frozenset({"check_answered"})),
}
"""In each stage: the action that answers, the row of the journal that asks, and those after which nothing is asked."""


@dataclass(frozen=True)
class Question:
    """What is asked, and which action the answer is."""

    action: Action
    measures: tuple[Measure, ...]

    def measure(self, name: str) -> Measure | None:
        """The measure of that id, if it is asked."""
        return next((m for m in self.measures if m.id == name), None)


def question(
    stage: Stage, status: str, journal: Sequence[Row], plans: Sequence[Row], pathway: Pathway | None
) -> Question | None:
    """What is asked of the patient now; None where nothing is, or nothing that a patient can answer alone."""
    if pathway is None or status == "closed" or stage not in _OPENS:
        return None
    action, asks, ends = _OPENS[stage]
    last = next((row["kind"] for row in reversed(journal) if row["kind"] == asks or row["kind"] in ends), None)
    if last != asks:
        return None
    if action == "answer_check" and not any(p["status"] == "active" and p["body"].get("self_care") for p in plans):
        return None
    wanted = pathway.follow_up.measures if action == "answer_follow_up" else pathway.review.measures or pathway.baseline
    found = tuple(_answerable(pathway, wanted))
    return Question(action, found) if found else None


def _answerable(pathway: Pathway, wanted: Sequence[str]) -> list[Measure]:
    """Each once; an instrument without a score of its own stands for its subscales."""
    found: dict[str, Measure] = {}
    for name in wanted:
        measure = pathway.measure(name)
        for part in measure.parts or (name,) if measure is not None else ():
            one = pathway.measure(part)
            if one is not None and one.kind in SAID_BY_PATIENTS:
                found[one.id] = one
    return list(found.values())
