"""What a draft does to plans, visits and scores."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from care.draft.record import Refused
from care.draft.telling import Telling
from care.journey import RecordedVisit
from care.model import copy_of
from care.plan import PlanOfCare
from care.recorded import number
from care.score import Score, ScoreValue
from care.visit import Visit

SCORES_KEPT = 3
BASELINES_KEPT = 2
"""The first scores of a measure that are kept: the baseline, and what takes its place should it be wrong."""
VISITS_KEPT = 16


class Findings(Telling):
    """Plans, visits and scores of the journey being changed."""

    def save_plan(self, plan: PlanOfCare) -> None:
        """Write a plan as it is now."""
        if self.journey.plan(plan.id) is None:
            self.journey.plans.append(plan)
        self._plans[plan.id] = plan

    def save_visit(self, visit: Visit) -> None:
        """Write a visit as it is now; one that is over leaves the journey and stays in PostgreSQL."""
        self.journey.visits = [v for v in self.journey.visits if v.id != visit.id]
        if visit.status == "booked":
            self.journey.visits.append(visit)
        else:
            self.stop_about(visit.id, f"the visit is {visit.status.replace('_', ' ')}")
        self._visits[visit.id] = visit

    def remember_record(self, visit: Visit, scores: list[str]) -> None:
        """Keep what was recorded of a visit for as long as it may turn out to be wrong."""
        kept = [r for r in self.journey.recorded if r.visit.id != visit.id]
        numbers = [number(score) for score in scores]
        record = RecordedVisit(visit=copy_of(visit), recorded_at=self.now, scores=numbers)
        self.journey.recorded = [*kept, record][-VISITS_KEPT:]
        self._recorded = record

    def forget_record(self, visit: str) -> None:
        """What was recorded of a visit no longer holds."""
        self.journey.recorded = [r for r in self.journey.recorded if r.visit.id != visit]

    def add_scores(
        self, values: dict[str, ScoreValue], *, plan: str | None = None, at: datetime | None = None
    ) -> list[str]:
        """Record results of measures, taken now or at another time. Returns their ids.

        Raises Refused for a measure the pathway lacks or a value out of its range.
        """
        pathway = self.journey.the_pathway
        added = []
        for measure_id, value in values.items():
            measure = pathway.measure(measure_id)
            if measure is None:
                known = ", ".join(sorted(m.id for m in pathway.measures))
                raise Refused("UnknownMeasure", f"a measure that {pathway.label} does not use; it uses: {known}")
            if (problem := measure.problem_with(value)) is not None:
                raise Refused("BadScore", problem)
            score = Score(id=self.mint("score"), measure=measure_id, value=value, at=at or self.now, plan=plan)
            self.journey.scores.append(score)
            self._scores[score.id] = score
            same = [s for s in self.journey.scores if s.measure == measure_id]
            began = self.journey.care_began
            since = [s for s in same if began is not None and s.at >= began]
            baselines = {s.id for s in (*same[:BASELINES_KEPT], *since[:BASELINES_KEPT])}
            forgotten = {s.id for s in same[:-SCORES_KEPT]} - baselines
            self.journey.scores = [s for s in self.journey.scores if s.id not in forgotten]
            added.append(score.id)
        return added

    def enter_scores_in_error(self, ids: Iterable[str]) -> list[Score]:
        """They stay in the record, marked, and leave the journey. Returns those that the journey still looked at."""
        wrong = set(ids)
        known = [s for s in self.journey.scores if s.id in wrong]
        for score in known:
            score.in_error = True
            self._scores[score.id] = score
        self.journey.scores = [s for s in self.journey.scores if s.id not in wrong]
        return known
