"""The gateway's process: how it starts, what it says when it cannot, how it stops, and several of it at once."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway import __main__ as starting
from gateway.limits import Bounds
from gateway.serving import Address, CannotServe, Certificate
from tests.conftest import House
from tests.embedded.machine import eventually
from tests.gateway.serving.echo import echo
from tests.tools.gateway_process import GatewayProcess


def pems(place: Path, password: bytes | None = None) -> Certificate:
    """A certificate of our own for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = place / "chain.pem", place / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption_algorithm=how)
    )
    return Certificate(chain, secret)


async def test_tls_is_served_with_http_1_and_2(tmp_path: Path) -> None:
    certificate = pems(tmp_path)
    trusting = ssl.create_default_context(cafile=str(certificate.chain))
    async with echo(Bounds(), certificate) as found:
        async with httpx.AsyncClient(verify=trusting) as client:
            assert (await client.get(f"https://localhost:{found.port}/health")).status_code == 200
        trusting.set_alpn_protocols(["h2"])
        _, writer = await asyncio.open_connection("127.0.0.1", found.port, ssl=trusting, server_hostname="localhost")
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        writer.transport.abort()


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    good = pems(tmp_path)
    for wrong in (
        Certificate(tmp_path / "none.pem", good.key),
        Certificate(good.key, good.chain),
        Certificate(good.chain, good.key, client_authority=good.key),
    ):
        with pytest.raises(CannotServe, match=r"TLS: .*\.pem") as said:
            wrong.context()
        assert "\n" not in str(said.value)
    with pytest.raises(CannotServe, match="the key without a password"):
        pems(tmp_path, b"secret").context()


def test_a_port_that_cannot_be_had_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(CannotServe, match=rf"cannot listen on 127.0.0.1 port {taken}: .*; name another port"):
            Address("127.0.0.1", taken).listen()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CONTINUUM_TLS_KEY_FILE", "key.pem", "go together"),
        ("CONTINUUM_HTTP_PORT", "http", "CONTINUUM_HTTP_PORT is set wrongly"),
    ],
)
def test_what_is_set_wrongly_is_said_in_one_line(
    variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(starting, "configure", lambda level: None)
    assert starting.main() == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("continuum: ")
    assert err.count("\n") == 1
    assert said in err


async def test_it_stops_in_order_and_says_nothing_of_callers(house: House, tmp_path: Path) -> None:
    gateway = GatewayProcess(house.stack, tmp_path)
    try:
        await gateway.start()
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            assert (await client.get("/ready")).json() == {"status": "ready"}
            assert (await client.get("/fhir/Patient/Ada?name=Ada")).status_code in (401, 404)
            gateway.send(signal.SIGTERM)
            assert await asyncio.to_thread(gateway.wait) == 0
        events = [line["event"] for line in gateway.lines()]
        assert (events[0], events[-1]) == ("gateway_ready", "gateway_stopped")
        assert "Ada" not in gateway.log.read_text()
    finally:
        gateway.kill()


async def test_several_share_a_port_when_told_to(house: House, tmp_path: Path) -> None:
    first = GatewayProcess(house.stack, tmp_path, CONTINUUM_HTTP_SHARED="true")
    second = GatewayProcess(house.stack, tmp_path, CONTINUUM_HTTP_SHARED="true", CONTINUUM_HTTP_PORT=str(first.port))
    try:
        await first.start()
        await second.start()
        for _ in range(60):
            async with httpx.AsyncClient(base_url=first.url) as client:
                assert (await client.get("/health")).status_code == 200

        async def all_logged() -> list[int] | None:
            answered = [asked(first), asked(second)]
            return answered if sum(answered) == 60 else None

        assert min(await eventually(all_logged)) > 0
    finally:
        first.kill()
        second.kill()


def asked(gateway: GatewayProcess) -> int:
    """How often it was asked for its health."""
    return sum(1 for line in gateway.lines() if line["event"] == "request" and line["route"] == "/health")
