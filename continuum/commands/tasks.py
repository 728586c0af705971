"""Commands over tasks: what is owed, take it, give it, be on it; and all that one owner owes, given to another."""

from __future__ import annotations

import asyncio
import secrets
import sys
from datetime import UTC, datetime
from typing import Annotated, Any, get_args

import typer
from temporalio.client import Client

from care.actor import Actor, Role
from care.directory import Directory, stands_in_for
from care.task import TASKS
from continuum import output
from continuum.commands.acting import do
from continuum.commands.common import Dir, Json, Mistake, actor_of, run, say, speaker
from continuum.site import Site
from gateway.acting import ActionRefused, NotConfirmed, perform
from gateway.people import SPEAKER_OWNS
from records import directory as stored
from records import journeys as reading

AT_ONCE = 8
"""So many tasks of a bulk are under way at a time: a journey takes one after the other, a worker about twenty."""

TaskId = Annotated[str, typer.Argument(help="The task's id; continuum tasks lists them.", metavar="TASK")]
By = Annotated[str, typer.Option("--person", help="Who acts, by directory id.")]
In = Annotated[str, typer.Option("--role", help=f"In which role: {', '.join(get_args(Role))}.")]
Again = Annotated[str | None, typer.Option("--action-id", help="Repeat an earlier action under its id.")]
COORDINATOR = "p-coordinator"


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
) -> None:
    """List what is owed, soonest due first."""

    async def work(here: Site) -> int:
        named = await _mine(here, mine) if mine is not None else {}
        rows = await reading.tasks(here.database, here.tenant, owner=owner, **named)
        if owner is not None and not rows:
            found = await stored.load(here.database, here.tenant)
            _exists(found, _owner(found, owner), "--owner")
        output.as_json(rows) if json_ else output.tasks(rows)
        return 0

    run(work, folder)


async def _mine(here: Site, person: str) -> dict[str, Any]:
    directory, now = await stored.load(here.database, here.tenant), datetime.now(UTC)
    if directory.person(person) is None:
        there = ", ".join(p.id for p in directory.people) or "nobody"
        raise Mistake(f"{person} is not in the directory; there are: {there}")
    return {
        "people": [person, *stands_in_for(directory, person, now)],
        "queues": directory.queues_of(person, now),
    }


def claim(
    task: TaskId,
    folder: Dir = None,
    json_: Json = False,
    by: By = COORDINATOR,
    role: In = "coordinator",
    action_id: Again = None,
) -> None:
    """Take a task from its queue."""
    _do("claim_task", task, {}, folder, json_, by, role, action_id)


def assign(
    task: TaskId,
    to: Annotated[str, typer.Argument(help="A person or a queue of the directory.", metavar="TO")],
    folder: Dir = None,
    json_: Json = False,
    by: By = COORDINATOR,
    role: In = "coordinator",
    action_id: Again = None,
) -> None:
    """Give a task to a person, or back to a queue."""
    _do("assign_task", task, {"to": to}, folder, json_, by, role, action_id)


def acknowledge(
    task: TaskId,
    rung: Annotated[int | None, typer.Option(help="Only if so many steps of its ladder have been taken.")] = None,
    folder: Dir = None,
    json_: Json = False,
    by: By = COORDINATOR,
    role: In = "coordinator",
    action_id: Again = None,
) -> None:
    """Be on it: its ladder is silent for a while."""
    _do("acknowledge_task", task, {} if rung is None else {"rung": rung}, folder, json_, by, role, action_id)


def _do(
    action: str, task: str, fields: dict[str, Any], folder: Any, json_: bool, by: str, role: str, action_id: str | None
) -> None:
    async def work(here: Site) -> int:
        given = {"to": _owner(await stored.load(here.database, here.tenant), fields["to"])} if "to" in fields else {}
        # Of whom a task becomes, the gateway asks itself whether they are there.
        actor = actor_of(by, role, here.tenant) if action in SPEAKER_OWNS else await speaker(here, by, role)
        journey = journey_of(task)
        return await do(here, journey, action, {"task": task, **fields, **given}, actor, json_, action_id=action_id)

    run(work, folder)


def journey_of(task: str) -> str:
    """The journey whose task it is: an id begins with it."""
    return task.partition(":")[0]


def _owner(directory: Directory, written: str) -> str:
    """An owner as actions want it, from one as people write it: `triage`, `p-anna`, or in full."""
    if ":" in written:
        return written
    return f"{'queue' if written in {q.id for q in directory.queues} else 'person'}:{written}"


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
    by: By = COORDINATOR,
    role: In = "coordinator",
) -> None:
    """Give all that one person or queue owes to another, over all journeys."""

    async def work(here: Site) -> int:
        if kind is not None and kind not in TASKS:
            raise Mistake(f"--kind is one of: {', '.join(TASKS)}")
        directory, actor = await stored.load(here.database, here.tenant), await speaker(here, by, role)
        old, new = _owner(directory, giver), _owner(directory, to)
        _exists(directory, new, "--to")
        rows = await reading.tasks(here.database, here.tenant, owner=old, kind=kind)
        if not rows:  # whoever is not there any more may still owe something
            _exists(directory, old, "--from")
        if dry_run:
            output.as_json({"dry_run": True, "tasks": rows}) if json_ else output.tasks(rows)
            return 0
        bulk = Bulk(here, await here.temporal(), actor, new, batch or f"bulk-{secrets.token_hex(6)}")
        return _report(await bulk.give([row["id"] for row in rows]), bulk.batch, json_)

    run(work, folder)


def _exists(directory: Directory, owner: str, option: str) -> None:
    kind, _, id_ = owner.partition(":")
    there = sorted({q.id for q in directory.queues} if kind == "queue" else {p.id for p in directory.people})
    if id_ not in there:
        raise Mistake(f"{option}: {id_} is not in the directory; there are: {', '.join(there) or 'none'}")


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
