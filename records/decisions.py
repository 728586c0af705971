"""Writing one decision: journal, projections, notices and replies in one statement."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from care.commit import Commit
from care.keeping import as_bytes
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


async def commit(database: Database, decision: Commit) -> int:
    """Write it, or find it written already. Returns the journal's last row.

    Raises SlotTaken, ActionReused, DatabaseAway or DatabaseRefused; in each case nothing was written.
    """
    try:
        return int(await database.value(COMMIT, *_with_journey(decision)))
    except DatabaseRefused as refused:
        if refused.sqlstate == EXCLUSION_VIOLATION:
            raise SlotTaken("this clinician has another visit at that time: choose another slot") from None
        if refused.sqlstate in (UNIQUE_VIOLATION, OTHER_DECISION):
            raise ActionReused("this action id was used before for something else; use a new one") from None
        raise


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
