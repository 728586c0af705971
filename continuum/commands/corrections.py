"""Commands that put right what no single action of a running journey can: reopen a closed one, merge two patients."""

from __future__ import annotations

from typing import Annotated, cast, get_args

import typer

from care.action import Answer
from care.actor import Role
from continuum import output
from continuum.commands.common import Dir, Json, Mistake, run, say, speaker
from continuum.site import Site
from gateway.acting import ActionRefused, NotConfirmed
from gateway.merging import merge, merge_of_journeys
from gateway.reopening import Reason
from gateway.reopening import reopen as reopen_journey

Note = Annotated[str, typer.Option(help="Why, in your own words; it stays in the record.")]
As = Annotated[str, typer.Option("--as", help="Who does it, by directory id.", metavar="PERSON")]
InRole = Annotated[str, typer.Option(help=f"In which role: {', '.join(get_args(Role))}.")]


def reopen(
    journey: Annotated[str, typer.Argument(help="The closed journey's id.", metavar="ID")],
    reason: Annotated[str, typer.Option(help=f"One of: {', '.join(get_args(Reason))}.")],
    note: Note,
    person: As,
    folder: Dir = None,
    json_: Json = False,
    role: InRole = "coordinator",
    action_id: Annotated[str | None, typer.Option(help="Repeat an earlier reopening under its id.")] = None,
) -> None:
    """Reopen a journey that was closed by mistake. It goes on where it stood; nothing is reset."""

    async def work(here: Site) -> int:
        if reason not in get_args(Reason):
            raise Mistake(f"--reason is one of: {', '.join(get_args(Reason))}")
        actor = await speaker(here, person, role, "--as")
        try:
            answer: Answer = await reopen_journey(
                await here.temporal(),
                here.database,
                journey=journey,
                reason=cast(Reason, reason),
                note=note,
                actor=actor,
                action_id=action_id,
            )
        except ActionRefused as refused:
            return _refused(refused, json_)
        except NotConfirmed as waiting:
            outcome = {"outcome": "not_confirmed", "action_id": waiting.action_id, "reason": str(waiting)}
            say(json_, outcome, str(waiting))
            return 1
        done = f"done: {answer.text} (row {answer.seq}, {answer.stage.label})"
        say(json_, {"outcome": "done", **answer.model_dump(mode="json")}, done)
        return 0

    run(work, folder)


def merge_patient(
    note: Note,
    person: As,
    patients: Annotated[list[str] | None, typer.Argument(help="Two patients' ids.", metavar="FROM INTO")] = None,
    folder: Dir = None,
    json_: Json = False,
    role: InRole = "coordinator",
    journey: Annotated[str | None, typer.Option(help="Instead of FROM: a journey of that patient.")] = None,
    into_journey: Annotated[str | None, typer.Option(help="Instead of INTO: a journey of that patient.")] = None,
) -> None:
    """Merge one patient's record into another's: both turned out to be one person."""

    async def work(here: Site) -> int:
        actor = await speaker(here, person, role, "--as")
        try:
            if patients and len(patients) == 2 and journey is None and into_journey is None:
                merged = await merge(here.database, from_=patients[0], into=patients[1], note=note, actor=actor)
            elif not patients and journey is not None and into_journey is not None:
                merged = await merge_of_journeys(
                    here.database, journey=journey, into=into_journey, note=note, actor=actor
                )
            else:
                raise Mistake("give two patients' ids, or --journey and --into-journey")
        except ActionRefused as refused:
            return _refused(refused, json_)
        moved = output.count(merged.moved, "journey")
        words = f"{merged.outcome.replace('_', ' ')}: {moved} moved to patient {merged.into}"
        say(json_, merged.model_dump(mode="json"), words)
        return 0

    run(work, folder)


def _refused(refused: ActionRefused, json_: bool) -> int:
    if refused.kind in ("NoSuchJourney", "NoSuchPatient", "BadData"):
        raise Mistake(str(refused))
    say(json_, {"outcome": "refused", "kind": refused.kind, "reason": str(refused)}, f"refused: {refused}")
    return 1
