"""Writing one decision: journal, projections, notices and replies in one statement."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from care.commit import Commit
from records.database import Database, DatabaseRefused

EXCLUSION_VIOLATION = "23P01"
UNIQUE_VIOLATION = "23505"
OTHER_DECISION = "CN001"


class SlotTaken(Exception):  # noqa: N818
    """The clinician has another visit at that time."""


class ActionReused(Exception):  # noqa: N818
    """The action id, or the journal row, is taken by something else."""


async def commit(database: Database, decision: Commit) -> int:
    """Write it, or find it written already. Returns the journal's last row.

    Raises SlotTaken, ActionReused, DatabaseAway or DatabaseRefused; in each case nothing was written.
    """
    try:
        return int(await database.value("select continuum.commit_decision($1::jsonb)", rows(decision)))
    except DatabaseRefused as refused:
        if refused.sqlstate == EXCLUSION_VIOLATION:
            raise SlotTaken("this clinician has another visit at that time: choose another slot") from None
        if refused.sqlstate in (UNIQUE_VIOLATION, OTHER_DECISION):
            raise ActionReused("this action id was used before for something else; use a new one") from None
        raise


def rows(decision: Commit) -> dict[str, Any]:
    """The decision as JSON, every row that must never change with a hash of what makes it that row.

    Times are not part of it: a workflow task that is done again after a crash runs at another moment, and makes the
    same decision.
    """
    body = decision.model_dump(mode="json")
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
