"""The score that a patient's answers make, as a decision that can be shown and run again."""

from __future__ import annotations

from care.model import Model, Slug
from care.rules import Rule
from care.score import ScoreValue, Scoring
from care.scoring import raised, score


class Questionnaire(Model):
    """The answers to the items of one instrument, and how it was scored then."""

    measure: Slug
    higher_better: bool
    scoring: Scoring
    answers: tuple[float | None, ...]


class Scored(Model):
    """The score, how many items were not answered, and the signs of danger among the answers."""

    value: ScoreValue
    missing: int = 0
    raises: tuple[Slug, ...] = ()


def decide(asked: Questionnaire) -> Scored:
    """Raises ScoringError where the answers make no score."""
    return Scored(
        value=score(asked.measure, asked.scoring, asked.answers, higher_better=asked.higher_better),
        missing=sum(answer is None for answer in asked.answers),
        raises=raised(asked.scoring, asked.answers),
    )


SCORE = Rule("score_items", 1, Questionnaire, decide)
