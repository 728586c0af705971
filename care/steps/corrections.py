"""Nothing is unsaid by deleting: what was entered in error is marked, and what was closed by mistake is reopened."""

from __future__ import annotations

from care import action as act
from care.draft import Draft, Refused
from care.steps import refuse


def enter_in_error(d: Draft, a: act.EnterInError) -> None:
    """Mark it as wrong; it no longer counts. Nothing is deleted."""
    if a.what == "score":
        _score(d, a.id)
    else:
        raise Refused("NotYet", "only a score can be entered in error")


def _score(d: Draft, score_id: str | None) -> None:
    score = next((s for s in d.journey.scores if s.id == score_id), None)
    if score is None:
        raise Refused("NoSuchScore", "no score of that id among those that still count")
    score.in_error = True
    d.save_score(score)
    d.write("entered_in_error", f"A score of {score.measure} was entered in error", score=score.id)


def reopen_care(d: Draft, a: act.ReopenCare) -> None:
    """The discharge was a mistake: care goes on where it stood."""
    refuse("NotYet", "reopening is not built yet")


def note_merge(d: Draft, a: act.NoteMerge) -> None:
    """The register merged this patient's record with another."""
    refuse("NotYet", "merging is not built yet")


def review_duplicate(d: Draft, a: act.ReviewDuplicate) -> None:
    """A person looked at two journeys of one patient."""
    refuse("NotYet", "merging is not built yet")
