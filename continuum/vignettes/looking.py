"""What came of it, by the names under which vignettes expect it."""

from __future__ import annotations

from typing import Any

from care.journey import Stage
from continuum.vignettes import findings
from continuum.vignettes.people import People
from gateway.acting import ActionRefused
from pathways.vignette import Expected

Row = dict[str, Any]


class Look:
    """Reads the record of one journey, and asks the journey itself where the record does not say."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._player = people.player

    async def found(self, expected: Expected, names: set[str], since: int) -> Row:
        """What stands against these expectations; flags are those raised after that row of the journal."""
        rows, state = await self._player.journal(), await self._player.state()
        from_the_record: Row = {
            "stage": state["stage"],
            "outcome": state["outcome"],
            "priority": state["priority"],
            "pathway": pathway_of(state),
            "flags": findings.flags(row for row in rows if row["seq"] > since),
            "asked": findings.asked(rows),
            "first_visit_days": findings.first_visit_days(rows),
            "candidates": findings.candidates(rows),
            "plan": findings.plan(rows),
        }
        found = {name: from_the_record[name] for name in names & set(from_the_record)}
        if "gate" in names and expected.gate is not None:
            found["gate"] = findings.gate(rows, expected.gate.phase, with_missing=expected.gate.missing is not None)
        if "follow_up" in names:
            found["follow_up"] = "call" if await self._people.owes("call_patient") else "none"
        if "recommend" in names:
            found["recommend"] = await self._recommended(rows)
        if "booked" in names:
            found["booked"] = await self._people.can_be_booked()
        return found

    async def _recommended(self, rows: list[Row]) -> str | None:
        """What the journey itself says that it recommends: to a discharge without a reason, which is always refused."""
        plans = await self._people.active_plans()
        if await self._people.stage() != Stage.THERAPY or not plans:
            return findings.recommended(rows)
        try:
            await self._player.act("review_progress", "therapist", plan=plans[0], decision="discharge")
        except ActionRefused as refused:
            return findings.recommended_by(refused.kind, str(refused))
        raise LookupError("a discharge without a reason was not refused")


def pathway_of(state: Row) -> str | None:
    """The id of a journey's pathway."""
    label = state["pathway"]
    return label.partition("@")[0] if label else None
