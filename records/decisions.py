"""Writing one decision: journal, projections, notices and replies in one statement."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from care.commit import Commit
from care.journey import Done
from care.keeping import Kept, as_bytes, as_text
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


async def commit(database: Database, decision: Commit) -> int:
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
            await _find_instead(database, decision)
        if refused.sqlstate == UNIQUE_VIOLATION:
            await _find_before(database, decision)
        if refused.sqlstate in (UNIQUE_VIOLATION, OTHER_DECISION):
            raise ActionReused("this action id was used before for something else; use a new one") from None
        raise


async def _find_instead(database: Database, decision: Commit) -> None:
    """Raises PlaceTaken where the journey is open and the record keeps it as it stands now."""
    row = await database.row(
        "select s.seq, s.state, s.base from continuum.journey_state s"
        " join continuum.journey j on j.id = s.journey and j.status <> 'closed' and j.seq = s.seq"
        " where s.journey = $1 and s.seq >= $2 and s.base is not null",
        decision.journey,
        decision.entries[0].seq,
    )
    if row is not None:
        raise PlaceTaken(row["seq"], Kept(state=as_text(row["state"]), base=as_text(row["base"])))


async def _find_before(database: Database, decision: Commit) -> None:
    """Raises WrittenBefore where it is the same action that has the id."""
    for entry in decision.entries:
        if entry.action_id is None:
            continue
        row = await database.row(
            "select seq, stage, action_digest as digest from continuum.journal where journey = $1 and action_id = $2",
            decision.journey,
            entry.action_id,
        )
        if row is not None and row["digest"] == entry.action_digest:
            raise WrittenBefore(Done(**dict(row)))


def _with_journey(decision: Commit) -> tuple[dict[str, Any], bytes | None, bytes | None]:
    """The decision's rows; the journey after it, and what of that rarely changes, where they come with it."""
    kept = decision.kept
    if kept is None:
        return rows(decision), None, None
    return rows(decision), as_bytes(kept.state), as_bytes(kept.base) if kept.base is not None else None


def rows(decision: Commit) -> dict[str, Any]:
    """The decision as JSON, every row that must never change with a hash of what makes it that row.

    Times are not part of it: a workflow task that is done again after a crash runs at another moment, and makes the
    same decision.
    """
    body = decision.model_dump(mode="json", exclude={"kept"})
    for entry in body["entries"]:
        identity = [entry[k] for k in ("stage", "kind", "actor", "pathway", "action_id", "action_digest")]
        entry["hash"] = _hash([*identity, (entry["decided"] or {}).get("rule")])
    for notice in body["notices"]:
        notice["hash"] = _hash([notice["to"], notice["template"]])
    for reply in body["replies"]:
        reply["hash"] = _hash([reply["status"], reply["business_status"], reply["reason"]])
    return body


def _hash(parts: list[Any]) -> str:
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
