"""The listener over a real socket, with the real record behind it."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hl7  # type: ignore[import-untyped]
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hl7.mllp import open_hl7_connection  # type: ignore[import-untyped]

from channels.mllp import Peer, send
from continuum.site import EXAMPLE_CLINIC
from gateway.context import Gateway, GatewaySettings, LazyTemporal
from gateway.hl7 import Limits, serve_mllp
from gateway.hl7.framing import framed
from gateway.hl7.reception import Reception
from records.database import DatabaseAway
from tests.conftest import House
from tests.gateway.hl7.samples import fields, fixture
from tests.gateway.hl7.test_hl7_reading import BOMBS, bomb_of_escapes

TENANT = EXAMPLE_CLINIC.tenant


def gateway(house: House, **settings: Any) -> Gateway:
    usual = GatewaySettings(tenant=TENANT, base_url="http://127.0.0.1", unknown_senders=True)
    return Gateway(house.database, LazyTemporal(), replace(usual, **settings))


@asynccontextmanager
async def listening(
    to: Gateway, *, limits: Limits | None = None, ssl_context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """A listener on a port of its own, stopped in the end."""
    stop = asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve_mllp(to, "127.0.0.1", 0, ssl_context=ssl_context, stop=stop, limits=limits, bound=port.set_result)
    )
    try:
        yield await port
    finally:
        stop.set()
        await asyncio.wait_for(serving, 20)


class Line:
    """A connection that speaks MLLP, badly if a test wants that."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def put(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def put_again_and_again(self, raw: bytes, *, pause: float = 0) -> None:
        """Until the other side has had enough. Raises ConnectionError then."""
        async with asyncio.timeout(20):
            while not self.reader.at_eof():
                await self.put(raw)
                await asyncio.sleep(pause)
        raise ConnectionError

    async def answer(self) -> bytes:
        """The next answer; empty when the other side hung up."""
        try:
            framed_answer = await asyncio.wait_for(self.reader.readuntil(b"\x1c\r"), 20)
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        return framed_answer[1:-2]

    async def ask(self, raw: bytes) -> bytes:
        await self.put(framed(raw))
        return await self.answer()


