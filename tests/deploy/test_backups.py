"""Copies of the whole cluster, made and restored for real."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from continuum.embedded.ports import free_port
from tests.deploy.servers import ROOT, Server, give, opened_folder, postgres


async def test_a_copy_is_checked_counted_and_can_be_restored(encrypted: Server, tmp_path: Path) -> None:
    assert encrypted.init().returncode == 0
    owner = await encrypted.connect("owner", "continuum")
    await owner.execute("create table kept (n int); insert into kept values (7)")
    await owner.close()

    folder = tmp_path / "copies"
    assert encrypted.backup("check", folder).returncode == 1
    for _ in range(2):
        done = encrypted.backup("once", folder, BACKUP_KEEP="1")
        assert done.returncode == 0, done.stderr
        await asyncio.sleep(1.1)  # their names are of a second
        (folder / "cluster-20260101T000000Z.partial").mkdir()
    assert encrypted.backup("check", folder).returncode == 0
    names = sorted(path.name for path in folder.iterdir())
    assert names[0] == "cluster-20260101T000000Z.partial", "until the next"
    assert len(names) == 2
    copy = folder / names[1]
    os.utime(copy, (0, 0))
    assert encrypted.backup("check", folder).returncode == 1

    with opened_folder() as root:
        home = root / "home"
        home.mkdir(mode=0o700)
        shutil.copytree(copy, home / "data")
        give(home)
        with postgres(encrypted.psql.parent, home / "data") as port:
            restored = await replace(encrypted, port=port).connect("owner", "continuum")
            try:
                assert await restored.fetchval("select n from kept") == 7
            finally:
                await restored.close()


@pytest.mark.parametrize(
    ("task", "environment", "told"),
    [
        ("once", {"BACKUP_KEEP": "0"}, "whole numbers from 1 on"),
        ("regularly", {"BACKUP_EVERY_HOURS": "1.5"}, "whole numbers from 1 on"),
        ("sometimes", {}, "regularly, once or check"),
    ],
)
def test_what_backups_are_told_wrongly_is_said(
    tmp_path: Path, task: str, environment: dict[str, str], told: str
) -> None:
    done = subprocess.run(
        ["/bin/sh", ROOT / "deploy/postgres/backup.sh", task],
        env={"PATH": os.defpath, "BACKUPS": str(tmp_path / "copies"), **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "copies").exists()


def test_a_copy_that_fails_is_tried_again_until_it_is_told_to_stop(tmp_path: Path) -> None:
    (tmp_path / "backup_password").write_text("secret", "ascii")
    process = subprocess.Popen(
        ["/bin/sh", ROOT / "deploy/postgres/backup.sh", "regularly"],
        env={"PATH": os.defpath, "PGHOST": "127.0.0.1", "PGPORT": str(free_port([])), "SECRETS_DIR": str(tmp_path),
             "BACKUPS": str(tmp_path / "copies")},
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        said = ""
        while "the next attempt is in" not in said:
            said = process.stderr.readline()
            assert said, "it gave up"
        process.terminate()
        assert process.wait(10) == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stderr.close()
    assert not list((tmp_path / "copies").glob("cluster-*Z"))
