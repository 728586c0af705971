"""Whoever an action names is in the directory: asked before the action goes on its way."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from care.action import Action
from care.directory import Directory, stands_in_for
from records.database import Database
from records.directory import load

NAMES = {
    "accept": ("clinician",),
    "book_visit": ("clinician",),
    "evaluate": ("clinician",),
    "assign_task": ("to",),
    "request_help": ("of",),
    "hand_over": ("to",),
}
"""The fields that name somebody, by action: a person's id, or an owner (`person:ID`, `queue:NAME`)."""

SPEAKER_OWNS = ("claim_task", "acknowledge_task")
"""Actions that make a task the speaker's."""


async def unknown(database: Database, tenant: str, name: str, action: Action) -> tuple[str, str] | None:
    """Kind and words of a refusal where the action names somebody who is not there; None where all are."""
    named = [owner for field in NAMES.get(name, ()) if (owner := getattr(action, field)) is not None]
    if name in SPEAKER_OWNS:
        named.append(action.actor.person)
    if not named:
        return None
    directory = await load(database, tenant)
    return next((wrong for owner in named if (wrong := _unknown(directory, owner)) is not None), None)


def whose(directory: Directory, person: str, now: datetime) -> dict[str, Any]:
    """The people and queues whose tasks are this person's, as `records.journeys.tasks` takes them."""
    return {
        "people": [person, *stands_in_for(directory, person, now)],
        "queues": directory.queues_of(person, now),
    }


async def unknown_person(database: Database, tenant: str, person: str) -> tuple[str, str] | None:
    """The same for one person, by their id."""
    return _unknown(await load(database, tenant), f"person:{person}")


def _unknown(directory: Directory, owner: str) -> tuple[str, str] | None:
    kind, _, id_ = owner.rpartition(":")
    if kind == "queue":
        queues = sorted({q.id for q in directory.queues})
        return None if id_ in queues else ("UnknownQueue", f"no queue of that name; there are: {_list(queues)}")
    people = sorted(p.id for p in directory.people)
    return (
        None
        if id_ in people
        else ("UnknownPerson", f"nobody of that id is in the directory; there are: {_list(people)}")
    )


def _list(ids: list[str]) -> str:
    return ", ".join(ids) or "none"
