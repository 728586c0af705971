"""What an upgrade meets beside the journeys: the database's schema, the settings, the servers."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from importlib.metadata import version

from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client
from temporalio.service import RPCError

from care.model import Model
from continuum.settings import Settings
from continuum.upgrade.expanding import Judged, judge
from records.database import Database
from records.migrate import Applied, migrations, standing

PREFIX = "CONTINUUM_"
NOT_OF_A_PROCESS = frozenset(
    f"{PREFIX}{name}"
    for name in (
        "API",
        "BACKUP_EVERY_HOURS",
        "BACKUP_KEEP",
        "DIR",
        "ENVIRONMENT",
        "GATEWAY_ADDRESS",
        "GATEWAY_PORT",
        "MAIL_PORT",
        "OWNER_DATABASE_PASSWORD_FILE",
        "OWNER_DATABASE_URL",
        "POSTGRES_USER",
        "READY_FILE",
        "TOKEN",
        "UI_PORT",
    )
)
"""Variables of the command line, of the compose file and of the embedded stack."""

OLDEST_POSTGRESQL = 180_000
OLDEST_TEMPORAL = (1, 32)
"""What the embedded stack runs and the tests see; nothing is known of older ones."""


class Schema(Model):
    """The database's schema beside that of this build."""

    pending: tuple[Judged, ...]
    """Migrations still to be applied, in order."""
    newer: tuple[int, ...] = ()
    """Numbers that this build does not know: the database was written by a later one."""
    edited: tuple[str, ...] = ()
    """Migrations that are other ones here than those that were applied."""

    @property
    def troubles(self) -> list[str]:
        """What would break."""
        found = [f"the database is at schema {max(self.newer)}, newer than this build"] if self.newer else []
        found += [f"migration {name} is another than the one that was applied" for name in self.edited]
        return found + [
            f"migration {one.name} does more than add: stop the old workers and gateways before it"
            for one in self.pending
            if not one.additive
        ]


class UnknownSetting(Model):
    """A variable of the environment that this build does not read."""

    name: str
    close: str | None
    """One that it does read, of much the same name."""


class Servers(Model):
    """What runs here, and whether this build was tried with it."""

    continuum: str
    temporal: str
    postgresql: str
    troubles: tuple[str, ...]


async def schema(database: Database) -> Schema:
    """Hold the migrations that were applied against those that this build brings. Raises DatabaseAway."""
    there = await database.fetch("select number, name, sha256 from public.continuum_migration order by number")
    found = standing([Applied(r["number"], r["name"], r["sha256"]) for r in there])
    sql = {name: text for _, name, text in migrations()}
    return Schema(
        pending=tuple(judge(name, sql[name]) for name in found.pending), newer=found.newer, edited=found.edited
    )


def unknown_settings(environment: Iterable[str]) -> list[UnknownSetting]:
    """Variables that look like settings of ours and that this build does not read: renamed, gone, or misspelt."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    strangers = sorted(
        n for n in environment if n.startswith(PREFIX) and n.upper() not in known and n not in NOT_OF_A_PROCESS
    )
    return [
        UnknownSetting(name=name, close=next(iter(get_close_matches(name, sorted(known), 1, 0.8)), None))
        for name in strangers
    ]


async def servers(client: Client, database: Database) -> Servers:
    """Their versions. Raises DatabaseAway; of a Temporal that does not say, nothing is said."""
    try:
        temporal = (await client.workflow_service.get_system_info(GetSystemInfoRequest())).server_version
    except RPCError:
        temporal = ""
    number = int(await database.value("select current_setting('server_version_num')"))
    postgresql = str(await database.value("select current_setting('server_version')")).split(" ")[0]
    troubles = []
    if (numbers := _numbers(temporal)) is not None and numbers < OLDEST_TEMPORAL:
        oldest = ".".join(map(str, OLDEST_TEMPORAL))
        troubles.append(f"Temporal is {temporal}: this build was tried with {oldest} and later")
    if number < OLDEST_POSTGRESQL:
        troubles.append(
            f"PostgreSQL is {postgresql}: this build was tried with {OLDEST_POSTGRESQL // 10_000} and later"
        )
    return Servers(
        continuum=version("continuum"), temporal=temporal or "unknown", postgresql=postgresql, troubles=tuple(troubles)
    )


def _numbers(version_: str) -> tuple[int, ...] | None:
    parts = version_.split(".")[:2]
    return tuple(map(int, parts)) if len(parts) == 2 and all(part.isdecimal() for part in parts) else None
