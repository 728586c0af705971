"""Commands over the directory: what it says, apply another, and the two things that change daily: who is away, and
who is on call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import TypeAdapter, ValidationError

from care.directory import Absence, Change, Directory, Duty, Span, problems
from care.model import PersonId
from continuum import directory_file, output
from continuum.commands.common import Dir, Json, Mistake, printable, read, run
from continuum.directory_file import DirectoryFile, DirectoryFileError, moment
from continuum.settings import settings_here
from continuum.site import Site
from records import directory as stored

S = TypeVar("S", bound=Span)

directory = typer.Typer(help="Clinics, people, queues: who is told what.", no_args_is_help=True)
absence = typer.Typer(help="Who is away, and who stands in for them.", no_args_is_help=True)
on_call = typer.Typer(help="Who is on call, and when.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A directory in YAML; continuum directory export shows the format.")]
By = Annotated[str, typer.Option("--as", help="Who changes it, by directory id.", metavar="PERSON")]
Who = Annotated[str, typer.Argument(help="A person's directory id.", metavar="PERSON")]
From = Annotated[str, typer.Option("--from", help="A day, or a time of the clinic.", metavar="MOMENT")]
Until = Annotated[str, typer.Option("--until", help="A time, or the last day that counts.", metavar="MOMENT")]
EndNow = Annotated[
    str | None, typer.Option("--until", help="The new end: a time, or the last day (default: now).", metavar="MOMENT")
]
Which = Annotated[
    str | None, typer.Option("--from", help="Which one, by its begin (default: the one of now).", metavar="MOMENT")
]
ClinicId = Annotated[str | None, typer.Option("--clinic", help="Only for this clinic (default: for all).")]
OPERATOR = "operator"


@directory.command()
def show(folder: Dir = None, json_: Json = False) -> None:
    """Show who is there, and who is told what."""

    async def work(here: Site) -> int:
        found = await stored.load(here.database, here.tenant)
        output.as_json(directory_file.plain(found)) if json_ else output.directory(found, datetime.now(UTC))
        return 0

    run(work, folder)


@directory.command()
def export(folder: Dir = None, json_: Json = False) -> None:
    """Write the directory as a file that apply takes."""

    async def work(here: Site) -> int:
        found = await stored.load(here.database, here.tenant)
        output.as_json(directory_file.plain(found)) if json_ else print(directory_file.write(found), end="")
        return 0

    run(work, folder)


@directory.command()
def check(file: File, json_: Json = False) -> None:
    """Look for mistakes in a file, without a site. Exit code 1 where there are some."""

    try:
        read_in = DirectoryFile(printable(file), _text(file))
        found = problems(read_in.directory(settings_here().tenant, Directory()))
    except DirectoryFileError as error:
        raise Mistake(str(error)) from None
    if json_:
        output.as_json(found)
    else:
        for problem in found:
            print(f"{problem.level}: {read_in.placed(problem)}")
        if not found:
            print(f"{printable(file)}: no mistake found")
    raise SystemExit(1 if any(p.level == "error" for p in found) else 0)


@directory.command()
def apply(
    file: File,
    folder: Dir = None,
    json_: Json = False,
    by: By = OPERATOR,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
) -> None:
    """Make the directory what a file says. What is not in the file any more is removed."""
    text = _text(file)

    async def work(here: Site) -> int:
        def edit(standing: Directory) -> Directory:
            return directory_file.read(printable(file), text, here.tenant, standing)[0]

        return await _change(here, by, edit, json_, dry_run=dry_run)

    run(work, folder)


# --- who is away


@absence.command("add")
def add_absence(
    person: Who,
    begins: From,
    until: Annotated[
        str | None, typer.Option("--until", help="A time, or the last day (default: until ended).", metavar="MOMENT")
    ] = None,
    delegate: Annotated[str | None, typer.Option(help="Who stands in for them.", metavar="PERSON")] = None,
    folder: Dir = None,
    json_: Json = False,
    by: By = OPERATOR,
) -> None:
    """Somebody will be away. Their messages go to whoever stands in, else to the clinic's lead."""

    async def work(here: Site) -> int:
        new = _entry(Absence, person=person, delegate=delegate, **_span(here, begins, until))
        return await _change(here, by, lambda d: d.model_copy(update={"absences": (*d.absences, new)}), json_)

    run(work, folder)


@absence.command("end")
def end_absence(
    person: Who, which: Which = None, until: EndNow = None, folder: Dir = None, json_: Json = False, by: By = OPERATOR
) -> None:
    """Somebody is back, or will not be away after all."""

    async def work(here: Site) -> int:
        def edit(standing: Directory) -> Directory:
            theirs = [a for a in standing.absences if a.person == person]
            ended = _ended(here, theirs, which, until, f"{person} is not away")
            rest = [a for a in standing.absences if a is not ended[0]]
            return standing.model_copy(update={"absences": (*rest, *ended[1:])})

        return await _change(here, by, edit, json_)

    run(work, folder)


