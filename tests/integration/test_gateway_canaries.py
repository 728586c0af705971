"""Nothing of a patient comes out of the gateway but to those who may read it: canaries through every door and error.

Searched: every answer that is an error, the logs of all processes, Temporal's file, the audit, and the reasons of what
was refused or put before a person.
"""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from continuum.corpus.doors import MLLP, Door
from continuum.corpus.sending import Sender
from continuum.corpus.signing_in import registered, token_for
from continuum.embedded.folder import temporary_folder
from continuum.embedded.supervisor import Options, Supervisor, running
from continuum.site import EXAMPLE_CLINIC, bring_up_to_date
from records.database import Database
from tests.integration.test_canaries import (
    BIRTH_DATE,
    CANARY,
    belongs_to_us,
    canary,
    full_order,
    hits,
    refused_messages,
)
from tests.integration.tools import ROOT, message, until

pytestmark = pytest.mark.timeout(300)

BACK = ("http://hl7.org/fhir/sid/icd-10", "M54.5")
HL7 = ROOT / "tests" / "fixtures" / "hl7"
JSON = "application/fhir+json"


async def test_canaries_come_out_of_no_error_and_no_log() -> None:
    with temporary_folder() as folder:
        options = Options(folder=folder, migrate=bring_up_to_date, worker_env={}, gateway_env={})
        async with running(options) as stack:
            database = await Database.open(stack.dsn("app"), size=4)
            try:
                said = await speak(stack, database)
                await quiet(database)
                said += await what_the_record_tells_of_them(database)
                stored = await database.value(
                    "select count(*) from continuum.inbound where convert_from(raw, 'LATIN1') like '%' || $1 || '%'",
                    CANARY,
                )
            finally:
                await database.close()
        assert stored >= 20, "canaries are where they belong"
        assert [one for one in said if hits(one.encode())] == []
        files = [path for path in folder.rglob("*") if path.is_file() and belongs_to_us(path.relative_to(folder))]
        assert {"gateway.log", "worker.log", "postgres.log"} <= {path.name for path in files}
        assert [path.name for path in files if hits(path.read_bytes())] == []
        log = (folder / "logs" / "gateway.log").read_text()
        assert "/fhir/ServiceRequest" in log, "requests are logged, by their route"
        assert "Traceback" not in log


async def speak(stack: Supervisor, database: Database) -> list[str]:
    """Every door, with canaries in all that a caller may put into it. What errors said."""
    at = stack.stack
    assert at.gateway_url is not None
    assert at.hl7_address is not None
    host, _, port = at.hl7_address.rpartition(":")
    said: list[str] = []
    async with httpx.AsyncClient(base_url=at.gateway_url, timeout=30) as client:
        token = await token_for(client, await registered(database, EXAMPLE_CLINIC.tenant))
        headers = {"Authorization": f"Bearer {token}", "Content-Type": JSON}

        async def ask(
            method: str, path: str, content: bytes = b"", more: dict[str, str] | None = None
        ) -> httpx.Response:
            answer = await client.request(method, path, content=content, headers={**headers, **(more or {})})
            assert answer.status_code < 500, (path, answer.status_code)
            if not answer.is_success:
                said.append(answer.text + repr(answer.headers))
            return answer

        good = full_order(BACK)
        taken = await ask("POST", "/fhir/ServiceRequest", json.dumps({**good, "id": "x"}).encode())
        assert taken.status_code == 201, taken.text
        order = taken.headers["Location"].rstrip("/").split("/")[-1]
        for raw in refused_messages():
            for path in ("/fhir", "/fhir/ServiceRequest", "/fhir/Task", "/fhir/$process-message", "/fhir/Observation"):
                await ask("POST", path, raw)
        await ask("POST", "/fhir/ServiceRequest", message(good), {"Idempotency-Key": canary("key-")})
        await ask("POST", "/fhir/ServiceRequest", message(good), {"If-None-Exist": f"identifier={canary()}"})
        await ask("PUT", f"/fhir/ServiceRequest/{order}", message(good), {"If-Match": f'W/"{canary()}"'})
        for path in (
            f"/fhir/ServiceRequest?identifier=urn:x|{CANARY}&{CANARY}=1",
            f"/fhir/Patient?birthdate={BIRTH_DATE}&{CANARY}={CANARY}",
            f"/fhir/Task?_sort={CANARY}",
            f"/fhir/Patient/{CANARY}",
            f"/fhir/{CANARY}",
            f"/api/journeys/{CANARY}?stage={CANARY}",
            f"/answer?{CANARY}",
            f"/{CANARY}",
        ):
            await ask("GET", path)
        await ask("POST", "/fhir/Patient/_search", f"{CANARY}={CANARY}".encode())
        await ask("GET", "/fhir/Task", more={"Authorization": f"Bearer {CANARY}"})
        await ask("GET", "/fhir/Task", more={"X-Request-Id": canary(), "X-Forwarded-For": CANARY})
        assertion = {"grant_type": "client_credentials", "client_assertion": CANARY, "client_id": CANARY}
        said.append((await client.post("/oauth/token", data=assertion)).text)

        sender = Sender(client, token, host, int(port))
        for file in sorted(HL7.glob("*.hl7")):
            answer = await sender.send(with_canaries(file), MLLP)
            assert answer.verdict != "broken" or answer.code == "no-answer", (file.name, answer)
            said.append(f"{answer.code} {answer.words}")
        assert (await sender.send(b"<x>" + CANARY.encode(), Door("fhir", "/fhir", "application/fhir+xml"))).code
    return said


def with_canaries(file: Path) -> bytes:
    """The patient of our messages under another name, born on another day."""
    raw = file.read_bytes()
    for before, after in ((b"Testova", CANARY.encode()), (b"19670412", BIRTH_DATE.replace("-", "").encode())):
        raw = raw.replace(before, after)
    return raw


async def quiet(database: Database) -> None:
    async def done() -> bool:
        sql = "select count(*) from continuum.ask where status = 'waiting' and attempts < 2"
        return not await database.value(sql)

    await until(done, seconds=60)


async def what_the_record_tells_of_them(database: Database) -> list[str]:
    """What lists for people and operators show: never what a message says of a patient."""
    rows = [
        *await database.fetch("select caller, operation, subject from continuum.audit"),
        *await database.fetch("select name, data, status, code, reason, result from continuum.ask"),
        *await database.fetch("select kind, code, reason, path from continuum.inbound where outcome = 'refused'"),
        *await database.fetch("select text, data, inputs, outcome from continuum.journal"),
    ]
    assert len(rows) > 50
    return [repr(dict(row)) for row in rows]
