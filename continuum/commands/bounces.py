"""The command that a mail server hands its bounces to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from channels import bounces
from continuum.commands.common import Dir, Json, Mistake, read, run, say
from continuum.site import Site
from records import notices

TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: a mail server keeps the message and calls again later."""


def bounce(
    file: Annotated[
        Path | None, typer.Argument(help="A delivery status notification (default: standard input).", metavar="[FILE]")
    ] = None,
    folder: Dir = None,
    json_: Json = False,
) -> None:
    """Take in a bounce: the message it is about has not arrived, and its journey hears of it.

    Exit codes: 0 taken in, or nothing to do; 1 about no message of ours; 2 not a bounce; 75 try again later.
    """
    raw = read(file) if file is not None else sys.stdin.buffer.read(bounces.LARGEST + 1)
    try:
        found = bounces.read(raw)
    except bounces.NotABounce as reason:
        raise Mistake(f"this is no bounce: {reason}") from None

    async def work(here: Site) -> int:
        if not found.failed:
            say(json_, {"outcome": "ignored", "status": found.status}, f"ignored: no failure ({found.status})")
            return 0
        marked, spoken = await notices.bounced(here.database, here.tenant, found.message_id, found.status)
        outcome = "marked" if marked else "known" if spoken else "unknown"
        words = {
            "marked": f"marked: {marked} of {spoken} notices did not arrive ({found.status})",
            "known": "known already",
            "unknown": "unknown: this is about no message of ours",
        }
        say(json_, {"outcome": outcome, "status": found.status, "notices": marked}, words[outcome])
        return 0 if spoken else 1

    try:
        run(work, folder)
    except SystemExit as leaving:
        # The bounce itself was fine: what is wrong is here, and may be right in a moment.
        raise SystemExit(TRY_AGAIN if leaving.code == 2 else leaving.code) from None
