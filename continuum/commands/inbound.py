"""What came in by the gateway, and what of it waits for a person."""

from __future__ import annotations

import sys
from typing import Annotated
from uuid import UUID

import typer

from continuum import output
from continuum.commands.common import Dir, Json, Mistake, run, say, speaker
from continuum.site import Site
from records import inbound as stored
from records import journeys

inbound = typer.Typer(help="Messages of other systems, and what of them waits for a person.", no_args_is_help=True)

AskId = Annotated[str, typer.Argument(help="The id of what a message asks.", metavar="ID")]
By = Annotated[str, typer.Option("--as", help="Who decides, by directory id.")]
WAITING = ("quarantined", "dead")
STATUSES = ("waiting", "done", "refused", "quarantined", "dead", "dismissed")


@inbound.command("list")
def list_(
    folder: Dir = None,
    json_: Json = False,
    outcome: Annotated[str | None, typer.Option(help="accepted, asked, noted, duplicate, amendment, ...")] = None,
) -> None:
    """What came in last, newest first, and what became of it."""

    async def work(here: Site) -> int:
        rows = await stored.messages(here.database, here.tenant, outcome=outcome)
        if json_:
            output.as_json(rows)
            return 0
        output.table(
            output.count(rows, "message"),
            ("Received", "Kind", "Sender", "Outcome", "Journey or reason", "Message"),
            (
                (
                    output.when(r["recorded_at"]),
                    r["kind"],
                    r["sender"] or r["source"],
                    r["outcome"],
                    r["journey"] or r["reason"],
                    r["id"],
                )
                for r in rows
            ),
            empty="Nothing has come in.",
        )
        return 0

    run(work, folder)


@inbound.command()
def waiting(
    folder: Dir = None,
    json_: Json = False,
    status: Annotated[list[str] | None, typer.Option(help=f"Any of: {', '.join(STATUSES)}.")] = None,
) -> None:
    """What messages ask that waits for a person: quarantined, or dead letters."""
    if unknown := set(status or ()) - set(STATUSES):
        raise Mistake(f"--status is any of: {', '.join(STATUSES)}; not {', '.join(sorted(unknown))}")

    async def work(here: Site) -> int:
        rows = await stored.asks(here.database, here.tenant, tuple(status or WAITING))
        if json_:
            output.as_json(rows)
            return 0
        output.table(
            output.count(rows, "ask"),
            ("Asked", "What", "Sender", "Journey", "Status", "Why", "Id"),
            (
                (output.when(r["asked_at"]), r["name"], r["sender"], r["journey"], r["status"], r["reason"], r["id"])
                for r in rows
            ),
            empty="Nothing waits for a person.",
        )
        return 0

    run(work, folder)


@inbound.command()
def raw(
    message: Annotated[str, typer.Argument(help="The message's id, as `list` shows it.", metavar="MESSAGE")],
    folder: Dir = None,
) -> None:
    """The message as it came, byte by byte, on standard output. It holds a patient's data."""
    try:
        id_ = UUID(message)
    except ValueError:
        raise Mistake("a message's id is a UUID; continuum inbound list has it") from None

    async def work(here: Site) -> int:
        found = await stored.raw(here.database, here.tenant, id_)
        if found is None:
            raise Mistake("no message of that id came in here")
        sys.stdout.flush()
        sys.stdout.buffer.write(found[0])
        return 0

    run(work, folder)


@inbound.command()
def replay(
    ask: AskId,
    folder: Dir = None,
    json_: Json = False,
    journey: Annotated[str | None, typer.Option(help="The journey that it is about.")] = None,
    person: By = "p-coordinator",
) -> None:
    """Try once more what was quarantined, refused or is dead, perhaps for the journey that you name."""

    async def work(here: Site) -> int:
        by = await speaker(here, person, "coordinator", "--as")
        if journey is not None and await journeys.journey_row(here.database, here.tenant, journey) is None:
            raise Mistake("--journey: there is no journey of that id")
        if not await stored.replay(here.database, here.tenant, ask, by.person, journey):
            raise Mistake("nothing of that id waits to be tried again; continuum inbound waiting lists what does")
        say(json_, {"outcome": "replayed", "id": ask}, f"{ask}: it is tried again now")
        return 0

    run(work, folder)


@inbound.command()
def dismiss(ask: AskId, folder: Dir = None, json_: Json = False, person: By = "p-coordinator") -> None:
    """Say that nothing is to follow from it. It stays on record."""

    async def work(here: Site) -> int:
        by = await speaker(here, person, "coordinator", "--as")
        found = await stored.ask(here.database, ask, here.tenant)
        if found is None or found.status not in (*WAITING, "refused"):
            raise Mistake("nothing of that id waits for a person; continuum inbound waiting lists what does")
        await stored.settle(here.database, ask, "dismissed", by=by.person, reason=found.reason, code=found.code)
        say(json_, {"outcome": "dismissed", "id": ask}, f"{ask}: dismissed")
        return 0

    run(work, folder)
