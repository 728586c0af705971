"""The board: the numbers of a site as of a moment, whole or by clinic, pathway and month.

No figure is compared with this server's clock: whoever asks says as of when, in care time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

import asyncpg

from care.responder import has_thresholds, response
from care.score import Measure
from care.task import TASKS
from records.database import Database
from records.numbers import RESPONDERS, Number

Row = dict[str, Any]
By = Literal["clinic", "pathway", "month"]
BY: tuple[By, ...] = get_args(By)

MeasureOf = Callable[[str, str], Measure | None]
"""A measure as a pathway's version (`low_back_pain@3`) has it; None where it is not known."""


@dataclass(frozen=True)
class Asked:
    """What is asked of the board."""

    tenant: str
    as_of: datetime
    """Up to here, exclusive; what is still open is counted as of now."""
    since: datetime | None = None
    """From here on; None: from the beginning."""
    zone: str = "UTC"
    """In which months begin."""
    by: tuple[By, ...] = field(default=())


PAUSES = {kind: list(rule.pauses_for) for kind, rule in TASKS.items()}

PATIENCE_SECONDS = 60
"""Longer than a statement may otherwise take: whoever asks has time, and a big site has many rows."""

_ASKED = """
    with asked as (select $1::text as tenant, coalesce($2::timestamptz, '-infinity') as since,
        $3::timestamptz as as_of, $4::jsonb as pauses)
"""


async def latest(database: Database, tenant: str) -> datetime | None:
    """The latest care time on record: a demo's journeys may be ahead of the machine."""
    found: datetime | None = await database.value("select max(at) from continuum.journey where tenant = $1", tenant)
    return found


async def counted(database: Database, number: Number, asked: Asked, measure_of: MeasureOf) -> list[Row]:
    """The rows of one number: what it is about, the groups asked for, and each column. What is too few is None.

    Raises DatabaseAway or DatabaseRefused.
    """
    given = (asked.tenant, asked.since, asked.as_of, PAUSES)
    if number is RESPONDERS:
        facts = await _patiently(database, f"{_ASKED} {number.facts}", *given)
        rows = _responders([dict(fact) for fact in facts], asked, measure_of)
    else:
        groups = {"clinic": "clinic", "pathway": "pathway", "month": "to_char(at at time zone $5, 'YYYY-MM')"}
        named = "".join(f"{groups[by]} as {by}, " for by in asked.by)
        keys = ", ".join(str(n) for n in range(1, len(asked.by) + 2))
        found = await _patiently(
            database,
            f"{_ASKED} select {named} what, {number.sums} from ({number.facts}) f "  # noqa: S608 - our own words
            f"where $5::text is not null group by {keys} order by {keys}",
            *given,
            asked.zone,
        )
        rows = [dict(row) for row in found]
    return [_few_left_out(number, row) for row in rows]


async def _patiently(database: Database, sql: str, *args: Any) -> list[asyncpg.Record]:
    async with database.connection() as connection, connection.transaction(readonly=True):
        await connection.execute(f"set local statement_timeout = '{PATIENCE_SECONDS}s'")
        return list(await connection.fetch(sql, *args, timeout=PATIENCE_SECONDS + 5.0))


def _few_left_out(number: Number, row: Row) -> Row:
    for column in number.columns:
        if column.of is not None and row[column.of] < column.fewest:
            row[column.name] = None
        elif column.kind != "count" and row[column.name] is not None:
            row[column.name] = round(float(row[column.name]), 3)
    return row


def _responders(facts: Sequence[Row], asked: Asked, measure_of: MeasureOf) -> list[Row]:
    """Counted here: from which change on somebody responded is said in one place, and not in SQL."""
    zone = ZoneInfo(asked.zone)
    counts: dict[tuple[str, ...], Counter[str]] = {}
    for fact in facts:
        measure = measure_of(fact["pathway_version"], fact["what"])
        if measure is None or not has_thresholds(measure):
            continue
        fact["month"] = f"{fact['at'].astimezone(zone):%Y-%m}"
        key = (*(fact[by] for by in asked.by), fact["what"])
        counts.setdefault(key, Counter())[response(measure, fact["first"], fact["last"])] += 1
    return [_responded(key, counts[key], asked.by) for key in sorted(counts)]


def _responded(key: tuple[str, ...], found: Counter[str], by: Iterable[By]) -> Row:
    known = found["improved"] + found["unclear"] + found["deteriorated"]
    return {
        **dict(zip((*by, "what"), key, strict=True)),
        "n": known,
        "improved": found["improved"],
        "share": found["improved"] / known if known else None,
        "unclear": found["unclear"],
        "deteriorated": found["deteriorated"],
    }
