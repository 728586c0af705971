"""`continuum backup` and `continuum restore`: the two stores of a stack, together."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer

from continuum.commands.common import Json, finish, mistaken, say
from continuum.commands.stack import NewDir
from continuum.site import DEFAULT_FOLDER


def backup(
    to: Annotated[Path, typer.Option(help="A new file, or a folder in which to put one.", metavar="FILE|FOLDER")],
    folder: NewDir = None,
    json_: Json = False,
) -> None:
    """Copy the record and Temporal's state of a stack on this machine into one file. The stack may run."""
    from continuum.backup.taking import take

    path, manifest = finish(take(folder or DEFAULT_FOLDER, to, _progress))
    size = path.stat().st_size
    say(
        json_,
        {"file": str(path), "bytes": size, **manifest.model_dump(mode="json")},
        f"{path}: {size / 1e6:.1f} MB, {manifest.counts['journey']} journeys. It holds patients' data: keep it as"
        " safe as the stack.\nThe folder's secrets are not in it: keep a copy of secrets/ apart from it.",
    )


def restore(
    file: Annotated[Path, typer.Argument(help="A backup.", metavar="FILE")],
    folder: Annotated[Path, typer.Option("--dir", help="A new folder; with --only, the stopped stack's.")],
    json_: Json = False,
    only: Annotated[
        str | None, typer.Option(help="Put back one store of a stopped stack: postgres or temporal.")
    ] = None,
    sent_log: Annotated[
        Path | None, typer.Option(help="The sent.log of the stack that was lost, if it can be read.", metavar="FILE")
    ] = None,
) -> None:
    """Make a stack from a backup, ready for `continuum up`. Nothing that has left is sent again."""
    from continuum.backup import restoring
    from continuum.backup.archive import Store

    aside: Path | None = None
    if only is None:
        manifest, held = finish(restoring.restore(file, folder, sent_log, _progress))
    elif only in get_args(Store):
        store = cast(Store, only)
        manifest, held, aside = finish(restoring.restore_only(store, file, folder, sent_log, _progress))
    else:
        raise SystemExit(mistaken(f"--only is postgres or temporal, not {only!r}"))
    said: dict[str, Any] = {"dir": str(folder), "held": held, "aside": str(aside) if aside else None}
    words = [f"Restored into {folder}, as of {manifest.taken_at:%Y-%m-%d %H:%M} UTC."]
    if aside is not None:
        words.append(f"What was there is in {aside}; delete it when all is well.")
    if held:
        words.append(f"{held} message(s) that waited then are not sent by themselves: they left, or may have.")
    words.append(f"Next: continuum up --dir {folder}, then: continuum doctor --dir {folder} --repair")
    say(json_, {**said, **manifest.model_dump(mode="json")}, "\n".join(words))


def _progress(step: str) -> None:
    print(f"  {step}", file=sys.stderr, flush=True)