# --- who is on call


@on_call.command("add")
def add_duty(
    person: Who,
    begins: From,
    until: Until,
    clinic: ClinicId = None,
    folder: Dir = None,
    json_: Json = False,
    by: By = OPERATOR,
) -> None:
    """Somebody takes a turn on call: what goes to the queue on_call goes to them."""

    async def work(here: Site) -> int:
        new = _entry(Duty, person=person, clinic=clinic, **_span(here, begins, until))
        return await _change(here, by, lambda d: d.model_copy(update={"on_call": (*d.on_call, new)}), json_)

    run(work, folder)


@on_call.command("end")
def end_duty(
    person: Who,
    which: Which = None,
    until: EndNow = None,
    clinic: ClinicId = None,
    folder: Dir = None,
    json_: Json = False,
    by: By = OPERATOR,
) -> None:
    """A turn on call ends early, or is not taken at all."""

    async def work(here: Site) -> int:
        def edit(standing: Directory) -> Directory:
            theirs = [d for d in standing.on_call if d.person == person and d.clinic == clinic]
            ended = _ended(here, theirs, which, until, f"{person} is not on call")
            rest = [d for d in standing.on_call if d is not ended[0]]
            return standing.model_copy(update={"on_call": (*rest, *ended[1:])})

        return await _change(here, by, edit, json_)

    run(work, folder)


def _span(here: Site, begins: str, until: str | None) -> dict[str, datetime | None]:
    return {
        "begins": _moment(here, begins, "--from"),
        "ends": _moment(here, until, "--until", last_day=True) if until is not None else None,
    }


def _moment(here: Site, written: str, option: str, *, last_day: bool = False) -> datetime:
    try:
        return moment(written, here.timezone, last_day=last_day)
    except ValueError as error:
        raise Mistake(f"{option}: {error}") from None


def _entry(kind: type[S], **fields: Any) -> S:
    try:
        return kind(**fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        words = str(first["msg"]).removeprefix("Value error, ")
        raise Mistake(": ".join([*map(str, first["loc"]), words])) from None


def _ended(here: Site, theirs: list[S], which: str | None, until: str | None, not_so: str) -> list[S]:
    """The span as it was, and as it ends now; only the former where nothing of it is left."""
    now = datetime.now(UTC)
    begins = _moment(here, which, "--from") if which is not None else None
    found = next((s for s in theirs if (s.covers(now) if begins is None else s.begins == begins)), None)
    if found is None:
        others = ", ".join(output.when(s.begins) for s in theirs) or "none"
        raise Mistake(f"{not_so} {'now' if begins is None else 'from then on'}; begins known, for --from: {others}")
    ends = _moment(here, until, "--until", last_day=True) if until is not None else now
    shorter = [found.model_copy(update={"ends": ends})] if ends > found.begins else []
    return [found, *shorter]


# --- changing it


async def _change(
    here: Site, by: str, edit: Callable[[Directory], Directory], json_: bool, *, dry_run: bool = False
) -> int:
    made: list[Directory] = []

    def checked(standing: Directory) -> Directory:
        made.append(edit(standing))
        errors = [p for p in problems(made[0]) if p.level == "error"]
        if errors:
            raise Mistake(f"{errors[0].where}: {errors[0].what}")
        # The first directory of a site may bring in whoever applies it; the last one may remove them.
        there = sorted({p.id for p in (*standing.people, *made[0].people)})
        if by not in (OPERATOR, *there):
            raise Mistake(f"--as: {by} is not in the directory; there are: {', '.join(there) or 'none'}")
        return made[0]

    try:
        done = await stored.change(here.database, here.tenant, _by(by), checked, dry_run=dry_run)
    except DirectoryFileError as error:
        raise Mistake(str(error)) from None
    warnings = [p for p in problems(made[0]) if p.level == "warning"]
    if json_:
        output.as_json({"dry_run": dry_run, "changes": done, "warnings": warnings})
        return 0
    for change in done:
        print(_words(change))
    for warning in warnings:
        print(f"warning: {warning.where}: {warning.what}")
    print(
        f"{output.count(done, 'change')}{', nothing was written' if dry_run else ''}" if done else "nothing to change"
    )
    return 0


def _by(person: str) -> str:
    try:
        return TypeAdapter(PersonId).validate_python(person)
    except ValidationError:
        raise Mistake("--as is an id: small letters, digits and . _ -") from None


def _words(change: Change) -> str:
    fields = f": {', '.join(change.fields)}" if change.fields else ""
    return f"{change.what} {change.part} {change.id}{fields}"


def _text(file: Path) -> str:
    try:
        return read(file).decode("utf-8")
    except UnicodeDecodeError:
        raise Mistake(f"{printable(file)}: this is not text in UTF-8") from None
