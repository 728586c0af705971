"""`continuum corpus`: how the gateway fares with messages that others wrote."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from continuum import output
from continuum.commands.common import Json, Mistake, finish
from continuum.corpus.counting import FATES, Report


def corpus(
    folder: Annotated[Path, typer.Argument(help="A folder of FHIR and HL7 v2 samples.", metavar="DIR")],
    json_: Json = False,
    each: Annotated[bool, typer.Option("--each", help="Say of every file what it was answered.")] = False,
) -> None:
    """Send every file of a folder through its front door, to a throw-away stack, and count what became of them.

    Exit code 1 where one was lost, did something twice, made the server fail, or is on the list of those that must be
    taken and was not.
    """
    from continuum.corpus import running

    if not folder.is_dir():
        raise Mistake(f"{folder}: a folder of samples is wanted")
    files = running.found(folder)
    if not files:
        raise Mistake(f"{folder}: there is no file in it")
    report = finish(running.play(files, _progress))
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if json_:
        output.as_json({**report.counts(), **({"each": report.each()} if each else {})})
    else:
        _show(report, each=each)
    raise SystemExit(1 if report.bad else 0)


def _progress(what: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r  {what}: {done} of {total}    ", end="", file=sys.stderr, flush=True)
    elif done in (1, total) or done % 500 == 0:
        print(f"  {what}: {done} of {total}", file=sys.stderr, flush=True)


def _show(report: Report, *, each: bool) -> None:
    counts = report.counts()
    output.table(
        output.count(report.files, "file"),
        ("Source", *(fate.capitalize() for fate in FATES)),
        [
            *((name, *(n.get(fate, "") for fate in FATES)) for name, n in counts["by_source"].items()),
            ("all", *(counts[fate] for fate in FATES)),
        ],
        empty="No files.",
    )
    for one in report.each() if each else ():
        print(f"{one['file']}: {one['fate']} ({one['code']})")
    print(f"Of {counts['must_be_taken']} that must be taken, {len(counts['missed'])} were not.")
    for problem in counts["problems"]:
        print(problem)
