"""Answers to the items of questionnaires: scored by the engine, each as a decision that can be shown and run again."""

from __future__ import annotations

from dataclasses import dataclass

from care import action as act
from care.draft import Draft, Refused
from care.pathway import Pathway
from care.rules import Decided
from care.rules.scoring import SCORE, Questionnaire
from care.score import Measure, ScoreValue
from care.scoring import ScoringError, raised, scoring_of
from care.steps import require

Answered = act.RecordScores | act.RecordVisit | act.Evaluate | act.AnswerCheck | act.AnswerFollowUp
"""The actions that carry answers to items."""


@dataclass(frozen=True)
class Taken:
    """What an action says of a patient: scores entered and scores made of items, and signs of danger among them."""

    scores: dict[str, ScoreValue]
    signs: dict[str, bool]
    decided: dict[str, Decided]

    @property
    def named(self) -> str:
        """The measures, for the journal."""
        return ", ".join(sorted(self.scores))

    def explain(self, d: Draft) -> None:
        """A row for each score made of items: why it is what it is."""
        for measure, decided in self.decided.items():
            d.write("scored", f"Scored from its items: {measure}", decided=decided, measure=measure)


def taken(d: Draft, a: Answered) -> Taken:
    """The scores of an action, those made of its items among them. Raises Refused where answers make no score."""
    scores, decided = dict(a.scores), {}
    if a.items:
        require(d.journey.pathway is not None, "NoPathway", "choose the pathway first: it says what is measured")
    for measure_id, answers in a.items.items():
        require(measure_id not in scores, "SaidTwice", f"{measure_id}: give its score or its items, not both")
        measure = _measure(d.journey.the_pathway, measure_id)
        try:
            asked = Questionnaire(
                measure=measure.id,
                higher_better=measure.direction == "higher_better",
                scoring=scoring_of(measure),
                answers=answers,
            )
            scored, decided[measure_id] = d.decide(SCORE, asked)
        except ScoringError as error:
            raise Refused(error.kind, f"{error}{_danger(measure, answers)}") from None
        scores[measure_id] = scored.value
    return Taken(scores=scores, signs=signs(d.journey.pathway, a), decided=decided)


def signs(pathway: Pathway | None, action: act.Action) -> dict[str, bool]:
    """The signs of danger among the answers to items. An answer that is none says nothing: it takes no sign back."""
    found: dict[str, bool] = {}
    if pathway is None:
        return found
    for measure_id, answers in getattr(action, "items", {}).items():
        measure = pathway.measure(measure_id)
        if measure is not None and measure.scoring is not None:
            found |= dict.fromkeys(raised(measure.scoring, answers), True)
    return found


def _danger(measure: Measure, answers: tuple[float | None, ...]) -> str:
    """Answers that make no score may still be a sign of danger, which has to be said another way."""
    found = raised(measure.scoring, answers) if measure.scoring is not None else ()
    return f". They are a sign of danger all the same: say {', '.join(found)} with `screen`, now" if found else ""


def _measure(pathway: Pathway, measure_id: str) -> Measure:
    measure = pathway.measure(measure_id)
    if measure is None:
        known = ", ".join(sorted(m.id for m in pathway.measures if m.scoring is not None and not m.licence.score_only))
        raise Refused("UnknownMeasure", f"{pathway.label} takes the items of: {known or 'no measure'}")
    return measure
