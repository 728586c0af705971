"""A small record, planted row by row, whose numbers can be worked out on paper (`test_board.py`)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from records.database import Database

Turn = tuple[float, str, str, dict[str, str]]
"""Day, stage, kind, data."""


def day(n: float) -> datetime:
    """The n-th day of the record."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=n)


def turn(at: float, stage: str, kind: str, **data: str) -> Turn:
    return at, stage, kind, data


@dataclass
class Planter:
    """Plants under one tenant, which nobody else uses."""

    database: Database
    tenant: str

    def id(self, name: str) -> str:
        return f"{self.tenant}-{name}"

    async def referral(self, name: str, received: float, *, adopted: bool = False) -> None:
        facts: dict[str, Any] = {"adoption": {}} if adopted else {}
        await self.database.execute(
            """
            with i as (insert into continuum.inbound (tenant, source, transport_key, sha256, raw, media_type, outcome)
                values ($1, 'tests', $2, '', '', '', 'accepted') returning id)
            insert into continuum.referral (journey, tenant, source, referral_id, sha256, inbound, facts, received_at,
                started_at)
            select $2, $1, 'tests', $2, '', i.id, $3::jsonb, $4, $4 from i
            """,
            self.tenant,
            self.id(name),
            facts,
            day(received),
        )

    async def journey(
        self,
        name: str,
        clinic: str,
        turns: Sequence[Turn],
        *,
        pathway: str = "low_back_pain@1",
        outcome: str | None = None,
    ) -> None:
        last = turns[-1]
        await self.database.execute(
            "insert into continuum.journey (id, tenant, clinic, stage, status, outcome, pathway, waiting_on, overdue,"
            " seq, at) values ($1, $2, $3, $4, $5, $6, $7, 'nobody', false, $8, $9)",
            self.id(name),
            self.tenant,
            clinic,
            last[1],
            "closed" if outcome else "open",
            outcome,
            pathway,
            len(turns),
            day(last[0]),
        )
        for seq, (at, stage, kind, data) in enumerate(turns, start=1):
            await self.database.execute(
                "insert into continuum.journal (journey, seq, tenant, clinic, stage, kind, text, at, person, role,"
                " data, hash) values ($1, $2, $3, $4, $5, $6, '', $7, 'p-x', 'coordinator', $8::jsonb, '')",
                self.id(name),
                seq,
                self.tenant,
                clinic,
                stage,
                kind,
                day(at),
                data,
            )

    async def visit(self, name: str, clinic: str, at: float, status: str) -> None:
        await self.database.execute(
            "insert into continuum.visit (id, journey, tenant, clinic, clinician, starts_at, ends_at, status, seq)"
            " values ($1, $2, $3, $4, 'p-x', $5, $6, $7, 1)",
            f"{self.id(name)}:visit:{secrets.token_hex(4)}",
            self.id(name),
            self.tenant,
            clinic,
            day(at),
            day(at + 0.02),
            status,
        )

    async def task(
        self, name: str, clinic: str, kind: str, owner: str, due: float, *, settled: float | None = None
    ) -> None:
        await self.database.execute(
            "insert into continuum.task (id, journey, tenant, clinic, kind, subject, label, owner, queue, opened_at,"
            " due_at, rung, settled_at, seq) values ($1, $2, $3, $4, $5, '', '', $6, $6, $7, $8, 0, $9, 1)",
            f"{self.id(name)}:task:{secrets.token_hex(4)}",
            self.id(name),
            self.tenant,
            clinic,
            kind,
            owner,
            day(0),
            day(due),
            None if settled is None else day(settled),
        )

    async def score(self, name: str, at: float, value: Any, *, in_error: bool = False) -> None:
        await self.database.execute(
            "insert into continuum.score (id, journey, tenant, measure, value, at, in_error, seq)"
            " values ($1, $2, $3, 'odi', $4::text::jsonb, $5, $6, 1)",
            f"{self.id(name)}:score:{secrets.token_hex(4)}",
            self.id(name),
            self.tenant,
            json.dumps(value),
            day(at),
            in_error,
        )


