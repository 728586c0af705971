"""Commands over tasks: what is owed, take it, give it, be on it; and all that one owner owes, given to another."""

from __future__ import annotations

import asyncio
import secrets
import sys
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args

import typer
from temporalio.client import Client

from care.actor import Actor, Role
from care.task import TASKS
from continuum import output
from continuum.commands.acting import Again, By, InRole, Person, do
from continuum.commands.common import Dir, Json, Mistake, run, say, speaker
from continuum.commands.desk import COORDINATOR, Api, Desk, TokenFile, exists, in_full, run_at
from continuum.site import Site
from gateway.acting import ActionRefused, NotConfirmed, perform
from records import directory as stored
from records import journeys as reading

AT_ONCE = 8
"""So many tasks of a bulk are under way at a time: a journey takes one after the other, a worker about twenty."""

TaskId = Annotated[str, typer.Argument(help="The task's id; continuum tasks lists them.", metavar="TASK")]
Giver = Annotated[str, typer.Option("--person", help="Who acts, by directory id.")]
GiverRole = Annotated[str, typer.Option("--role", help=f"In which role: {', '.join(get_args(Role))}.")]


def tasks(
    folder: Dir = None,
    json_: Json = False,
    owner: Annotated[str | None, typer.Option(help="Only this queue or person.")] = None,
    mine: Annotated[
        str | None,
        typer.Option(
            help="What is this person's: theirs, of whom they stand in for, of their queues.", metavar="PERSON"
        ),
    ] = None,
    api: Api = None,
    token_file: TokenFile = None,
) -> None:
    """List what is owed, soonest due first."""

    async def work(here: Desk) -> int:
        rows = await here.tasks(owner, mine)
        output.as_json(rows) if json_ else output.tasks(rows)
        return 0

    run_at(work, folder, api, token_file)


def claim(
    task: TaskId,
    folder: Dir = None,
    json_: Json = False,
    by: Person = None,
    role: InRole = None,
    action_id: Again = None,
    api: Api = None,
    token_file: TokenFile = None,
) -> None:
    """Take a task from its queue."""
    at = Place(folder, api, token_file)
    _do("claim_task", task, {}, at, json_, By(by, role, action_id))


def assign(
    task: TaskId,
    to: Annotated[str, typer.Argument(help="A person or a queue of the directory.", metavar="TO")],
    folder: Dir = None,
    json_: Json = False,
    by: Person = None,
    role: InRole = None,
    action_id: Again = None,
    api: Api = None,
    token_file: TokenFile = None,
) -> None:
    """Give a task to a person, or back to a queue."""
    at = Place(folder, api, token_file)
    _do("assign_task", task, {"to": to}, at, json_, By(by, role, action_id))


def acknowledge(
    task: TaskId,
    rung: Annotated[int | None, typer.Option(help="Only if so many steps of its ladder have been taken.")] = None,
    folder: Dir = None,
    json_: Json = False,
    by: Person = None,
    role: InRole = None,
    action_id: Again = None,
    api: Api = None,
    token_file: TokenFile = None,
) -> None:
    """Be on it: its ladder is silent for a while."""
    at = Place(folder, api, token_file)
    _do("acknowledge_task", task, {} if rung is None else {"rung": rung}, at, json_, By(by, role, action_id))


class Place(NamedTuple):
    """Where the command is to work, as its options say."""

    folder: Path | None
    api: str | None
    token_file: Path | None


def _do(action: str, task: str, fields: dict[str, Any], at: Place, json_: bool, by: By) -> None:
    async def work(here: Desk) -> int:
        given = {"to": await here.owner(fields["to"])} if "to" in fields else {}
        return await do(here, journey_of(task), action, {"task": task, **fields, **given}, by, json_)

    run_at(work, *at)


def journey_of(task: str) -> str:
    """The journey whose task it is: an id begins with it."""
    return task.partition(":")[0]


def reassign(
    giver: Annotated[str, typer.Option("--from", help="A person or a queue that owes them now.", metavar="OWNER")],
    to: Annotated[str, typer.Option("--to", help="Who is to have them.", metavar="OWNER")],
    kind: Annotated[str | None, typer.Option(help="Only tasks of this kind.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which they are.")] = False,
    batch: Annotated[
        str | None, typer.Option(help="Go on with an earlier run under its id; nothing is done twice.")
    ] = None,
    folder: Dir = None,
    json_: Json = False,
    by: Giver = COORDINATOR,
    role: GiverRole = "coordinator",
) -> None:
    """Give all that one person or queue owes to another, over all journeys."""

    async def work(here: Site) -> int:
        if kind is not None and kind not in TASKS:
            raise Mistake(f"--kind is one of: {', '.join(TASKS)}")
        directory, actor = await stored.load(here.database, here.tenant), await speaker(here, by, role)
        old, new = in_full(directory, giver), in_full(directory, to)
        exists(directory, new, "--to")
        rows = await reading.tasks(here.database, here.tenant, owner=old, kind=kind)
        if not rows:  # whoever is not there any more may still owe something
            exists(directory, old, "--from")
        if dry_run:
            output.as_json({"dry_run": True, "tasks": rows}) if json_ else output.tasks(rows)
            return 0
        bulk = Bulk(here, await here.temporal(), actor, new, batch or f"bulk-{secrets.token_hex(6)}")
        return _report(await bulk.give([row["id"] for row in rows]), bulk.batch, json_)

    run(work, folder)


class Bulk:
    """Many tasks for one new owner. The id of each action comes from the batch: a second run finds it done."""

    def __init__(self, here: Site, client: Client, actor: Actor, to: str, batch: str) -> None:
        self.batch = batch
        self._here = here
        self._client = client
        self._actor = actor
        self._to = to
        self._places = asyncio.Semaphore(AT_ONCE)
        self._ended = 0

    async def give(self, tasks: list[str]) -> list[dict[str, str]]:
        """What came of each, in their order. One that is refused holds up no other."""
        print(f"  batch {self.batch}", file=sys.stderr, flush=True)
        return list(await asyncio.gather(*(self._give(task, len(tasks)) for task in tasks)))

    async def _give(self, task: str, of: int) -> dict[str, str]:
        async with self._places:
            came = await self._came_of(task)
        self._ended += 1
        print(f"  {self._ended} of {of}", file=sys.stderr, flush=True)
        return {"task": task, **came}

    async def _came_of(self, task: str) -> dict[str, str]:
        try:
            await perform(
                self._client,
                self._here.database,
                journey=journey_of(task),
                name="assign_task",
                data={"task": task, "to": self._to},
                actor=self._actor,
                action_id=f"{self.batch}:{task}",
            )
        except ActionRefused as refused:
            return {"outcome": "refused", "kind": refused.kind, "reason": str(refused)}
        except NotConfirmed:
            return {"outcome": "not_confirmed", "reason": "accepted, not yet confirmed"}
        return {"outcome": "done"}


def _report(came: list[dict[str, str]], batch: str, json_: bool) -> int:
    counts = {name: sum(c["outcome"] == name for c in came) for name in ("done", "refused", "not_confirmed")}
    words = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items() if n or name == "done")
    left = [c for c in came if c["outcome"] != "done"]
    lines = [f"{c['task']}: {c['outcome'].replace('_', ' ')}: {c['reason']}" for c in left]
    again = [f"the rest: the same command with --batch {batch}"] if counts["not_confirmed"] else []
    say(json_, {"batch": batch, **counts, "tasks": came}, "\n".join([*lines, words, *again]))
    return 1 if left else 0
