"""Writing one decision: journal, projections, notices and replies in one statement."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from care.commit import Commit
from care.journey import Done
from care.keeping import Kept, packed, unpacked
from records.database import Database, DatabaseRefused

EXCLUSION_VIOLATION = "23P01"
UNIQUE_VIOLATION = "23505"
OTHER_DECISION = "CN001"


COMMIT = """
    with written as materialized (select continuum.commit_decision($1::jsonb) as seq),
    kept as (
        insert into continuum.journey_state as s (journey, tenant, seq, state, base)
        select $1::jsonb->>'journey', $1::jsonb->>'tenant', seq, $2::bytea, $3::bytea
        from written where $2::bytea is not null
        on conflict (journey) do update set seq = excluded.seq, state = excluded.state,
            base = coalesce(excluded.base, s.base), recorded_at = now()
        where s.seq <= excluded.seq
    )
    select seq from written
"""
"""The decision, and the journey as it stands after it, or neither."""


class SlotTaken(Exception):  # noqa: N818
    """The clinician has another visit at that time."""


class ActionReused(Exception):  # noqa: N818
    """The action id, or the journal row, is taken by something else."""


class PlaceTaken(Exception):  # noqa: N818
    """The journal holds another decision under this number, and the record keeps the journey as it stands after it."""

    def __init__(self, seq: int, kept: Kept) -> None:
        super().__init__(f"the journal has gone on to row {seq}")
        self.seq = seq
        self.kept = kept


class WrittenBefore(Exception):  # noqa: N818
    """This very action is in the journal, long ago: whoever asks again gets the first one's answer."""

    def __init__(self, done: Done) -> None:
        super().__init__(f"the action was written as row {done.seq}")
        self.done = done


Document = dict[str, Any]
"""A `Commit` as the JSON in which it travels. What only passes it on to PostgreSQL does not read it into models."""


async def commit(database: Database, decision: Document) -> int:
    """Write it, or find it written already. Returns the journal's last row.

    Raises SlotTaken, ActionReused, PlaceTaken, WrittenBefore, DatabaseAway or DatabaseRefused; in each case nothing was
    written.
    """
    try:
        return int(await database.value(COMMIT, *_with_journey(decision)))
    except DatabaseRefused as refused:
        if refused.sqlstate == EXCLUSION_VIOLATION:
            raise SlotTaken("this clinician has another visit at that time: choose another slot") from None
        if refused.sqlstate == OTHER_DECISION:
            instead = await after(database, decision["journey"], decision["entries"][0]["seq"] - 1)
            if instead is not None:
                raise PlaceTaken(*instead) from None
        if refused.sqlstate == UNIQUE_VIOLATION:
            done = await _before(database, decision)
            if done is not None:
                raise WrittenBefore(done) from None
        if refused.sqlstate in (UNIQUE_VIOLATION, OTHER_DECISION):
            raise ActionReused("this action id was used before for something else; use a new one") from None
        raise


async def after(database: Database, journey: str, seq: int) -> tuple[int, Kept] | None:
    """An open journey as the record keeps it, where that stands after a later decision than this; and after which."""
    row = await database.row(
        "select s.seq, s.state, s.base from continuum.journey_state s"
        " join continuum.journey j on j.id = s.journey and j.status <> 'closed' and j.seq = s.seq"
        " where s.journey = $1 and s.seq > $2 and s.base is not null",
        journey,
        seq,
    )
    return (row["seq"], unpacked(row["state"], row["base"])) if row is not None else None


async def _before(database: Database, decision: Document) -> Done | None:
    """Where the very action of this decision is written already; None where its id is another's."""
    asked = next((entry for entry in decision["entries"] if entry["action_id"] is not None), None)
    if asked is None:
        return None
    row = await database.row(
        "select seq, stage, action_digest as digest from continuum.journal where journey = $1 and action_id = $2",
        decision["journey"],
        asked["action_id"],
    )
    return Done(**dict(row)) if row is not None and row["digest"] == asked["action_digest"] else None


def _with_journey(decision: Document) -> tuple[Document, bytes | None, bytes | None]:
    """The decision's rows; the journey after it, and what of that rarely changes, where they come with it."""
    kept = decision.get("kept")
    if kept is None:
        return hashed(decision), None, None
    return hashed(decision), packed(kept["state"]), packed(kept["base"]) if kept["base"] is not None else None


def hashed(decision: Document) -> Document:
    """The decision's rows, every one that must never change with a hash of what makes it that row.

    Times are not part of it: a workflow task that is done again after a crash runs at another moment, and makes the
    same decision.
    """
    return {
        **{name: value for name, value in decision.items() if name != "kept"},
        "entries": [{**entry, "hash": _hash(_identity(entry))} for entry in decision["entries"]],
        "notices": [{**n, "hash": _hash([n["to"], n["template"]])} for n in decision["notices"]],
        "replies": [
            {**r, "hash": _hash([r["status"], r["business_status"], r["reason"]])} for r in decision["replies"]
        ],
    }


def rows(decision: Commit) -> Document:
    """The rows of a decision that did not travel; see `hashed`."""
    return hashed(decision.model_dump(mode="json", exclude={"kept"}))


def _identity(entry: Document) -> list[Any]:
    parts = [entry[k] for k in ("stage", "kind", "actor", "pathway", "action_id", "action_digest")]
    return [*parts, (entry["decided"] or {}).get("rule")]


def _hash(parts: list[Any]) -> str:
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
