"""`continuum import` on a real stack: begun once whatever is killed, and no patient's data where none belongs."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from continuum.embedded.folder import temporary_folder
from continuum.embedded.supervisor import Options, running
from continuum.site import bring_up_to_date
from gateway.caseload.row import COLUMNS
from records.database import Database
from tests.integration.test_canaries import BIRTH_DATE, CANARY, belongs_to_us, hits, what_temporal_tells
from tests.integration.tools import Ran, command, is_calm, until
from workflows.connection import connect

pytestmark = [pytest.mark.xdist_group("import"), pytest.mark.timeout(300)]

TODAY = datetime.now(UTC).date()
ROWS = 40


def ago(days: int) -> str:
    return (TODAY - timedelta(days=days)).isoformat()


def row(n: int) -> dict[str, Any]:
    """One of the caseload, a canary in every cell that may hold words."""
    cells: dict[str, Any] = {
        "external_id": f"{CANARY}-{n}",
        "pathway": "low_back_pain",
        "received_on": ago(60),
        "family": f"{CANARY}{n}",
        "given": f"{CANARY}{n}",
        "birth_date": BIRTH_DATE,
        "sex": "female",
        "email": f"{CANARY.lower()}{n}@mail.example",
        "phone": f"+44 {CANARY}",
        "language": "en",
        "referrer_name": f"Dr {CANARY}",
        "referrer_email": f"{CANARY.lower()}@surgery.example",
        "consent_to_messages": "yes",
        "red_flags_screened": "yes",
    }
    plan = {
        "discipline": "physiotherapy",
        "plan_label": "medium_risk",
        "started_on": ago(20),
        "visits_used": "2",
        "last_visit_on": ago(9),
        "certified_on": ago(15),
    }
    ended = {"discharged_on": ago(20), "discharge_reason": "GOALS"}
    match n % 5:
        case 0:
            return {**cells, "stage": "intake", "red_flags_screened": "no"}
        case 1:
            return {**cells, "stage": "referral"}
        case 2:
            knee = {"pathway": "total_knee_replacement", "surgery_on": ago(30), "phase": "2"}
            return {**cells, **knee, "stage": "post_surgery_rehab"}
        case 3:
            return {**cells, "stage": "follow_up", **ended, "summary_signed": "yes"}
        case _:
            return {**cells, "stage": "therapy", **plan}


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, [c.name for c in COLUMNS])
    writer.writeheader()
    writer.writerows(rows)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def wrong_rows() -> list[dict[str, Any]]:
    """A canary in every cell that takes no words: each is refused."""
    good = row(4)
    return [
        {**good, "external_id": f"wrong-{n}", name: CANARY}
        for n, name in enumerate(c.name for c in COLUMNS if c.name not in WORDS)
    ]


WORDS = {"external_id", "family", "given", "phone", "referrer_name"}


def wrong_files() -> list[bytes]:
    return [
        f"external_id,{CANARY}\n1,2\n".encode(),
        f'external_id,pathway,stage,received_on\n"{CANARY}'.encode(),
        f"external_id\n{CANARY}\xff".encode("latin-1"),
        f"external_id,pathway,stage,received_on\n{CANARY}\n".encode(),
        f'{{"{CANARY}": "{CANARY}", "plans": [{{"{CANARY}": 1}}]}}\n{{"{CANARY}"\n'.encode(),
        f'{{"external_id": ["{CANARY}"], "plans": "{CANARY}"}}'.encode(),
        CANARY.encode(),
    ]


async def test_a_caseload_begins_once_and_its_patients_stay_in_postgresql(capfd: pytest.CaptureFixture[str]) -> None:
    with temporary_folder() as folder:
        inbox = folder.parent / "inbox"
        inbox.mkdir()

        async def import_(content: bytes, *more: str) -> Ran:
            file = inbox / "caseload.csv"
            file.write_bytes(content)
            ran = await command("import", str(file), "--dir", str(folder), *more)
            is_calm(ran)
            said.append(ran)
            return ran

        said: list[Ran] = []
        async with running(Options(folder=folder, migrate=bring_up_to_date, worker_env={})) as stack:
            database = await Database.open(stack.dsn("app"), size=4)
            client = await connect(stack.stack.temporal_address)
            try:
                caseload = [row(n) for n in range(ROWS)]
                dry = await import_(as_csv(caseload), "--dry-run", "--json")
                assert dry.code == 0, dry.said
                assert dry.lines[-1]["summary"]["by_status"] == {"accepted": ROWS}
                assert await count(database, "referral") == 0

                await refusals(import_, database, caseload)
                ran = await import_(as_csv(caseload), "--json", "--as", "p-lead")
                assert ran.code == 0
                os.kill(stack.child("worker").pid, signal.SIGKILL)
                again = await import_(as_csv(caseload), "--json")
                assert {line["status"] for line in again.lines[:-1]} == {"duplicate"}
                assert again.code == 0

                async def all_begun() -> bool:
                    return await count(database, "journey") == ROWS

                await until(all_begun, seconds=120)
                await begun_in_their_stages(database, ran)
                changed = await import_(as_csv([{**caseload[4], "visits_used": "5"}]), "--json")
                assert changed.lines[0]["status"] == "amendment"
                said.append(await import_(as_csv(caseload)))
                seen = await what_temporal_tells(client, stack)
            finally:
                await database.close()
        assert [r for r in said if hits(r.said.encode())] == []
        assert hits(seen) == []
        files = [path for path in folder.rglob("*") if path.is_file() and belongs_to_us(path.relative_to(folder))]
        assert any(path.name.startswith("temporal.db") for path in files)
        assert [path.name for path in files if hits(path.read_bytes())] == []
    shown = capfd.readouterr()
    assert hits((shown.out + shown.err).encode()) == []


async def count(database: Database, table: str) -> int:
    return int(await database.value(f"select count(*) from continuum.{table}"))


async def refusals(import_: Any, database: Database, caseload: list[dict[str, Any]]) -> None:
    """Every way to be refused; nothing of it is stored, and with all-or-nothing nothing else either."""
    wrong = await import_(as_csv(wrong_rows()), "--json")
    assert wrong.code == 2
    assert {line["status"] for line in wrong.lines[:-1]} == {"refused"}
    assert all(p["column"] for line in wrong.lines[:-1] for p in line["problems"]), wrong.out
    await import_(as_csv(wrong_rows()))
    for content in wrong_files():
        assert (await import_(content)).code == 2
        assert (await import_(content, "--json")).code == 2
    mixed = await import_(as_csv([*caseload, {**caseload[0], "external_id": "x", "phase": "-"}]), "--all-or-nothing")
    assert mixed.code == 2
    assert await count(database, "referral") == 0


async def begun_in_their_stages(database: Database, ran: Ran) -> None:
    """Each in its stage, by one row that says so, and nobody outside was written to."""
    by_id = {r["id"]: r for r in await database.fetch("select * from continuum.journey")}
    for line in ran.lines[:-1]:
        assert by_id[line["journey"]]["stage"] == line["stage"]
    rows = await database.fetch("select journey, person from continuum.journal where kind = 'taken_over'")
    assert len(rows) == len({r["journey"] for r in rows}) == ROWS
    assert {r["person"] for r in rows} == {"p-lead"}
    told = await database.fetch("select recipient from continuum.notice where recipient in ('patient', 'referrer')")
    assert not told


async def test_a_slot_that_is_taken_meanwhile_is_owed_again_and_holds_nothing_up() -> None:
    """Two patients with the same clinician at the same time: the second begins without its visit."""
    with temporary_folder() as folder:
        async with running(Options(folder=folder, migrate=bring_up_to_date, worker_env={})) as stack:
            database = await Database.open(stack.dsn("app"), size=4)
            try:
                at = TODAY + timedelta(days=(7 - TODAY.weekday()) % 7 or 7)
                booked = {"next_visit_at": f"{at.isoformat()}T10:00", "next_visit_clinician": "p-lead"}
                rows = [{**row(4), "external_id": f"slot-{n}", **booked} for n in range(2)]
                file = folder.parent / "slots.jsonl"
                file.write_text("".join(json.dumps(r) + "\n" for r in rows))
                ran = await command("import", str(file), "--dir", str(folder), "--json")
                assert ran.code == 0, ran.said
                assert any("taken" in note for note in ran.lines[1]["notes"])

                async def begun() -> bool:
                    return await count(database, "journey") == len(rows)

                await until(begun, seconds=60)
                assert await count(database, "visit") == 1
                owed = await database.fetch(
                    "select journey from continuum.task where kind = 'book_visit' and settled_at is null"
                )
                assert len(owed) == 1
            finally:
                await database.close()
