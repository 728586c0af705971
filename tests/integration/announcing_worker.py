"""A worker that announces that an action is written, and waits before its workflow hears of it: `test_kills_counted`
strikes there. Only when asked, by a file that whoever announces takes away: so one commit at a time waits."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Protocol

import worker
from activities import post
from continuum.patience import leave
from records import decisions
from records.database import Database
from records.decisions import Document

ASKED = "asked"
BETWEEN = "~"
WAIT_SECONDS = 60.0
"""For the killer. Longer than the activity may take: its workflow never hears of a commit that was announced."""

SOON_SECONDS = 20.0
"""A letter that was under way when its worker was killed is uncertain after so long: the test waits for it."""


class Writing(Protocol):
    """`records.decisions.commit`."""

    def __call__(self, database: Database, decision: Document) -> Coroutine[Any, Any, int]: ...


def announcing(door: Path, write: Writing) -> Writing:
    """The same, but announced where somebody asked for it: by a file named after journey and action."""

    async def announce(database: Database, decision: Document) -> int:
        seq = await write(database, decision)
        action = next((entry["action_id"] for entry in decision["entries"] if entry["action_id"]), None)
        if action is not None and _taken(door / ASKED, door / f"{decision['journey']}{BETWEEN}{action}"):
            await asyncio.sleep(WAIT_SECONDS)
        return seq

    return announce


def _taken(asked: Path, announced: Path) -> bool:
    try:
        asked.rename(announced)
    except FileNotFoundError:
        return False
    return True


if __name__ == "__main__":
    post.CUT_OFF_SECONDS = SOON_SECONDS
    decisions.commit = announcing(Path(os.environ["DOOR"]), decisions.commit)
    leave(worker.main())
