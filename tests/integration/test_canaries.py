"""Nothing of a patient leaves PostgreSQL: canaries in every field and through every error, then a search of all files.

Not searched: PostgreSQL's own files and the sink's letters, where the data belongs.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import re
import signal
import sys
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from temporalio.client import Client

from activities.clinics import calendar_of
from continuum.demo import referrals, stories
from continuum.demo.player import Player
from continuum.embedded.folder import temporary_folder
from continuum.embedded.supervisor import Options, Supervisor, running
from continuum.site import EXAMPLE_CLINIC, bring_up_to_date
from records.database import Database, DatabaseAway
from tests.integration.tools import FIXTURES, PATIENT, Ran, command, is_calm, message, order, process, until
from workflows.connection import connect

pytestmark = pytest.mark.timeout(300)

CANARY = "Zq7Canary"
BIRTH_DATE = "1961-03-14"
PLANTED = "Xw3Planted"
NEEDLES = (CANARY, CANARY.lower(), BIRTH_DATE)
BASE64 = re.compile(rb"[A-Za-z0-9+/]{12,}={0,2}")
_count = itertools.count(1)


def canary(words: str = "") -> str:
    return f"{words}{CANARY}{next(_count)}"


def everywhere(node: Any, keep: frozenset[str], trail: str = "") -> Any:
    """The same message with a canary in every string that does not steer the reader."""
    if isinstance(node, dict):
        return {key: everywhere(value, keep, key) for key, value in node.items()}
    if isinstance(node, list):
        return [everywhere(value, keep, trail) for value in node]
    if isinstance(node, str) and trail not in keep:
        return f"{node} {canary()}" if " " in node else f"{node}-{canary()}"
    return node


STEERS = frozenset(
    {
        *("resourceType", "type", "status", "intent", "priority", "reference", "gender", "system", "code", "use"),
        *("birthDate", "authoredOn", "timestamp", "fullUrl", "mode", "eventUri", "rank", "url", "deceasedDateTime"),
        *("method", "start", "end"),
    }
)


def full_order(pathway_code: tuple[str, str]) -> dict[str, Any]:
    """Every element that the reader knows, and many that it does not."""
    system, code = pathway_code
    words = {"text": canary("says ")}
    identifier = {"system": f"https://{CANARY.lower()}.example/ids", "value": canary("id-"), "type": words}
    telecom = [
        {"system": "email", "value": f"{CANARY.lower()}{next(_count)}@mail.example"},
        {"system": "phone", "value": f"+44 {CANARY}"},
    ]
    person = {
        "identifier": [identifier],
        "name": [{"family": canary(), "given": [canary(), canary()], "prefix": [canary()], "text": canary("Mx ")}],
        "telecom": telecom,
        "address": [{"line": [canary()], "city": canary(), "postalCode": canary()}],
        "birthDate": BIRTH_DATE,
        "gender": "female",
    }
    coding = {"system": f"urn:{CANARY}:codes", "code": canary("c-"), "display": canary("shows ")}
    concept = {"coding": [coding], "text": canary("text ")}
    return order(
        patient={
            **person,
            "communication": [{"language": concept, "preferred": True}],
            "contact": [{"name": {"text": canary()}, "telecom": telecom}],
            "generalPractitioner": [{"display": canary()}],
            "photo": [{"title": canary(), "url": f"https://{CANARY.lower()}.example/photo"}],
            "extension": [{"url": f"https://{CANARY.lower()}.example/x", "valueString": canary()}],
        },
        id=canary("order-"),
        identifier=[identifier],
        meta={"source": f"https://{CANARY.lower()}.example/fhir#{canary()}", "profile": [canary("urn:")]},
        category=[concept],
        code=concept,
        orderDetail=[concept],
        reasonCode=[{"coding": [{"system": system, "code": code, "display": canary()}, coding], "text": canary()}],
        note=[{"text": canary("note "), "authorString": canary()}],
        patientInstruction=canary("do "),
        supportingInfo=[{"display": canary(), "reference": f"Binary/{CANARY}"}],
        insurance=[{"display": canary()}],
        encounter={"reference": f"Encounter/{CANARY}"},
        performer=[{"display": canary()}],
        requisition=identifier,
        replaces=[{"reference": f"ServiceRequest/{CANARY}"}],
        text={"status": "generated", "div": canary("<div>")},
    )


def refused_messages() -> Iterator[bytes]:
    good = full_order(("http://hl7.org/fhir/sid/icd-10", "M54.5"))
    yield message({**good, "status": "revoked"}, id=canary("b-"))
    yield message({**good, "status": canary()}, id=canary("b-"))
    yield message({**good, "priority": canary()}, id=canary("b-"))
    yield message({**good, "subject": canary()}, id=canary("b-"))
    yield message({**good, canary(): [canary()], "note": [{"text": [canary()]}]}, id=canary("b-"))
    yield message({**good, "identifier": [{"system": "urn:x", "value": CANARY * 200}]}, id=canary("b-"))
    yield f'{{"resourceType": "ServiceRequest", "{canary()}": "{canary()}", broken'.encode()
    yield f'{{"{CANARY}": "{canary()}", "{CANARY}": 1}}'.encode()
    yield f'"{canary()}'.encode() + b"\xff\xfe"
    yield f'{{"resourceType": "{canary()}"}}'.encode()


class Refusing:
    """A mail server that says no in the patient's own words, then takes what comes."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()
        self.taken = 0

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        theirs, on_call = CANARY.lower() in address.lower(), address.startswith("on-call@")
        if (theirs or on_call) and self.refused[address] < (1 if on_call else 2):
            self.refused[address] += 1
            return f"{('550', '451')[self.refused[address] % 2]} {CANARY} refuses {address}"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.taken += 1
        return f"250 stored {CANARY}"


