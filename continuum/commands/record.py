"""Commands that read the record: journeys, what is owed, what was said."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from continuum import output
from continuum.commands.common import Dir, Json, Mistake, printable, run, say, write
from continuum.commands.desk import Api, Desk, TokenFile, run_at
from continuum.site import Site
from pathways import loader
from records import journeys as reading


def journeys(
    folder: Dir = None,
    json_: Json = False,
    stage: Annotated[str | None, typer.Option(help="Only this stage.")] = None,
    status: Annotated[str | None, typer.Option(help="Only open, on_hold or closed.")] = None,
    api: Api = None,
    token_file: TokenFile = None,
) -> None:
    """List journeys, the most urgent first."""

    async def work(here: Desk) -> int:
        rows, waiting = await here.journeys(stage, status)
        if json_:
            output.as_json(rows)
        else:
            output.journeys(rows)
            if waiting:
                output.console.print(f"{waiting} more are stored and begin in a moment.")
        return 0

    run_at(work, folder, api, token_file)


def show(
    journey: Annotated[str, typer.Argument(help="The journey's id.", metavar="ID")],
    folder: Dir = None,
    json_: Json = False,
    why: Annotated[int | None, typer.Option(help="Explain the decision of this journal row.", metavar="SEQ")] = None,
    questions: Annotated[bool, typer.Option(help="List the red-flag questions of its pathway.")] = False,
    pdf: Annotated[Path | None, typer.Option(help="Write its discharge summary to this file.", metavar="FILE")] = None,
    api: Api = None,
    token_file: TokenFile = None,
) -> None:
    """Show one journey: where it stands, its plan with the origin of each value, and its journal."""

    async def work(here: Desk) -> int:
        if why is not None:
            row = await here.why(journey, why)
            output.as_json(row) if json_ else output.why(row, row["same_today"])
            return 0
        record = await here.journey(journey)
        if questions:
            return _questions(record, json_)
        if pdf is not None:
            return await _summary(here, record, pdf, json_)
        if json_:
            output.as_json(record)
        else:
            output.journey(record, here.ui_url)
        return 0

    run_at(work, folder, api, token_file)


def _questions(record: dict[str, Any], json_: bool) -> int:
    if record["pathway"] is None:
        raise Mistake("this journey has no pathway yet; choose one: continuum act ID choose_pathway")
    name, _, version = record["pathway"].partition("@")
    pathway = loader.load(name, int(version))
    if json_:
        output.as_json({sign.id: sign.text for flag in pathway.red_flags for sign in flag.signs})
    else:
        output.questions(pathway)
    return 0


async def _summary(here: Desk, record: dict[str, Any], file: Path, json_: bool) -> int:
    written = [d["id"] for d in record["documents"] if d["kind"] == "discharge_summary"]
    if not written:
        raise Mistake("this journey has no discharge summary yet: it is written when it is signed")
    content = await here.document(record["id"], written[-1])
    write(file, content)
    say(json_, {"document": written[-1], "file": str(file), "bytes": len(content)}, f"{printable(file)}: written")
    return 0


def notices(
    folder: Dir = None,
    json_: Json = False,
    journey: Annotated[str | None, typer.Option(help="Only this journey.")] = None,
) -> None:
    """List what was said to whom, and how it went."""

    async def work(here: Site) -> int:
        rows = await reading.notices(here.database, here.tenant, journey_id=journey)
        if journey is not None and not rows and await reading.journey_row(here.database, here.tenant, journey) is None:
            raise Mistake("there is no journey of that id; continuum journeys lists them")
        output.as_json(rows) if json_ else output.notices(rows)
        return 0

    run(work, folder)


def mail(
    number: Annotated[int | None, typer.Argument(help="Show this message whole.")] = None,
    folder: Dir = None,
    json_: Json = False,
) -> None:
    """Read the mail that the embedded stack's sink received."""
    from continuum.embedded.mail import read_mail

    async def work(here: Site) -> int:
        if here.folder is None:
            raise Mistake("only the embedded stack has a mail sink; name its folder with --dir")
        letters = read_mail(here.folder.mail)
        if number is not None:
            letters = [m for m in letters if m.number == number]
            if not letters:
                raise Mistake(f"there is no message {number}; continuum mail lists them")
        if json_:
            output.as_json([m.model_dump(mode="json") for m in letters])
        elif number is not None:
            m = letters[0]
            print(f"To:      {', '.join(m.to)}\nSubject: {m.subject}\n\n{m.body}")
        else:
            rows = ((m.number, output.when(m.received_at), ", ".join(m.to), m.subject) for m in letters)
            output.table(
                output.count(letters, "message"), ("No.", "Received", "To", "Subject"), rows, empty="No mail yet."
            )
        return 0

    run(work, folder)
