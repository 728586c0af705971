"""A throw-away stack, every file through its door, and then a look at the record."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import httpx

from continuum.corpus.counting import Fate, File, Report, must_be_taken
from continuum.corpus.doors import door_of
from continuum.corpus.sending import ANSWERED, BATCH, SILENT, Sender
from continuum.corpus.signing_in import registered, token_for
from continuum.embedded.folder import temporary_folder
from continuum.embedded.supervisor import Options, Supervisor, running
from continuum.site import EXAMPLE_CLINIC, bring_up_to_date
from records.database import Database

AT_ONCE = 8
BEGIN_SECONDS = 300.0
QUIET_LOOKS = 120
Progress = Callable[[str, int, int], None]


def found(folder: Path) -> list[File]:
    """Every file of the folder but its manifest and its pages, in order."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".tsv", ".md"))
    return [File(str(p.relative_to(folder)), raw := p.read_bytes(), door_of(raw)) for p in paths]


async def play(files: list[File], progress: Progress) -> Report:
    """Send all of them to a stack of their own and say what became of each."""
    with temporary_folder() as path:
        options = Options(folder=path, migrate=bring_up_to_date, worker_env={}, gateway_env={})
        async with running(options) as stack:
            database = await Database.open(stack.dsn("app"), size=4)
            try:
                return await _play(stack, database, files, progress)
            finally:
                await database.close()


async def _play(stack: Supervisor, database: Database, files: list[File], progress: Progress) -> Report:
    at = stack.stack
    assert at.gateway_url is not None  # noqa: S101 - asked for
    assert at.hl7_address is not None  # noqa: S101
    host, _, port = at.hl7_address.rpartition(":")
    async with httpx.AsyncClient(base_url=at.gateway_url, timeout=30) as client:
        key = await registered(database, EXAMPLE_CLINIC.tenant)
        sender = Sender(client, await token_for(client, key), host, int(port))
        await _all(files, sender, "sending", progress)
        report = Report(files, must=must_be_taken())
        await _quiet(database)
        await _fates(database, files)
        report.not_begun = await _not_begun(database, progress)
        before = await _effects(database)
        taken = [f for f in files if f.fate in ("accepted", "quarantined", "waiting", "noted")]
        fresh = Sender(client, await token_for(client, key), host, int(port))
        await _all(taken, fresh, "sending again what was taken", progress, keep=False)
        await _quiet(database)
        if await _effects(database) != before:
            report.doubled = await _doubled(database, taken)
    report.tracebacks = [
        log.name for log in sorted(stack.folder.logs.iterdir()) if "Traceback" in log.read_text("utf-8", "replace")
    ]
    return report


async def _all(files: list[File], sender: Sender, what: str, progress: Progress, *, keep: bool = True) -> None:
    """FHIR side by side; HL7 v2 one after the other, as an interface does, so that of two with one MSH-10 the first is
    taken."""
    done = 0
    fhir = iter([file for file in files if file.door.protocol == "fhir"])
    hl7 = iter([file for file in files if file.door.protocol == "hl7v2"])

    async def lane(waiting: Iterator[File]) -> None:
        nonlocal done
        for file in waiting:
            answer = await sender.send(file.raw, file.door)
            if keep:
                file.answer = answer
            done += 1
            progress(what, done, len(files))

    await asyncio.gather(lane(hl7), *(lane(fhir) for _ in range(AT_ONCE)))


async def _quiet(database: Database) -> None:
    """Until what can be done is done: what still waits then waits for a message that has not come."""
    sql = "select count(*) from continuum.ask where status = 'waiting' and attempts < 2"
    for _ in range(QUIET_LOOKS):
        if not await database.value(sql):
            return
        await asyncio.sleep(0.5)


async def _fates(database: Database, files: list[File]) -> None:
    rows = await database.fetch(
        "select i.sha256, i.raw, i.outcome, i.journey, i.protocol, coalesce(array_agg(a.status)"
        " filter (where a.id is not null), '{}') as asks"
        " from continuum.inbound i left join continuum.ask a on a.inbound = i.id group by i.id order by i.recorded_at"
    )
    by_digest: dict[str, list[tuple[str, str | None, list[str]]]] = {}
    for row in rows:
        by_digest.setdefault(row["sha256"], []).append((row["outcome"], row["journey"], list(row["asks"])))
    in_batches = [
        (r["raw"].strip(), (r["outcome"], r["journey"], list(r["asks"]))) for r in rows if r["protocol"] == "hl7v2"
    ]
    for file in files:
        stored = by_digest.get(sha256(file.raw).hexdigest()) or [
            fate for raw, fate in in_batches if file.door.protocol == "hl7v2" and raw and raw in file.raw
        ]
        file.fate, file.journey = _fate(file, stored)


def _fate(file: File, stored: list[tuple[str, str | None, list[str]]]) -> tuple[Fate, str | None]:
    assert file.answer is not None  # noqa: S101 - it was sent
    if file.answer.verdict != "acknowledged":
        return ("refused" if file.answer.verdict == "refused" else "broken"), None
    if not stored:
        return _unstored(file.answer.code), None
    outcome, journey, asks = stored[0]
    if outcome in ("refused", "conflict"):  # silently, for its sender wants no answer
        return "refused", None
    if outcome in ("accepted", "amendment", "duplicate"):
        return "accepted", journey
    if "quarantined" in asks or "dead" in asks:
        return "quarantined", journey
    if "waiting" in asks:
        return "waiting", journey
    return ("accepted" if asks else "noted"), journey


def _unstored(code: str) -> Fate:
    """Of what was acknowledged and is not in the record under its own bytes."""
    if code == BATCH:  # each of its entries is
        return "accepted"
    return "noted" if code in (SILENT, ANSWERED) else "lost"


async def _not_begun(database: Database, progress: Progress) -> list[str]:
    """Referrals that were accepted and whose journey does not begin."""
    total = int(await database.value("select count(*) from continuum.referral"))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BEGIN_SECONDS):
            while left := await _to_begin(database):
                progress("journeys begin", total - len(left), total)
                await asyncio.sleep(0.5)
    return await _to_begin(database)


async def _to_begin(database: Database) -> list[str]:
    rows = await database.fetch(
        "select r.journey from continuum.referral r where not exists"
        " (select 1 from continuum.journey j where j.id = r.journey and j.seq > 0) order by r.journey"
    )
    return [r["journey"] for r in rows]


async def _effects(database: Database) -> tuple[int, ...]:
    """Everything that a message may have brought about, counted."""
    row = await database.row(
        "select (select count(*) from continuum.referral) as referrals, (select count(*) from continuum.ask) as asks,"
        " (select count(*) from continuum.inbound where outcome in ('accepted', 'asked', 'amendment')) as messages"
    )
    return tuple(row.values()) if row else ()


async def _doubled(database: Database, files: Iterable[File]) -> list[str]:
    rows = await database.fetch(
        "select sha256 from continuum.inbound where outcome in ('accepted', 'asked', 'amendment')"
        " group by sha256 having count(*) > 1"
    )
    twice = {r["sha256"] for r in rows}
    return [f.name for f in files if sha256(f.raw).hexdigest() in twice] or ["(which, cannot be told)"]