@pytest.fixture(scope="module")
async def mail_server() -> AsyncIterator[tuple[Refusing, int]]:
    handler = Refusing()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, loop=loop), "127.0.0.1", 0)
    yield handler, server.sockets[0].getsockname()[1]
    server.close()


async def test_canaries_stay_in_postgresql(
    mail_server: tuple[Refusing, int], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    refusing, smtp_port = mail_server
    with temporary_folder() as folder:
        options = Options(
            folder=folder,
            time_skipping=True,
            migrate=bring_up_to_date,
            worker_env={"CANARY": CANARY, "CONTINUUM_SMTP_PORT": str(smtp_port)},
            worker_command=(sys.executable, "-m", "tests.integration.faulty_worker"),
        )
        said: list[Ran] = []
        async with running(options) as stack:
            database = await Database.open(stack.dsn("app"), size=6)
            client = await connect(stack.stack.temporal_address)
            try:
                journey = await play(client, database, monkeypatch)
                said += await speak(folder, journey)
                said += await break_things(stack, database, folder)
                said += [await command("notices", "--dir", folder), await command("notices", "--dir", folder, "--json")]
                assert "refused (451)" in said[-1].out or "refused (550)" in said[-1].out
                assert refusing.refused["on-call@clinic.example"] == 1
                assert refusing.refused.total() >= 3
                assert refusing.taken >= 5
                await positive_controls(client, stack)
                seen = await what_temporal_tells(client, stack)
            finally:
                await database.close()
        assert [ran for ran in said if any(needle in ran.said for needle in NEEDLES)] == []
        for ran in said:
            is_calm(ran)
        assert hits(seen) == []
        assert PLANTED in spoken(seen), "the search sees what Temporal tells"

        files = [path for path in folder.rglob("*") if path.is_file() and belongs_to_us(path.relative_to(folder))]
        names = {path.name for path in files}
        assert {"temporal.db", "worker.log", "temporal.log", "postgres.log", "mail.log"} <= names
        assert [path.name for path in files if hits(path.read_bytes())] == []
        found = {path.name for path in files if PLANTED.encode() in path.read_bytes()}
        assert any(name.startswith("temporal.db") for name in found), "the search sees what is in Temporal's file"
        log = (folder / "logs" / "worker.log").read_text()
        for name in ("persist", "prepare", "alarm", "write_summary", "load_pathway"):
            assert f'"activity": "{name}"' in log, f"{name} was made to fail"
        assert "post_waits" in log, "the post was made to fail"
        planted = folder / "logs" / "planted.log"
        planted.write_bytes(b"\x00" + base64.b64encode(f"xx {CANARY}1".encode()))
        assert hits(planted.read_bytes())
    shown = capfd.readouterr()
    assert hits((shown.out + shown.err).encode()) == []


def belongs_to_us(path: Path) -> bool:
    return path.parts[0] not in ("postgres", "mail", "bin")


def spoken(data: bytes) -> str:
    """The bytes, and what is base64 in them."""
    decoded = []
    for chunk in BASE64.findall(data):
        whole = chunk[: len(chunk) // 4 * 4]
        decoded.append(base64.b64decode(whole))
    return b"\n".join([data, *decoded]).decode("latin-1")


def hits(data: bytes) -> list[str]:
    text = spoken(data)
    return [needle for needle in NEEDLES if needle in text]


async def play(client: Client, database: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    """Journeys that pass through every activity, all of them with faults. Returns one that stays open."""
    calendar = calendar_of(EXAMPLE_CLINIC, datetime.now(UTC).date())

    def player(name: str) -> Player:
        return Player(name, client, database, calendar, tenant="clinic", narrate=lambda who, row: None)

    back = ("http://hl7.org/fhir/sid/icd-10", "M54.5")
    monkeypatch.setattr(referrals, "sudden_back_pain", lambda: message(full_order(back), id=canary("delivery-")))
    whole, urgent, open_one = player("whole"), player("urgent"), player("open")
    await asyncio.gather(as_far_as_follow_up(whole, full_order(back)), stories.cauda_equina(urgent))
    await open_one.refer(message(full_order(("urn:none", canary())), id=canary("delivery-")))
    await open_one.act("choose_pathway", pathway="low_back_pain")
    await open_one.act("hold", reason="patient_away", review_on=await open_one.now() + _WEEK, note=canary("note "))
    for name in sorted(FIXTURES.glob("*.json")):
        received = await player("fixture").refer(
            json.dumps(everywhere(json.loads(name.read_bytes()), STEERS)).encode(), source=canary("door-")
        )
        assert received.outcome in ("accepted", "duplicate", "amendment"), (name.name, received)
    return open_one.journey


async def as_far_as_follow_up(p: Player, resource: dict[str, Any]) -> None:
    await p.refer(message(resource, id=canary("delivery-")))
    await stories.intake(p, "low_back_pain")
    plan = await stories.evaluate(p, nprs=7, odi=44, psfs=3, start_back="medium")
    await p.act("review_progress", "therapist", plan=plan, decision="discharge", reason="SELF", note=canary("why "))
    await stories.discharge(p)


_WEEK = datetime(2026, 1, 8) - datetime(2026, 1, 1)  # noqa: DTZ001


async def speak(folder: Path, journey: str) -> list[Ran]:
    """The command line with canaries in everything that people and senders may put into it."""
    inbox = folder.parent / "inbox"
    inbox.mkdir(exist_ok=True)
    files = []
    for n, raw in enumerate(refused_messages()):
        files.append(inbox / f"{n}.json")
        files[-1].write_bytes(raw)
    odd = inbox / f"{CANARY} of Jane.json"
    odd.write_bytes(message(full_order(("http://hl7.org/fhir/sid/icd-10", "M54.5"))))
    act = ("act", "--dir", folder, journey)
    said = list(
        await asyncio.gather(
            process("refer", "--dir", folder, "--json", *files),
            process("refer", "--dir", folder, *files, "--source", canary("door-")),
        )
    )
    assert [ran.code for ran in said] == [1, 1]
    assert {line["outcome"] for line in said[0].lines} == {"refused"}
    by_name = await process("refer", "--dir", folder, odd)
    assert by_name.code == 0
    said.append(Ran(0, by_name.out.replace(str(odd), "FILE"), by_name.err))  # whoever named the file sees its name
    mistakes = [
        (*act, "resume", "--data", json.dumps({"note": canary("they said ")})),
        (*act, "resume", "--data", json.dumps({canary(): canary()})),
        (*act, "screen", "--data", json.dumps({"answers": {canary(): True}})),
        (*act, "screen", "--data", json.dumps({"answers": {CANARY.lower(): True}})),
        (*act, "record_scores", "--data", json.dumps({"scores": {CANARY.lower(): canary()}})),
        (*act, "record_scores", "--data", json.dumps({"scores": {"nprs": canary()}})),
        (*act, "hold", "--data", json.dumps({"reason": canary(), "review_on": canary()})),
        (*act, "settle_notice", "--data", json.dumps({"task": canary(), "outcome": "not_needed"})),
        (*act, "enter_in_error", "--data", json.dumps({"what": "score", "id": canary()})),
        (*act, "resume", "--data", canary('{"')),
        (*act, "resume", "--person", canary()),
        (*act, "resume", "--role", canary()),
        (*act, "resume", "--expect", canary()),
        (*act, "resume", "--action-id", canary("an id ")),
        (*act, canary("do_")),
        ("act", "--dir", folder, canary("j"), "resume"),
    ]
    said += await asyncio.gather(*(process(*arguments) for arguments in mistakes[:2]))
    said += [await command(*arguments) for arguments in mistakes[2:]]
    assert said[3].code == 0, said[3]
    assert all(ran.code in (1, 2) for ran in said[4:]), said
    return said


async def break_things(stack: Supervisor, database: Database, folder: Path) -> list[Ran]:
    """Errors of the database with data in them, and referrals while it does not answer."""
    connection = await asyncpg.connect(stack.dsn("app"))
    insert = "insert into continuum.person (tenant, id, name, email) values ($1, $2, $3, $4)"
    row = (canary(), canary(), canary(), canary())
    await connection.execute(insert, *row)
    with pytest.raises(asyncpg.UniqueViolationError, match=CANARY):
        await connection.execute(insert, *row)
    with pytest.raises(asyncpg.PostgresError):
        await connection.execute("select continuum.commit_decision($1::jsonb)", json.dumps({"journey": canary()}))
    await connection.close()
    file = folder.parent / "late.json"
    file.write_bytes(message(full_order(("http://hl7.org/fhir/sid/icd-10", "M54.5"))))
    postgres = stack.child("postgres")
    postgres.send(signal.SIGSTOP)
    try:
        hung = await process("refer", "--dir", folder, file)
    finally:
        postgres.send(signal.SIGCONT)
    gone = await process(
        "refer", file, env={"CONTINUUM_DATABASE_URL": f"postgresql://{CANARY.lower()}@127.0.0.1:1/{CANARY}"}
    )
    assert (hung.code, gone.code) == (2, 2)
    assert hung.err.count("\n") == gone.err.count("\n") == 1
    postgres.send(signal.SIGKILL)

    async def back() -> bool:
        if stack.child("postgres").pid == postgres.pid:
            return False
        try:
            await (await asyncpg.connect(stack.dsn("owner"))).close()
            return bool(await database.value("select 1"))
        except (OSError, asyncpg.PostgresError, DatabaseAway):
            return False

    await until(back, seconds=60)
    return [hung, gone]


async def positive_controls(client: Client, stack: Supervisor) -> None:
    """Canaries are where they belong; and a planted one is found where none belongs."""
    connection = await asyncpg.connect(stack.dsn("owner"))
    for table, column in (
        *(("inbound", "convert_from(raw, 'LATIN1')"), ("patient", "family"), ("patient", "email"), ("note", "body")),
        *(("referral", "texts::text"), ("referral", "codes::text"), ("referral", "requester::text")),
    ):
        found = await connection.fetchval(
            f"select count(*) from continuum.{table} where {column} ilike '%' || $1 || '%'", CANARY
        )
        assert found, (table, column)
    await connection.close()
    await client.start_workflow("Nobody", f"{PLANTED} {PATIENT}", id="planted", task_queue="nowhere")


async def what_temporal_tells(client: Client, stack: Supervisor) -> bytes:
    """Everything that clients and the Web UI can see of all runs."""
    seen: list[bytes] = []
    ui = f"{stack.stack.ui_url}/api/v1/namespaces/default/workflows"
    seen.append(await asyncio.to_thread(_get, ui))
    runs = 0
    async for run in client.list_workflows():
        runs += 1
        handle = client.get_workflow_handle(run.id, run_id=run.run_id)
        described = await handle.describe()
        seen.append(described.raw_description.SerializeToString())
        seen.append(repr((dict(described.search_attributes), described.typed_search_attributes)).encode())
        seen.append((await handle.fetch_history()).to_json().encode())
        if runs <= 12:
            path = f"{ui}/{run.id}"
            seen.append(await asyncio.to_thread(_get, f"{path}?execution.runId={run.run_id}"))
            seen.append(await asyncio.to_thread(_get, f"{path}/history?execution.runId={run.run_id}"))
        if run.id != "planted":
            answers = [await handle.query(query) for query in ("__temporal_workflow_metadata", "__stack_trace")]
            seen.append(json.dumps(answers, default=str).encode())
    assert runs >= 10
    return b"\n".join(seen)


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as answer:
        content: bytes = answer.read()
    return content
