"""`continuum pathways migrate`: another version of a pathway for journeys under way, seen first and then done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, NamedTuple

import typer
from temporalio.client import Client

from care.action import Expected
from care.journey import Journey
from care.model import Model
from care.pathway import Pathway
from care.steps.migrating import Preview, preview
from continuum import output
from continuum.commands.common import Dir, Json, Mistake, one_pathway, run, speaker
from continuum.site import Site
from continuum.upgrade.replaying import replay
from gateway.acting import ActionRefused, NotConfirmed, perform
from records import journeys as reading


class Outcome(Model):
    """What the other version means for one journey, and what was done."""

    journey: str
    stage: str
    outcome: str
    """`can` or `cannot` where it was only looked at; `done`, `refused` or `not_confirmed`."""
    preview: Preview
    reason: str | None = None


class _Asked(NamedTuple):
    """One journey, as it stands."""

    journey: str
    stage: str
    state: Journey | None


def migrate(
    from_: Annotated[str, typer.Argument(metavar="ID@OLD", help="The version that the journeys have.")],
    to: Annotated[str, typer.Argument(metavar="ID@NEW", help="The version that they are to have.")],
    journey: Annotated[
        list[str] | None, typer.Option("--journey", help="Only these (default with --dry-run: all that have it).")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would change.")] = False,
    person: Annotated[str | None, typer.Option("--person", help="The clinician whose decision it is.")] = None,
    role: Annotated[str, typer.Option("--role", help="In which role: therapist, clinical_lead, ...")] = "therapist",
    note: Annotated[str | None, typer.Option("--note", help="Why.")] = None,
    folder: Dir = None,
    json_: Json = False,
) -> None:
    """Show what another version of a pathway would change for journeys under way; give it to those that are named.

    Exit code 0: all of them can have it, or have it. 1: some cannot. 2: a mistake.
    """
    old, new = _label(from_), _label(to)
    if old[0] != new[0]:
        raise Mistake(f"{from_} and {to} are two pathways; a journey changes only to another version of its own")
    if old[1] == new[1]:
        raise Mistake(f"{from_} and {to} are the same version")
    content = one_pathway(to, None).for_journey()
    if not dry_run and not (journey and person and note):
        raise Mistake("give --dry-run to look, or --journey, --person and --note to do it, journey by journey")

    async def work(here: Site) -> int:
        if here.must_be_signed and content.status != "signed_off":
            raise Mistake(f"no clinician has signed {content.label}, and here only signed pathways are used")
        actor = await speaker(here, person, role) if person is not None and not dry_run else None
        client = await here.temporal()
        outcomes = []
        async for asked in _states(client, await _ids(here, from_, journey or [])):
            found = _look(asked, content)
            if actor is not None and asked.state is not None and found.outcome == "can":
                expected = Expected(stage=asked.state.stage, seq=asked.state.seq)
                data = {"pathway": content.id, "from_version": old[1], "to_version": new[1], "note": note}
                try:
                    await perform(
                        client,
                        here.database,
                        journey=asked.journey,
                        name="migrate_pathway",
                        data=data,
                        actor=actor,
                        expected=expected,
                    )
                    found = found.model_copy(update={"outcome": "done"})
                except ActionRefused as refused:
                    found = found.model_copy(update={"outcome": "refused", "reason": str(refused)})
                except NotConfirmed as waiting:
                    found = found.model_copy(update={"outcome": "not_confirmed", "reason": str(waiting)})
            outcomes.append(found)
        _say(outcomes, from_, json_)
        return 0 if all(one.outcome in ("can", "done") for one in outcomes) else 1

    run(work, folder)


def _label(written: str) -> tuple[str, int]:
    id_, at, version = written.partition("@")
    if not at or not version.isdecimal():
        raise Mistake(f"{written}: a pathway and its version are wanted, for example low_back_pain@1")
    return id_, int(version)


async def _ids(here: Site, label: str, named: list[str]) -> list[str]:
    """The journeys that are named, else all that have this version. Raises Mistake for one that has not."""
    rows = await reading.journeys(here.database, here.tenant)
    having = [row["id"] for row in rows if row["status"] != "closed" and row["pathway"] == label]
    if strangers := [id_ for id_ in named if id_ not in having]:
        raise Mistake(f"{', '.join(strangers)}: no open journey of that id has {label}")
    return named or sorted(having)


async def _states(client: Client, ids: list[str]) -> AsyncIterator[_Asked]:
    """Each as its own workflow believes it to be."""

    async def each() -> AsyncIterator[str]:
        for id_ in ids:
            yield id_

    async for one in replay(client, each()):
        yield _Asked(one.journey, one.stage, one.state)


def _look(asked: _Asked, content: Pathway) -> Outcome:
    if asked.state is None:
        unreadable = Preview(refused=("this build cannot go through its history; see continuum upgrade --check",))
        return Outcome(journey=asked.journey, stage=asked.stage, outcome="cannot", preview=unreadable)
    found = preview(asked.state, content)
    reason = "; ".join(found.refused) or None
    outcome = "cannot" if found.refused else "can"
    return Outcome(journey=asked.journey, stage=asked.stage, outcome=outcome, preview=found, reason=reason)


def _say(outcomes: list[Outcome], label: str, json_: bool) -> None:
    if json_:
        output.as_json([one.model_dump() for one in outcomes])
        return
    rows = []
    for one in outcomes:
        rows.append((one.journey, one.stage, one.outcome.replace("_", " "), one.reason or "", "", ""))
        rows += [("", "", d.about, d.now or "none", d.then or "none", d.when) for d in one.preview.differences]
    output.table(
        output.count(outcomes, "journey"),
        ("Journey", "Stage", "What", "Now", "Then", "From when"),
        rows,
        empty=f"No open journey has {label}.",
    )
