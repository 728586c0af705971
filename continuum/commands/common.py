"""What all commands share: their options, how they reach a site, and how they end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, get_args

import typer
from pydantic import ValidationError

from care.actor import Actor, Role
from care.pathway import Pathway
from continuum import output
from continuum.embedded.folder import StackError
from continuum.site import Site, site
from pathways import loader
from pathways.source import PathwayError
from records import directory as stored
from records.database import DatabaseAway, DatabaseRefused

T = TypeVar("T")

Dir = Annotated[
    Path | None,
    typer.Option("--dir", help="The running stack's folder (default: $CONTINUUM_DIR, else .continuum here)."),
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
Folder = Annotated[
    Path | None, typer.Option("--dir", help="A folder of pathways (default: our own).", metavar="FOLDER")
]
PathwayId = Annotated[str, typer.Argument(metavar="ID", help="A pathway; ID@VERSION for an older one.")]


OUTSIDE_THE_DIRECTORY = {"patient", "referrer", "system"}


class Mistake(Exception):  # noqa: N818
    """The caller's mistake: one line, exit code 2."""


def no_journey(journey: str) -> Mistake:
    """There is none of that id."""
    return Mistake(f"there is no journey {journey!r}; continuum journeys lists them")


def say(json_: bool, value: dict[str, Any], words: str) -> None:
    """Say what came of it, to a program or to a person."""
    if json_:
        output.as_json(value)
    else:
        print(words)


def actor_of(person: str, role: str, tenant: str) -> Actor:
    """Who acts. Raises Mistake naming the option at fault."""
    if role not in get_args(Role):
        raise Mistake(f"--role is one of: {', '.join(get_args(Role))}")
    try:
        return Actor(person=person, role=cast(Role, role), tenant=tenant)
    except ValidationError:
        raise Mistake("--person is an id of the directory: small letters, digits and . _ -") from None


async def speaker(here: Site, person: str, role: str, option: str = "--person") -> Actor:
    """Who acts, and is in the directory: the record names them for ever. Raises Mistake.

    Patients, referrers and the system itself are in no directory.
    """
    actor = actor_of(person, role, here.tenant)
    if role not in OUTSIDE_THE_DIRECTORY:
        there = sorted(p.id for p in (await stored.load(here.database, here.tenant)).people)
        if person not in there:
            raise Mistake(f"{option}: {person} is not in the directory; there are: {', '.join(there) or 'none'}")
    return actor


def one_pathway(asked: str, folder: Path | None) -> Pathway:
    """A pathway by its id, or by `ID@VERSION`. Raises Mistake."""
    id, at, version = asked.partition("@")  # noqa: A001 - the field's own word
    if at and not version.isdecimal():
        raise Mistake(f"{asked}: after the @ stands the version, a whole number")
    try:
        return loader.load(id, int(version) if at else None, directory=folder)
    except PathwayError as error:
        raise Mistake(str(error)) from None


def read(file: Path) -> bytes:
    """What is in a file. Raises Mistake when it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise Mistake(f"{printable(file)}: cannot be read ({error.strerror})") from None


def write(file: Path, content: bytes) -> None:
    """Write a file. Raises Mistake when it cannot be written."""
    try:
        file.write_bytes(content)
    except OSError as error:
        raise Mistake(f"{printable(file)}: cannot be written ({error.strerror})") from None


def printable(file: Path) -> str:
    """A name on one line, also where it is not text."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in str(file))


def run(work: Callable[[Site], Awaitable[int]], folder: Path | None) -> None:
    """Do the work at the site of this folder, or of the environment, and leave with its exit code."""

    async def main() -> int:
        async with site(folder) as here:
            output.use_zone(here.timezone)
            return await work(here)

    raise SystemExit(finish(main()))


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; a mistake, or a service that is away, ends the command with one line and exit code 2."""
    try:
        return asyncio.run(work)
    except (Mistake, StackError) as mistake:
        raise SystemExit(mistaken(str(mistake))) from None
    except DatabaseAway as away:
        raise SystemExit(mistaken(f"{away}; try again in a moment")) from None
    except DatabaseRefused as refused:
        raise SystemExit(mistaken(f"{refused}; nothing was changed")) from None


def mistaken(line: str) -> int:
    """Print the one line of a mistake, and give its exit code."""
    print(f"continuum: {' '.join(line.split())}", file=sys.stderr)
    return 2
