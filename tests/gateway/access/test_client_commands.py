"""Registering systems and getting tokens, by the command line against a gateway that listens."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from continuum.embedded.folder import Folder
from continuum.embedded.ports import free_port
from continuum.embedded.sign_in.issuing import open_issuer
from gateway.access import oauth
from gateway.access.settings import AccessSettings
from gateway.app import create_app
from gateway.context import Gateway, GatewaySettings, LazyTemporal
from gateway.serving import Address, serve_http
from records import clients
from records.clients import RegisteredClient
from tests.conftest import House
from tests.gateway.access.assertion import System, form, public_jwk
from tests.gateway.access.test_backend_services import built as with_oauth
from tests.integration.tools import Ran, command, one_line


@dataclass
class Desk:
    """Somebody at a terminal, with a gateway that listens."""

    house: House
    url: str
    tmp: Path

    async def run(self, *arguments: str | Path) -> Ran:
        return await command(*arguments, "--dir", self.house.stack.folder.root)

    def file(self, content: object) -> Path:
        path = self.tmp / f"{uuid4().hex[:8]}.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    async def token(self, id_: str, key: Path, *more: str) -> Ran:
        return await command("token", "--client", id_, "--key", key, "--url", self.url, *more)

    async def added(self, *more: str | Path) -> tuple[str, Path]:
        id_ = f"h-{uuid4().hex[:8]}"
        key = self.tmp / f"{id_}.jwk"
        ran = await self.run("client", "add", id_, "--name", "Hospital", "--new-key", key, *more)
        assert ran.code == 0, ran
        return id_, key


@pytest.fixture(scope="module")
async def listening(quiet_house: House) -> AsyncIterator[str]:
    port, stop, ready = free_port(avoid=[]), asyncio.Event(), asyncio.Event()
    url = f"http://127.0.0.1:{port}"
    gateway = Gateway(quiet_house.database, LazyTemporal(), GatewaySettings(tenant="clinic", base_url=url))
    served = asyncio.create_task(
        serve_http(create_app(gateway), Address("127.0.0.1", port), stop=stop, listening=ready.set)
    )
    await ready.wait()
    yield url
    stop.set()
    await served


@pytest.fixture
def desk(quiet_house: House, listening: str, tmp_path: Path) -> Desk:
    return Desk(quiet_house, listening, tmp_path)


async def test_a_system_is_registered_and_gets_a_token(desk: Desk) -> None:
    id_, key = await desk.added("--scope", "system/ServiceRequest.cruds", "--scope", "system/Task.read")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    ran = await desk.token(id_, key, "--json")
    assert (ran.code, ran.json["scope"]) == (0, "system/ServiceRequest.cruds system/Task.rs")
    assert (await desk.token(id_, key)).out.count(".") == 2
    stored = await clients.find(desk.house.database, id_)
    assert stored is not None
    assert "d" not in stored.jwks["keys"][0]  # type: ignore[index]
    one_line(await desk.token(id_, key, "--scope", "system/Patient.d"), "invalid_scope")


async def test_a_rotated_key_counts_beside_the_last_one(desk: Desk) -> None:
    id_, first = await desk.added("--scope", "system/*.rs")
    second, third = desk.tmp / "second.jwk", desk.tmp / "third.jwk"
    assert (await desk.run("client", "rotate", id_, "--new-key", second)).code == 0
    assert [(await desk.token(id_, key)).code for key in (first, second)] == [0, 0]
    assert (await desk.run("client", "rotate", id_, "--new-key", third, "--only-new")).code == 0
    assert [(await desk.token(id_, key)).code for key in (first, second, third)] == [2, 2, 0]


async def test_a_system_that_is_shut_out_gets_none(desk: Desk) -> None:
    id_, key = await desk.added("--scope", "system/*.rs")
    assert (await desk.run("client", "disable", id_)).code == 0
    one_line(await desk.token(id_, key), "invalid_client")
    assert "shut out" in (await desk.run("client", "list")).out
    assert (await desk.run("client", "enable", id_)).code == 0
    assert (await desk.token(id_, key)).code == 0


async def test_all_that_is_said_of_a_system_is_kept(desk: Desk) -> None:
    id_ = f"h-{uuid4().hex[:8]}"
    hex_ = "AB:" * 31 + "cd"
    ran = await desk.run(
        *("client", "add", id_, "--name", "North", "--hl7-sender", f"EPIC|{id_}", "--profile", "bser", "--json"),
        *("--organisation", "urn:oid:1.2|north", "--certificate", hex_),
    )
    assert ran.json["hl7_senders"] == [f"EPIC|{id_}"]
    listed = next(one for one in (await desk.run("client", "list", "--json")).json if one["id"] == id_)
    assert (listed["profile"], listed["organisation"]) == ("bser", "urn:oid:1.2|north")
    assert listed["certificate"] == hex_.replace(":", "").lower()
    found = await clients.of_hl7_sender(desk.house.database, "clinic", f"EPIC|{id_}")
    assert found is not None
    assert found.id == id_
    assert await clients.of_hl7_sender(desk.house.database, "elsewhere", f"EPIC|{id_}") is None


SYSTEM = System("x", oauth.TOKEN_PATH)


async def test_keys_may_be_given_as_a_file_or_by_their_address(desk: Desk) -> None:
    ran = await desk.run("client", "add", f"h-{uuid4().hex[:8]}", "--name", "N", "--jwks", desk.file(SYSTEM.jwks()))
    assert ran.code == 0
    ran = await desk.run(
        "client", "add", f"h-{uuid4().hex[:8]}", "--name", "N", "--jwks-url", "https://keys.hospital.example/jwks"
    )
    assert ran.code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "how is it known"),
        (("--jwks-url", "http://127.0.0.1/jwks"), "--jwks-url: the URL"),
        (("--jwks-url", "https://10.0.0.1/jwks"), "public"),
        (("--jwks-url", "https://a.example/", "--new-key", "k"), "give one of them"),
        (("--hl7-sender", "EPIC"), "two parts"),
        (("--hl7-sender", "A|B", "--profile", "x"), "--profile is one of"),
        (("--hl7-sender", "A|B", "--scope", "user/*.rs"), "--scope: user/*.rs is not known"),
        (("--hl7-sender", "A|B", "--certificate", "12"), "64 hex digits"),
        (("--jwks", "nowhere.json"), "cannot be read"),
    ],
)
async def test_a_mistake_is_one_line(desk: Desk, arguments: tuple[str, ...], words: str) -> None:
    one_line(await desk.run("client", "add", "h-wrong", "--name", "N", *arguments), words)
    assert await clients.find(desk.house.database, "h-wrong") is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no JSON"),
        ({"keys": []}, "has no keys"),
        ({"keys": [{**public_jwk(SYSTEM.ec, "a"), "d": "AA"}]}, "private"),
        ({"keys": [public_jwk(SYSTEM.ec, "a"), public_jwk(SYSTEM.ec, "a")]}, "kid of its own"),
        ({"keys": [{"kty": "oct", "kid": "a", "k": "AA"}]}, "private"),
    ],
)
async def test_a_key_file_that_will_not_do_is_not_registered(desk: Desk, content: object, words: str) -> None:
    one_line(await desk.run("client", "add", "h-wrong", "--name", "N", "--jwks", desk.file(content)), words)


async def test_an_id_is_one_of_ours_and_there_once(desk: Desk) -> None:
    id_, key = await desk.added()
    again = desk.tmp / "again.jwk"
    one_line(await desk.run("client", "add", id_, "--name", "N", "--new-key", again), "registered already")
    assert not again.exists()
    one_line(await desk.run("client", "add", "A B", "--name", "N", "--new-key", again), "small letters")
    assert not again.exists()
    one_line(await desk.run("client", "add", "h-wrong", "--name", "N", "--new-key", key), "is there already")
    one_line(await desk.run("client", "disable", "h-nowhere"), "no system of the id")


async def test_a_token_for_a_person_of_the_stack(desk: Desk) -> None:
    issuer = open_issuer(Folder(desk.house.stack.folder.root), "http://127.0.0.1:1")
    ran = await desk.run("token", "--as", "p-therapist", "--json")
    assert (ran.code, ran.json["roles"]) == (0, ["therapist"])
    said = issuer.read(ran.json["access_token"])
    assert said is not None
    assert said["sub"] == "p-therapist"
    one_line(await desk.run("token", "--as", "p-nobody"), "not in the directory")
    one_line(await desk.run("token", "--as", "p-therapist", "--client", "x"), "whose token")


async def test_a_gateway_that_is_none_is_one_line(desk: Desk) -> None:
    id_, key = await desk.added("--scope", "system/*.rs")
    nowhere = replace(desk, url=f"http://127.0.0.1:{free_port(avoid=[])}")
    one_line(await nowhere.token(id_, key), "no answer")
    one_line(await replace(desk, url=f"{desk.url}/fhir/nowhere").token(id_, key), "not the answer of a gateway")
    one_line(await desk.token(id_, desk.file("{}")), "private key as JWK")
    one_line(await desk.token(id_, desk.file(public_jwk(SYSTEM.ec, "a"))), "public half")


async def test_the_gateways_own_keys_are_made_and_rotated(desk: Desk) -> None:
    file = desk.tmp / "keys.json"
    for _ in range(2):
        assert (await command("signing-key", file)).code == 0
    assert len(json.loads(file.read_text())["keys"]) == 2
    one_line(await command("signing-key", desk.file("{}")), "no file of signing keys")


async def test_the_token_of_the_command_line_opens_the_gateway(desk: Desk) -> None:
    id_, key = await desk.added("--scope", "system/*.cruds")
    token = (await desk.token(id_, key)).out.strip()
    async with httpx.AsyncClient(base_url=desk.url) as http:
        answer = await http.get("/fhir/Task/nowhere", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 404


async def test_a_system_whose_keys_are_at_its_own_address_gets_in(quiet_house: House) -> None:
    """Over a socket: the keys are fetched, and only where the settings say that this private address may be asked."""
    system, asked = System(f"h-{uuid4().hex[:8]}", f"https://continuum.example{oauth.TOKEN_PATH}"), 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps(system.jwks()).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        keys_at = f"http://127.0.0.1:{port}/jwks"
        client = RegisteredClient(tenant="clinic", id=system.id, name="N", scopes="system/*.rs", jwks_url=keys_at)
        await clients.add(quiet_house.database, client)
        for allowed, status, fetched in ((frozenset(), 400, 0), (frozenset({("127.0.0.1", port)}), 200, 1)):
            app = with_oauth(quiet_house.database, AccessSettings(allowed_private=allowed, failures_per_minute=1000))
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="https://continuum.example") as http:
                for jku in ({}, {"jku": keys_at}):
                    assertion = system.sign(system.claims(), **jku)
                    got = await http.post(oauth.TOKEN_PATH, data=form(assertion))
                    assert (got.status_code, asked) == (status, fetched)
