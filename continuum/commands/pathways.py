"""`continuum pathways`: clinical content, shown, checked and tried."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from continuum import output
from continuum.commands import content, exchange, migrating
from continuum.commands.common import Json, Mistake
from continuum.vignettes import playing
from pathways import vignette
from pathways.source import PathwayError

pathways = typer.Typer(
    help="Clinical content: show it, check it, and play its vignettes.", no_args_is_help=True, add_completion=False
)
pathways.command("list")(content.list_)
pathways.command()(content.show)
pathways.command()(content.lint)
pathways.command()(content.digest)
pathways.command()(exchange.diagram)
pathways.command()(exchange.export)
pathways.command("import")(exchange.import_)
pathways.command()(migrating.migrate)


@pathways.command("test")
def play(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders of vignettes (default: all of our own).")
    ] = None,
    json_: Json = False,
    at_once: Annotated[int, typer.Option(min=1, help="So many vignettes at once.")] = playing.AT_ONCE,
) -> int:
    """Play vignettes through the real journey, with its clock moved, on a stack of their own.

    Exit code 0: all came as expected. 1: some differ. 2: a file is wrong.
    """
    try:
        found = [entry for file in files for entry in vignette.files_of(file)] if files else vignette.files()
        what = playing.read_all([vignette.read_vignettes(path, name=name) for name, path in found])
    except PathwayError as error:
        return _wrong(error)
    if not what:
        raise Mistake("there are no vignettes yet: write some under pathways/vignettes, or name a file")
    outcomes = asyncio.run(_play(what, json_=json_, at_once=at_once))
    if json_:
        output.as_json([outcome.as_dict() for outcome in outcomes])
    return 1 if any(outcome.differences for outcome in outcomes) else 0


def _wrong(error: PathwayError) -> int:
    """Every mistake of a file on a line of its own; exit code 2."""
    for one in error.all:
        print(f"continuum: {one}", file=sys.stderr)
    return 2


async def _play(what: list[playing.Script], *, json_: bool, at_once: int) -> list[playing.Outcome]:
    def progress(step: str) -> None:
        if not json_:
            print(f"  {step}", file=sys.stderr, flush=True)

    def done(outcome: playing.Outcome) -> None:
        if not json_:
            mark = "[bold red]differs[/]" if outcome.differences else "as expected"
            script = outcome.script
            name = f"{script.file.name}: {script.vignette.id}"
            output.console.print(f"  {name:<60} {mark}  [dim]{outcome.seconds:.1f} s[/]", highlight=False)

    async with playing.stage(progress) as theatre:
        outcomes = await theatre.play_all(what, at_once=at_once, done=done)
    if not json_:
        _summary(outcomes)
    return outcomes


def _summary(outcomes: list[playing.Outcome]) -> None:
    differing = [outcome for outcome in outcomes if outcome.differences]
    print()
    for outcome in differing:
        for line in outcome.lines():
            print(line)
    said = output.count(outcomes, "vignette")
    print(f"{said}, all as expected." if not differing else f"{said}, {len(differing)} not as expected.")
