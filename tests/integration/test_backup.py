"""Backup, destruction, restore: no journey is lost, and nobody is told anything twice."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from channels.sent_log import Leaving, SentLog, left_since
from continuum.embedded.folder import temporary_folder
from records import journeys
from tests.doctor.scene import TENANT, letters, scene, step, walk
from tests.integration.tools import command, one_line, process

JOURNEYS = int(os.environ.get("CONTINUUM_RESTORED_JOURNEYS", "6"))
"""50 in the long version."""
ALIKE = {
    "journal": ("journey, seq, kind, text, action_id, hash", "journey, seq"),
    "task": ("id, kind, owner, settled_at is null, outcome", "id"),
    "plan": ("id, status", "id"),
    "notice": ("id, recipient, template, hash", "id"),
}
"""What a repair must bring back as it was."""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def parent() -> Iterator[Path]:
    with temporary_folder() as path:
        yield path.parent


async def test_a_stack_that_was_destroyed_goes_on_from_its_backup(parent: Path) -> None:
    old, new, saved = parent / "old", parent / "new", parent / "saved"
    saved.mkdir(mode=0o700)
    async with scene(old) as before:
        players = await before.begin(*(f"one {n}" for n in range(JOURNEYS)))
        for n, player in enumerate(players):
            await walk(player, 0, n % 4)
        backed = await process("backup", "--json", "--dir", old, "--to", saved)
        assert backed.code == 0, backed
        lost = {p.journey: (await p.state())["seq"] for p in players}
        # What happens from here on is lost, apart from what it told people.
        for n, player in enumerate(players[:4]):
            await step(player, n % 4)
        await before.quiet()
        told = before.mail()
    file = Path(backed.json["file"])
    assert mode(file) == 0o600
    assert backed.json["counts"]["journey"] == JOURNEYS
    sent_log = shutil.copy(old / "sent.log", parent / "sent.log")
    mail = letters(old)
    shutil.rmtree(old)
    restored = await process("restore", file, "--json", "--dir", new, "--sent-log", sent_log)
    assert restored.code == 0, restored
    async with scene(new) as after:
        again = [after.player(f"again {n}", p.journey) for n, p in enumerate(players)]
        assert {p.journey: (await p.state())["seq"] for p in again} == lost
        ran, found = await after.doctor("--repair")
        assert (ran.code, found) == (0, [])
        # What was lost is done once more, and the journeys that had not moved go on as well.
        for n, player in enumerate(again):
            await step(player, n % 4)
        await after.quiet()
        for player in again:
            assert (await player.state())["seq"] > lost[player.journey]
        assert len(await journeys.journeys(after.database, TENANT)) == JOURNEYS
        twice = [id_ for id_, n in (mail + after.mail()).items() if n > 1]
        assert twice == []
        assert told
        assert after.mail()  # the journeys that had not moved told people something new


async def test_each_store_alone_is_put_back_and_everything_is_found(parent: Path) -> None:
    folder, file = parent / "state", parent / "backup.tar"
    names = [f"two {n}" for n in range(JOURNEYS)]
    async with scene(folder) as before:
        players = await before.begin(*names)
        for n, player in enumerate(players):
            await walk(player, 0, n % 3)
        assert (await process("backup", "--dir", folder, "--to", file)).code == 0
        moved = players[: JOURNEYS // 2]
        for n, player in enumerate(moved):
            await step(player, n % 3)
        await step(players[-1], 3)
        (late,) = await before.begin("two late")
        await before.quiet()
        alike = {t: await before.rows(t, *how) for t, how in ALIKE.items()}
        changed = {p.journey for p in [*moved, players[-1]]}
        _, found = await before.doctor()
        assert found == []

    # The record is older than Temporal.
    ran = await process("restore", file, "--only", "postgres", "--dir", folder)
    assert ran.code == 0, ran
    async with scene(folder) as older_record:
        ran, found = await older_record.doctor()
        assert ran.code == 1
        behind = {m["journey"] for m in found if m["kind"] == "journal_behind"}
        assert behind == changed
        assert {m["journey"] for m in found if m["kind"] == "workflow_without_journey"} == {late.journey}
        ran, found = await older_record.doctor("--repair")
        assert {m["kind"] for m in found} <= {"referral_missing"}
        assert {m["journey"] for m in found} == {late.journey}  # who the patient was, nobody knows any more
        for table, how in ALIKE.items():
            assert await older_record.rows(table, *how) == alike[table], table
        await older_record.quiet()

    # Temporal is older than the record.
    ran = await process("restore", file, "--only", "temporal", "--dir", folder)
    assert ran.code == 0, ran
    async with scene(folder) as older_temporal:
        ran, found = await older_temporal.doctor()
        kinds = {m["journey"]: m["kind"] for m in found if m["kind"] != "referral_missing"}
        # The worker, which has just started, looks for journeys that are behind as well.
        kinds |= {r["journey"]: r["kind"] for r in await older_temporal.told_to_look()}
        closed = players[-1].journey
        assert kinds == {
            **dict.fromkeys(changed - {closed}, "workflow_behind"),
            closed: "closed_but_running",
            late.journey: "journey_without_workflow",
        }
        ran, found = await older_temporal.doctor("--repair")
        assert {m["kind"] for m in found} <= {"referral_missing"}
        for n, player in enumerate(players[:-1]):
            one = older_temporal.player(f"three {n}", player.journey)
            before_it = (await one.state())["seq"]
            await step(one, n % 3 + 1 if player in moved else n % 3)
            assert (await one.state())["seq"] > before_it
        await older_temporal.quiet()
        again = await older_temporal.doctor()
        assert {m["kind"] for m in again[1]} <= {"referral_missing"}
        assert [id_ for id_, n in older_temporal.mail().items() if n > 1] == []
        assert await older_temporal.database.value("select count(*) from continuum.repair") >= len(changed) * 2


async def test_mistakes_in_the_call_change_nothing(parent: Path) -> None:
    (parent / "full").mkdir()
    (parent / "full" / "something").touch()
    other = parent / "other.tar"
    other.write_bytes(secrets.token_bytes(5000))
    one_line(await command("backup", "--dir", parent / "nothing", "--to", parent), "no stack")
    one_line(await command("restore", other, "--dir", parent / "full"), "not empty")
    one_line(await command("restore", other, "--dir", parent / "new"), "no backup of Continuum")
    one_line(await command("restore", parent / "none.tar", "--dir", parent / "new"), "cannot be read")
    one_line(await command("restore", other, "--only", "mail", "--dir", parent / "new"), "postgres or temporal")
    assert not (parent / "new").exists()
    assert [p.name for p in (parent / "full").iterdir()] == ["something"]


def test_the_log_says_what_has_left_and_what_may_have(tmp_path: Path) -> None:
    path = tmp_path / "sent.log"
    log = SentLog(path)
    one, two, three = (Leaving(notice=f"j1:notice:{n}", digest="d") for n in (1, 2, 3))
    for notice, how in ((one, "sent"), (two, "later"), (three, "uncertain")):
        log.note("trying", f"<{notice.notice}>", [notice])
        log.ended(how, f"<{notice.notice}>", [notice])
    log.note("trying", "<again>", [one])  # killed in the middle of it: it has left, before
    with path.open("ab") as file:
        file.write(b'{"at": "2026-')  # a power cut
    assert mode(path) == 0o600
    with path.open("rb") as lines:
        found = left_since(lines, datetime.now(UTC) - timedelta(hours=1))
    assert {left.notice: left.outcome for left in found} == {one.notice: "sent", three.notice: "uncertain"}
    with path.open("rb") as lines:
        assert left_since(lines, datetime.now(UTC) + timedelta(hours=1)) == []