async def planted(database: Database) -> Planter:
    """The record of twenty days at two clinics; the comments say what each journey is there for."""
    p = Planter(database, f"planted{secrets.token_hex(3)}")
    # north, n = 1 to 5: n days of intake, a day of referral, the first visit two days later, discharged on day 15.
    still = {
        3: [turn(1, "Intake", "on_hold", reason="patient_away"), turn(2, "Intake", "resumed")],  # held for a day
        5: [turn(2, "Intake", "withdrawn"), turn(4, "Intake", "reopened")],  # closed by mistake for two days
    }
    asked = {
        1: [("follow_up_answered", 18.0), ("follow_up_due", 19.0)],
        2: [("follow_up_answered", 18.0)],
        3: [("called", 19.0)],
        4: [("follow_up_missed", 19.0)],
        5: [("follow_up_answered", 18.0)],
    }
    for n in range(1, 6):
        name = f"n{n}"
        await p.referral(name, 0)
        await p.journey(
            name,
            "north",
            [
                turn(0, "Intake", "entered"),
                *still.get(n, []),
                turn(n, "Referral", "entered"),
                turn(n + 1, "Referral", "accepted"),
                turn(n + 1, "Therapy", "entered"),
                turn(15, "Discharge", "entered"),
                turn(16, "FollowUp", "entered"),
                turn(17, "FollowUp", "follow_up_due", occasion="one_week"),
                *(
                    turn(at, "FollowUp", kind, occasion="one_month" if kind == "follow_up_due" else "one_week")
                    for kind, at in asked[n]
                ),
            ],
        )
        await p.visit(name, "north", n + 3, "attended")
    for name, at, value, in_error in (
        ("n1", 4, 40, False), ("n1", 14, 25, False),  # 15 better: counts
        ("n2", 5, 40, False), ("n2", 14, 30, False), ("n2", 14.5, 20, True),  # 10 better: MCID 10, but MDC 10.5
        ("n3", 6, 40, False), ("n3", 14, 51, False), ("n3", 18, 10, False),  # worse; later does not count
        ("n4", 7, 30, False), ("n4", 14, 10, False),
        ("n5", 8, 20, False), ("n5", 14, 8, False),
    ):  # fmt: skip
        await p.score(name, at, value, in_error=in_error)
    await p.visit("n1", "north", 6, "no_show")
    await p.visit("n1", "north", 7, "cancelled")
    await p.visit("n1", "north", 30, "booked")
    await p.task("n1", "north", "sign_summary", "person:p-anna", 18)
    await p.task("n2", "north", "sign_summary", "person:p-anna", 16, settled=17)

    # south: withdrawn before the answer; declined; on hold and unanswered; not begun; in error; taken over.
    for name, received in (("gone", 0), ("no", 0), ("held", 4), ("new", 19), ("wrong", 0)):
        await p.referral(name, received)
    await p.referral("old", 0, adopted=True)
    await p.journey(
        "gone", "south", [turn(0, "Intake", "entered"), turn(3, "Intake", "withdrawn")], outcome="withdrawn"
    )
    await p.journey(
        "no",
        "south",
        [turn(0, "Intake", "entered"), turn(1, "Referral", "entered"), turn(2, "Referral", "declined")],
        outcome="refused",
    )
    await p.journey(
        "held",
        "south",
        [turn(4, "Intake", "entered"), turn(5, "Intake", "on_hold", reason="patient_away")],
        pathway="neck@2",
    )
    await p.task("held", "south", "book_visit", "queue:front_desk", 6)  # paused by this hold
    await p.task("held", "south", "answer_referral", "queue:triage", 6)  # by none
    await p.journey(
        "wrong",
        "south",
        [
            turn(0, "Intake", "entered"),
            turn(1, "Intake", "entered_in_error", scores="x"),  # of a score, not of the journey
            turn(2, "Intake", "entered_in_error"),
        ],
        outcome="entered_in_error",
    )
    await p.journey(
        "old",
        "south",
        [turn(7, "Therapy", "taken_over"), turn(7, "Therapy", "entered"), turn(9, "Discharge", "entered")],
    )
    return p
