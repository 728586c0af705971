"""Reads how the site stands, again and again, and says it to Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import structlog
from temporalio.common import MetricGaugeFloat, MetricMeter

from continuum.metrics.names import NEWEST_BACKUP, OF_THE_PROCESS, OF_THE_SITE, PREFIX, SITE_READ
from records.database import Database
from records.standing import Reading, standing

log = structlog.get_logger(__name__)

EVERY_SECONDS = 30.0

Labels = tuple[tuple[str, str], ...]


class Gauges:
    """Gauges that forget nothing: a set of labels that is not there any more is 0, not what it was last."""

    def __init__(self, meter: MetricMeter, descriptions: dict[str, str]) -> None:
        self._gauges = {
            name: meter.create_gauge_float(f"{PREFIX}{name}", description) for name, description in descriptions.items()
        }
        self._said: set[tuple[str, Labels]] = set()

    def say(self, readings: list[Reading]) -> None:
        """Say these, and 0 for those of before that are not among them."""
        now = {(reading.metric, reading.labels): float(reading.value) for reading in readings}
        for metric, labels in self._said - set(now):
            now[metric, labels] = 0.0
        for (metric, labels), value in now.items():
            self._gauges[metric].set(value, dict(labels))
        self._said |= set(now)


class SiteMetrics:
    """Runs beside the worker."""

    def __init__(
        self,
        database: Database,
        meter: MetricMeter,
        *,
        backups: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._gauges = Gauges(meter, OF_THE_SITE)
        self._pool = PoolMetrics(database, meter)
        self._read: MetricGaugeFloat = meter.create_gauge_float(
            f"{PREFIX}{SITE_READ}", "When the numbers of the site were last read, in Unix time."
        )
        self._backups = backups
        if backups is not None:
            self._newest = meter.create_gauge_float(
                f"{PREFIX}{NEWEST_BACKUP}", "When the newest complete backup was taken, in Unix time; 0: there is none."
            )
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped. What fails now is tried again; the numbers' age says that it failed."""
        while not stop.is_set():
            try:
                await self.once()
            except Exception as error:
                log.warning("metrics_wait", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EVERY_SECONDS)

    async def once(self) -> None:
        """One reading. Raises DatabaseAway."""
        self._pool.say()
        if self._backups is not None:
            self._newest.set(await asyncio.to_thread(newest, self._backups))
        now = self._clock()
        self._gauges.say(await standing(self._database, now))
        self._read.set(now.timestamp())


def newest(folder: Path) -> float:
    """When the newest backup in a folder was made, in Unix time; 0: none. What is not complete is called `.partial`."""
    try:
        return max((one.stat().st_mtime for one in folder.iterdir() if one.suffix != ".partial"), default=0.0)
    except OSError:
        return 0.0


class PoolMetrics:
    """How much of its pool a process uses; the gateway says it too."""

    def __init__(self, database: Database, meter: MetricMeter) -> None:
        self._database = database
        self._gauges = Gauges(meter, OF_THE_PROCESS)

    def say(self) -> None:
        """Now."""
        in_use, idle, most = self._database.connections
        self._gauges.say(
            [
                Reading("database_connections", in_use, (("state", "in_use"),)),
                Reading("database_connections", idle, (("state", "idle"),)),
                Reading("database_connections_most", most),
            ]
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped."""
        while not stop.is_set():
            self.say()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EVERY_SECONDS / 2)
