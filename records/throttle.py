"""Leaky buckets in PostgreSQL, so that a limit is one limit over all processes."""

from __future__ import annotations

from records.database import Database

_POUR = """
insert into continuum.throttle as t (key, level, at) values ($1, least($2::float8, $4::float8), clock_timestamp())
on conflict (key) do update set
    level = least(
        $4::float8,
        greatest(0, t.level - greatest(0, extract(epoch from excluded.at - t.at)) * $3::float8) + $2::float8),
    at = greatest(t.at, excluded.at)
returning level
"""


async def pour(database: Database, key: str, amount: float, *, per_second: float, at_most: float) -> float:
    """Pour into a bucket that leaks `per_second`, and give what is in it then; it never holds more than `at_most`."""
    level = await database.value(_POUR, key, float(amount), float(per_second), float(at_most))
    return float(level)


async def prune(database: Database) -> None:
    """Forget the buckets that nobody has poured into for a day."""
    await database.execute("delete from continuum.throttle where at < now() - interval '1 day'")