@asynccontextmanager
async def line(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()


def renamed(name: str, house_name: str, **control: str) -> bytes:
    """A message of ours, from a house of this test's own."""
    raw = fixture(name).replace(b"|NORTHSIDE|", f"|{house_name}|".encode(), 1)
    for before, after in control.items():
        raw = raw.replace(before.encode(), after.encode())
    return raw


def a_house() -> str:
    return f"H{secrets.token_hex(4)}".upper()


async def journeys(house: House, name: str) -> list[str]:
    rows = await house.database.fetch(
        "select journey from continuum.referral where tenant = $1 and source like '%|' || $2", TENANT, name
    )
    return [r["journey"] for r in rows]


async def outcomes(house: House, name: str) -> list[str]:
    rows = await house.database.fetch(
        "select outcome from continuum.inbound where tenant = $1 and source like '%|' || $2 order by recorded_at",
        TENANT,
        name,
    )
    return [r["outcome"] for r in rows]


def comparable(answer: bytes) -> bytes:
    """An answer without what every one has of its own: MSH-7 and MSH-10."""
    msh, _, rest = answer.partition(b"\r")
    parts = msh.split(b"|")
    return b"|".join(p for n, p in enumerate(parts) if n not in (6, 9)) + rest


# --- what is acknowledged is stored, once


async def test_a_referral_is_stored_before_it_is_acknowledged(quiet_house: House) -> None:
    here = a_house()
    raw = renamed("ref_i12_v2_5_1", here)
    async with listening(gateway(quiet_house)) as port, line(port) as talk:
        said = await talk.ask(raw)
    (journey,) = await journeys(quiet_house, here)
    assert fields(said, "MSA")[1:] == ["AA", "REF1005"]
    assert fields(said, "RF1")[11] == f"{journey}^CONTINUUM"
    row = await quiet_house.database.row(
        "select * from continuum.inbound where tenant = $1 and source like '%|' || $2", TENANT, here
    )
    assert row is not None
    assert row["raw"] == raw
    assert (row["protocol"], row["kind"], row["sender"]) == ("hl7v2", "REF^I12", f"hl7:EPICARE|{here}")
    assert (row["transport_key"], row["outcome"]) == ("REF1005", "accepted")


async def test_the_same_message_again_and_again_is_one_referral_with_one_answer(quiet_house: House) -> None:
    """Five in series, then twenty at once, each over a connection of its own."""
    here = a_house()
    raw = renamed("ref_i12_v2_5_1", here)
    async with listening(gateway(quiet_house)) as port:

        async def one() -> bytes:
            async with line(port) as talk:
                return await talk.ask(raw)

        series = [await one() for _ in range(5)]
        together = await asyncio.gather(*(one() for _ in range(20)))
    assert len(await journeys(quiet_house, here)) == 1
    assert len({comparable(said) for said in (*series, *together)}) == 1
    assert sorted(set(await outcomes(quiet_house, here))) == ["accepted", "duplicate"]
    assert len(await outcomes(quiet_house, here)) == 25


async def test_twenty_at_once_without_one_before_them(quiet_house: House) -> None:
    here = a_house()
    raw = renamed("omg_o19_new", here)
    async with listening(gateway(quiet_house)) as port:

        async def one() -> bytes:
            async with line(port) as talk:
                return await talk.ask(raw)

        said = await asyncio.gather(*(one() for _ in range(20)))
    assert len(await journeys(quiet_house, here)) == 1
    assert len({comparable(answer) for answer in said}) == 1


async def test_an_id_used_again_for_something_else_is_refused(quiet_house: House) -> None:
    here = a_house()
    async with listening(gateway(quiet_house)) as port, line(port) as talk:
        await talk.ask(renamed("ref_i12_v2_5_1", here))
        said = await talk.ask(renamed("ref_i12_v2_5_1", here, **{"six months": "two years"}))
    assert fields(said, "MSA")[1:3] == ["AE", "REF1005"]
    assert fields(said, "ERR")[2:4] == ["MSH^1^10", "205^Duplicate key identifier^HL70357"]
    assert await outcomes(quiet_house, here) == ["accepted", "conflict"]
    assert len(await journeys(quiet_house, here)) == 1


async def test_the_same_id_of_another_house_is_another_message(quiet_house: House) -> None:
    houses = a_house(), a_house()
    async with listening(gateway(quiet_house)) as port, line(port) as talk:
        said = [await talk.ask(renamed("ref_i12_v2_5_1", one)) for one in houses]
    assert [fields(s, "MSA")[1] for s in said] == ["AA", "AA"]
    found = [await journeys(quiet_house, one) for one in houses]
    assert len({j for one in found for j in one}) == 2


async def test_a_modification_is_an_amendment_and_a_cancellation_is_asked(quiet_house: House) -> None:
    here = a_house()
    async with listening(gateway(quiet_house)) as port, line(port) as talk:
        said = [
            await talk.ask(renamed(name, here))
            for name in ("ref_i12_v2_5_1", "ref_i13_modify", "ref_i14_cancel", "ref_i15_status")
        ]
    assert [fields(s, "MSA")[1] for s in said] == ["AA"] * 4
    assert [fields(s, "MSH")[9].split("^")[1] for s in said] == ["I12", "I13", "I14", "I15"]
    assert await outcomes(quiet_house, here) == ["accepted", "amendment", "asked", "noted"]
    (journey,) = await journeys(quiet_house, here)
    assert fields(said[3], "RF1")[11] == f"{journey}^CONTINUUM"
    asked = await quiet_house.database.row(
        "select name, about, sender from continuum.ask where sender = $1", f"hl7:EPICARE|{here}"
    )
    assert asked is not None
    assert asked["name"] == "request_cancellation"
    assert asked["about"]["referral_id"] == "urn:oid:2.999.77.1|REF-1005"


async def test_a_cancellation_that_is_quicker_than_its_referral_is_kept(quiet_house: House) -> None:
    here = a_house()
    async with listening(gateway(quiet_house)) as port, line(port) as talk:
        first = await talk.ask(renamed("ref_i14_cancel", here))
        second = await talk.ask(renamed("ref_i12_v2_5_1", here))
    assert [fields(s, "MSA")[1] for s in (first, second)] == ["AA", "AA"]
    assert await outcomes(quiet_house, here) == ["asked", "accepted"]
    waiting = "select count(*) from continuum.ask where sender = $1 and status = 'waiting'"
    assert await quiet_house.database.value(waiting, f"hl7:EPICARE|{here}") == 1


async def test_the_status_of_somebody_elses_referral_is_not_told(quiet_house: House) -> None:
    async with listening(gateway(quiet_house)) as port, line(port) as talk:
        await talk.ask(renamed("ref_i12_v2_5_1", a_house()))
        said = await talk.ask(renamed("ref_i15_status", a_house()))
    assert fields(said, "MSA")[1] == "AE"
    assert fields(said, "ERR")[2:4] == ["RF1^1^6", "204^Unknown key identifier^HL70357"]


async def test_a_refused_message_is_kept_and_may_come_again_corrected(quiet_house: House) -> None:
    here = a_house()
    wrong = renamed("ref_i12_v2_5_1", here, **{"REF-1005^NORTHSIDE^2.999.77.1^ISO": ""})
    async with listening(gateway(quiet_house)) as port, line(port) as talk:
        said = [await talk.ask(raw) for raw in (wrong, renamed("ref_i12_v2_5_1", here))]
    assert [fields(s, "MSA")[1] for s in said] == ["AE", "AA"]
    assert await outcomes(quiet_house, here) == ["refused", "accepted"]
    kept = await quiet_house.database.row(
        "select code, reason, path from continuum.inbound where outcome = 'refused' and source like '%|' || $1", here
    )
    assert kept is not None
    assert (kept["code"], kept["path"]) == ("101", "RF1^1^6")


# --- how it comes over the wire


async def test_split_joined_and_with_junk_between(quiet_house: House) -> None:
    here = a_house()
    first, second = renamed("ref_i12_lf", here), renamed("adt_a08_update", here)
    async with listening(gateway(quiet_house)) as port, line(port) as talk:
        for start in range(0, len(first), 97):
            await talk.put((b"\x0b" if start == 0 else b"") + first[start : start + 97])
            await asyncio.sleep(0)
        await talk.put(b"\x1c" + b"\r\njunk" + framed(second) + framed(first))
        said = [await talk.answer() for _ in range(3)]
    assert [fields(s, "MSA")[2] for s in said] == ["REF1016", "ADT4005", "REF1016"]
    assert await outcomes(quiet_house, here) == ["accepted", "asked", "duplicate"]


async def test_a_batch_is_answered_as_one(quiet_house: House) -> None:
    here = a_house()
    raw = fixture("batch").replace(b"EPICARE|NORTHSIDE", f"EPICARE|{here}".encode())
    async with listening(gateway(quiet_house)) as port, line(port) as talk:
        said = await talk.ask(raw)
    acknowledged = [seg.split("|")[1:3] for seg in said.decode().split("\r") if seg.startswith("MSA")]
    assert acknowledged == [["AA", "REF1004"], ["AA", "ADT4005"], ["AE", "REF1031"]]
    assert fields(said, "BHS")[11] == "BATCH7"
    assert await outcomes(quiet_house, here) == ["accepted", "asked", "refused"]


async def test_an_independent_client_is_served(quiet_house: House) -> None:
    """python-hl7's own MLLP client."""
    here = a_house()
    async with listening(gateway(quiet_house)) as port:
        reader, writer = await open_hl7_connection("127.0.0.1", port)
        writer.writemessage(hl7.parse(renamed("siu_s12", here).decode()))
        await writer.drain()
        answer = await asyncio.wait_for(reader.readmessage(), 20)
        writer.close()
        await writer.wait_closed()
    assert [str(answer.segment("MSA")[n]) for n in (1, 2)] == ["AA", "SIU5001"]


async def test_our_own_client_and_our_listener_agree(quiet_house: House) -> None:
    async with listening(gateway(quiet_house)) as port:
        peer = Peer(host="127.0.0.1", port=port)
        assert (await send(peer, renamed("adt_a08_update", a_house()), "ADT4005")).outcome == "sent"
        assert (await send(peer, renamed("refused_type", a_house()), "REF1036")).outcome == "failed"


async def test_who_wants_no_answer_gets_none_and_is_stored(quiet_house: House) -> None:
    here = a_house()
    async with listening(gateway(quiet_house)) as port, line(port) as talk:
        await talk.put(framed(renamed("ref_i12_enhanced_never", here)))
        said = await talk.ask(renamed("adt_a08_update", here))
    assert fields(said, "MSA")[2] == "ADT4005"
    assert await outcomes(quiet_house, here) == ["accepted", "asked"]


# --- who may send


async def test_a_system_that_nobody_registered_is_rejected_and_nothing_is_stored(quiet_house: House) -> None:
    here = a_house()
    async with listening(gateway(quiet_house, unknown_senders=False)) as port, line(port) as talk:
        said = await talk.ask(renamed("ref_i12_v2_5_1", here))
    assert fields(said, "MSA")[1:3] == ["AR", "REF1005"]
    assert fields(said, "ERR")[2:4] == ["MSH^1^3", "204^Unknown key identifier^HL70357"]
    assert await outcomes(quiet_house, here) == []


async def register(house: House, **client: Any) -> str:
    name = f"c{secrets.token_hex(4)}"
    await house.database.execute(
        "insert into continuum.client (tenant, id, name, hl7_senders, certificate) values ($1, $2, $2, $3, $4)",
        TENANT,
        name,
        client.get("senders", []),
        client.get("certificate"),
    )
    return name


async def test_a_registered_system_is_known_by_its_names(quiet_house: House) -> None:
    here = a_house()
    client = await register(quiet_house, senders=[f"EPICARE|{here}"])
    async with listening(gateway(quiet_house, unknown_senders=False)) as port, line(port) as talk:
        said = await talk.ask(renamed("ref_i12_v2_5_1", here))
        training = await talk.ask(renamed("ref_i12_v2_6", here, **{"|P|2.6": "|T|2.6"}))
    assert fields(said, "MSA")[1] == "AA"
    assert fields(training, "ERR")[3].startswith("202^")
    sender = await quiet_house.database.value(
        "select sender from continuum.referral where source like '%|' || $1", here
    )
    assert sender == f"client:{client}"


def certificate(folder: Path, name: str) -> tuple[Path, str]:
    """A self-signed certificate with its key, and its SHA-256."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path, made.fingerprint(hashes.SHA256()).hex()


async def test_a_certificate_says_who_sends_and_its_names_have_to_agree(quiet_house: House, tmp_path: Path) -> None:
    ours, _ = certificate(tmp_path, "listener")
    theirs, fingerprint = certificate(tmp_path, "harbour")
    here = a_house()
    client = await register(quiet_house, senders=[f"EPICARE|{here}"], certificate=fingerprint)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(ours)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(theirs)
    caller = ssl.create_default_context(cafile=ours)
    caller.check_hostname = False
    caller.load_cert_chain(theirs)
    async with listening(gateway(quiet_house), ssl_context=server) as port, line(port, caller) as talk:
        said = [await talk.ask(renamed("ref_i12_v2_5_1", name)) for name in (here, a_house())]
    assert [fields(s, "MSA")[1] for s in said] == ["AA", "AR"]
    sender = await quiet_house.database.value(
        "select sender from continuum.referral where source like '%|' || $1", here
    )
    assert sender == f"client:{client}"
    async with listening(gateway(quiet_house)) as port, line(port) as talk:
        in_the_clear = await talk.ask(renamed("ref_i12_v2_6", here))
    assert fields(in_the_clear, "MSA")[1] == "AR"


# --- whatever goes wrong


class Away:
    """A record that cannot be reached."""

    def __getattr__(self, name: str) -> Any:
        async def away(*_: Any) -> Any:
            raise DatabaseAway("PostgreSQL cannot be reached")

        return away


async def test_while_the_record_is_away_nothing_is_acknowledged(quiet_house: House) -> None:
    without = Gateway(Away(), LazyTemporal(), gateway(quiet_house).settings)  # type: ignore[arg-type]
    async with listening(without) as port, line(port) as talk:
        said = await talk.ask(fixture("ref_i12_v2_5_1"))
        again = await talk.ask(fixture("ref_i12_enhanced_commit"))
    assert fields(said, "MSA")[1:3] == ["AE", "REF1005"]
    assert fields(said, "ERR")[3].startswith("207^")
    assert fields(again, "MSA")[1] == "CE"


async def test_a_poison_message_ends_nothing(quiet_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own code falls over on one message of ten; the others are taken in on the same connection."""
    here = a_house()
    whole = Reception._take

    async def falls_over(self: Reception, raw: bytes, *rest: Any) -> Any:
        if b"POISON" in raw:
            raise RuntimeError("Testova")
        return await whole(self, raw, *rest)

    monkeypatch.setattr(Reception, "_take", falls_over)
    async with listening(gateway(quiet_house)) as port, line(port) as talk:
        said = []
        for n in range(10):
            id_ = "POISON" if n == 4 else f"ADT{n}"
            said.append(await talk.ask(renamed("adt_a08_update", here, ADT4005=id_)))
    assert [fields(s, "MSA")[1] for s in said] == ["AA"] * 4 + ["AE"] + ["AA"] * 5
    assert fields(said[4], "ERR")[3].startswith("207^")
    assert b"Testova" not in said[4]
    assert await outcomes(quiet_house, here) == ["asked"] * 9


async def test_bombs_are_refused_while_others_are_served(quiet_house: House) -> None:
    here = a_house()
    async with listening(gateway(quiet_house)) as port:

        async def bomber(raw: bytes) -> bytes:
            async with line(port) as talk:
                return await talk.ask(raw)

        async def normal(n: int) -> bytes:
            async with line(port) as talk:
                return await talk.ask(renamed("adt_a08_update", here, ADT4005=f"N{n}"))

        bombs = [bomb() for bomb in BOMBS if bomb is not bomb_of_escapes]
        said = await asyncio.gather(*map(bomber, bombs), *(normal(n) for n in range(10)))
    assert {fields(s, "MSA")[1] for s in said[: len(bombs)]} == {"AE"}
    assert {fields(s, "MSA")[1] for s in said[len(bombs) :]} == {"AA"}


async def test_a_frame_that_never_ends_is_refused_and_cut(quiet_house: House) -> None:
    async with listening(gateway(quiet_house)) as port, line(port) as talk:
        await talk.put(b"\x0b" + fixture("ref_i12_v2_5_1"))
        with pytest.raises(ConnectionError):
            await talk.put_again_and_again(b"x" * 60_000)
    async with listening(gateway(quiet_house)) as port, line(port) as talk:
        await talk.put(b"\x0b" + fixture("ref_i12_v2_5_1") + b"x" * 1_000_000)
        said = await talk.answer()
        assert fields(said, "MSA")[1:3] == ["AR", "REF1005"]
        assert await talk.answer() == b""


async def test_who_trickles_is_cut_and_who_is_silent_between_messages_is_not(quiet_house: House) -> None:
    quick = Limits(frame_seconds=0.5, first_seconds=0.5, idle_seconds=60)
    async with listening(gateway(quiet_house), limits=quick) as port, line(port) as slow, line(port) as patient:
        assert fields(await patient.ask(renamed("adt_a08_update", a_house())), "MSA")[1] == "AA"
        await slow.put(b"\x0b")
        with pytest.raises(ConnectionError):
            await slow.put_again_and_again(b"M", pause=0.1)
        assert fields(await patient.ask(renamed("adt_a08_update", a_house())), "MSA")[1] == "AA"


async def test_silent_connections_give_way_to_one_that_speaks(quiet_house: House) -> None:
    few = Limits(connections=3)
    async with (
        listening(gateway(quiet_house), limits=few) as port,
        line(port) as oldest,
        line(port) as second,
        line(port) as third,
    ):
        for talk in (oldest, second, third):
            await talk.ask(renamed("adt_a08_update", a_house()))
        async with line(port) as newcomer:
            assert fields(await newcomer.ask(renamed("adt_a08_update", a_house())), "MSA")[1] == "AA"
            assert await oldest.answer() == b""
            assert fields(await third.ask(renamed("adt_a08_update", a_house())), "MSA")[1] == "AA"


async def test_when_all_are_busy_a_newcomer_is_turned_away(quiet_house: House) -> None:
    few = Limits(connections=2, frame_seconds=20)
    async with listening(gateway(quiet_house), limits=few) as port, line(port) as one, line(port) as other:
        for talk in (one, other):
            await talk.ask(renamed("adt_a08_update", a_house()))
            await talk.put(b"\x0bMSH|^~")
        await asyncio.sleep(0.05)
        async with line(port) as newcomer:
            assert await newcomer.answer() == b""
        await one.put(b"\x1c\r")
        assert fields(await one.answer(), "MSA")[1] == "AE"


async def test_a_listener_that_stops_answers_what_it_has_begun(
    quiet_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = a_house()
    begun, may_go_on = asyncio.Event(), asyncio.Event()
    whole = Reception._take

    async def held_up(self: Reception, raw: bytes, *rest: Any) -> Any:
        if b"REF1005" in raw:
            begun.set()
            await may_go_on.wait()
        return await whole(self, raw, *rest)

    monkeypatch.setattr(Reception, "_take", held_up)
    stop = asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve_mllp(gateway(quiet_house), "127.0.0.1", 0, stop=stop, bound=port.set_result))
    async with line(await port) as talk, line(await port) as idle:
        await idle.ask(renamed("adt_a08_update", here))
        await talk.put(framed(renamed("ref_i12_v2_5_1", here)))
        await asyncio.wait_for(begun.wait(), 20)
        stop.set()
        assert await idle.answer() == b""
        assert not serving.done()
        may_go_on.set()
        assert fields(await talk.answer(), "MSA")[1] == "AA"
        await asyncio.wait_for(serving, 20)
    assert len(await journeys(quiet_house, here)) == 1


async def test_a_connection_that_fails_takes_no_other_with_it(
    quiet_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Reception.frame

    async def falls_over(self: Reception, payload: bytes, *rest: Any) -> Any:
        if b"POISON" in payload:
            raise RuntimeError("Testova")
        return await whole(self, payload, *rest)

    monkeypatch.setattr(Reception, "frame", falls_over)
    loop, told = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: told.append(context))
    try:
        async with listening(gateway(quiet_house)) as port, line(port) as bad, line(port) as good:
            assert await bad.ask(renamed("adt_a08_update", a_house(), ADT4005="POISON")) == b""
            assert fields(await good.ask(renamed("adt_a08_update", a_house())), "MSA")[1] == "AA"
    finally:
        loop.set_exception_handler(None)
    assert told == [], "a traceback would repeat what the message says"
