"""Nothing is unsaid by deleting: what was entered in error is marked as such, by somebody and for a reason."""

from __future__ import annotations

from care import action as act
from care.draft import Draft, Refused
from care.facts import score_facts
from care.journey import Ending
from care.steps import by_staff, endings, require, undoing


def enter_in_error(d: Draft, a: act.EnterInError) -> None:
    """Mark it as wrong; it no longer counts. Nothing is deleted."""
    by_staff(a, "the record is corrected by the clinic's staff")
    match a.what:
        case "score":
            _score(d, a.id)
        case "visit_record":
            undoing.visit_record(d, a.id)
        case "visit":
            undoing.visit(d, a.id)
        case "journey":
            _journey(d, a)


def _score(d: Draft, score_id: str | None) -> None:
    """One that the journey has forgotten still stands in the record, and is marked there."""
    if score_id is None or not _given_out(d, score_id):
        raise Refused("NoSuchScore", "no score of that id on this journey")
    known = d.enter_scores_in_error([score_id])
    of = f" of {known[0].measure}" if known else ""
    d.write("entered_in_error", f"A score{of} was entered in error", scores=score_id)
    if not known:
        return
    undoing.scores_were_wrong(d, known)
    ending = d.journey.ending
    if ending is not None and known[0].at <= ending.at:
        left = [s for s in d.journey.scores if s.at <= ending.at]
        facts = score_facts(d.journey.the_pathway, left, ending.at)
        d.journey.ending = Ending.model_validate({**dict(ending), "facts": facts})
        if ending.signed_by is not None:
            undoing.tell_referrer(d, known[0].plan)


def _given_out(d: Draft, score_id: str) -> bool:
    prefix, _, number = score_id.rpartition(":")
    last = d.journey.minted.get("score", 0)
    return prefix == f"{d.journey.id}:score" and number in {str(n) for n in range(1, last + 1)}


def _journey(d: Draft, a: act.EnterInError) -> None:
    """All of it is on the wrong patient: nobody is written to any more, and the referrer's system is told."""
    require(a.note, "NoteNeeded", "a whole journey entered in error needs a note that says what happened")
    d.write("entered_in_error", "The whole journey was entered in error: it is on the wrong patient")
    endings.cancel_visits(d, "entered_in_error")
    d.stop_messages()
    d.answer_referrer("cancelled", "6.0", reason="entered_in_error")
    d.close("entered_in_error")


def note_merge(d: Draft, a: act.NoteMerge) -> None:
    """The register merged this patient's record with another: two open journeys of one patient are looked at."""
    d.write("merged", "The patient's record was merged with another", other_open=a.other_open or None)
    if a.other_open:
        d.open_task("review_duplicate")


def review_duplicate(d: Draft, a: act.ReviewDuplicate) -> None:
    """A person looked at the two. The other is withdrawn, where it has to be, by an action of its own."""
    by_staff(a, "duplicates are reviewed by the clinic's staff")
    require(d.journey.open_task("review_duplicate"), "NoDuplicate", "no other journey of this patient waits for review")
    d.settle("review_duplicate", outcome=a.decision)
    d.write("duplicate_reviewed", f"Two journeys of one patient reviewed: {a.decision.replace('_', ' ')}")
    endings.complete_if_done(d)
