"""A production site refuses to start with what is not safe, and says what and why in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from temporalio.envconfig import ClientConfigProfile, ClientConfigTLS

from continuum.production import Part, Unsafe, faults, refuse_unsafe
from continuum.settings import Settings

ROOT = Path(__file__).parents[2]

SAFE: dict[str, Any] = {
    "environment": "production",
    "database_url": "postgresql://app@db.clinic.net/continuum?sslmode=verify-full&sslrootcert=/ca.pem",
    "smtp_host": "mail.clinic.net",
    "smtp_tls": "starttls",
    "smtp_from": "Clinic <continuum@clinic.net>",
    "alarm_address": "on-call@clinic.net",
    "http_host": "0.0.0.0",
    "public_url": "https://continuum.clinic.net",
    "tls_certificate_file": Path("/tls.crt"),
    "tls_key_file": Path("/tls.key"),
    "gateway_key_file": Path("/keys.json"),
    "hl7_host": "0.0.0.0",
    "hl7_port": 2575,
    "hl7_tls": True,
}
CERTIFIED = ClientConfigProfile(
    address="temporal.clinic.net:7233",
    tls=ClientConfigTLS(disabled=False, client_cert=Path("/c"), client_private_key=Path("/k")),
)


@pytest.fixture(autouse=True)
def no_settings_but_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("CONTINUUM_", "TEMPORAL_", "PG"))]:
        monkeypatch.delenv(name)


def found(part: Part, temporal: ClientConfigProfile = CERTIFIED, sslmode: str | None = None, **changed: Any) -> str:
    settings = Settings(**{**SAFE, **changed})
    return "; ".join(faults(settings, part, temporal=temporal, database_sslmode=sslmode))


@pytest.mark.parametrize("part", ["worker", "gateway"])
def test_what_is_safe_is_let_through(part: Part) -> None:
    assert found(part) == ""


@pytest.mark.parametrize(
    ("part", "changed", "named"),
    [
        ("worker", {"database_url": "postgresql://app@db/continuum"}, "sslmode=prefer"),
        ("gateway", {"database_url": "postgresql://app@db/continuum?sslmode=require"}, "sslmode=require"),
        ("worker", {"database_url": "postgresql://app@127.0.0.1,db/continuum"}, "sslmode=prefer"),
        ("worker", {"database_url": "postgresql:///continuum?host=db"}, "sslmode=prefer"),
        ("worker", {"database_url": "postgresql://app:secret@127.0.0.1/continuum"}, "holds a password"),
        ("worker", {"pathways_must_be_signed": False}, "PATHWAYS_MUST_BE_SIGNED"),
        ("worker", {"smtp_tls": "none"}, "CONTINUUM_SMTP_TLS"),
        ("worker", {"traces_endpoint": "http://collector:4318/v1/traces"}, "CONTINUUM_TRACES_ENDPOINT"),
        ("gateway", {"traces_endpoint": "http://collector:4318/v1/traces"}, "CONTINUUM_TRACES_ENDPOINT"),
        ("worker", {"smtp_from": "continuum@clinic.example"}, "CONTINUUM_SMTP_FROM"),
        ("worker", {"alarm_address": "on-call@example.org"}, "CONTINUUM_ALARM_ADDRESS"),
        ("gateway", {"pathways_must_be_signed": False}, "PATHWAYS_MUST_BE_SIGNED"),
        ("gateway", {"public_url": "http://continuum.clinic.net"}, "CONTINUUM_PUBLIC_URL does not begin"),
        ("gateway", {"public_url": "https://127.0.0.1:8443"}, "CONTINUUM_PUBLIC_URL leads"),
        ("gateway", {"public_url": None, "http_host": "127.0.0.1"}, "CONTINUUM_PUBLIC_URL leads"),
        ("gateway", {"tls_certificate_file": None, "tls_key_file": None}, "CONTINUUM_TLS_CERTIFICATE_FILE"),
        ("gateway", {"gateway_key_file": None}, "CONTINUUM_GATEWAY_KEY_FILE"),
        ("gateway", {"oidc_issuer": "http://login.clinic.net"}, "CONTINUUM_OIDC_ISSUER"),
        ("gateway", {"hl7_unknown_senders": True}, "CONTINUUM_HL7_UNKNOWN_SENDERS"),
        ("gateway", {"hl7_tls": False}, "CONTINUUM_HL7_TLS"),
    ],
)
def test_what_is_unsafe_is_named(part: Part, changed: dict[str, Any], named: str) -> None:
    told = found(part, **changed)
    assert named in told
    assert told.count(";") == 0, "and nothing else is"
    assert "secret" not in told


@pytest.mark.parametrize(
    ("temporal", "named"),
    [
        (ClientConfigProfile(address="temporal:7233"), ["without TLS", "who we are"]),
        (ClientConfigProfile(address="temporal:7233", tls=ClientConfigTLS(disabled=True)), ["without TLS", "who we"]),
        (ClientConfigProfile(address="temporal:7233", tls=ClientConfigTLS(disabled=False)), ["who we are"]),
        (
            ClientConfigProfile(address="temporal:7233", api_key="k", tls=ClientConfigTLS(disabled=True)),
            ["without TLS"],
        ),
        (ClientConfigProfile(address="temporal:7233", api_key="k"), []),
        (ClientConfigProfile(address="[::1]:7233"), []),
        (ClientConfigProfile(), []),
    ],
)
def test_temporal_is_reached_encrypted_and_told_who_we_are(temporal: ClientConfigProfile, named: list[str]) -> None:
    told = found("gateway", temporal)
    assert all(one in told for one in named)
    assert bool(told) is bool(named)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app@localhost/continuum",
        "postgresql://app@[::1]:5432/continuum",
        "postgresql:///continuum?host=/var/run/postgresql",
        "postgresql://app@%2Fvar%2Frun%2Fpostgresql/continuum",
    ],
)
def test_this_machine_needs_no_encryption(url: str) -> None:
    assert found("worker", database_url=url) == ""


@pytest.mark.parametrize("to", ["https://collector.clinic.net/v1/traces", "http://127.0.0.1:4318/v1/traces"])
def test_traces_may_go_encrypted_or_stay_here(to: str) -> None:
    assert found("worker", traces_endpoint=to) == ""


def test_hosts_on_a_network_of_this_machine_alone_are_named() -> None:
    plain = {
        "plaintext_hosts": "temporal db mail collector",
        "traces_endpoint": "http://collector:4318/v1/traces",
        "database_url": "postgresql://app@db/continuum",
        "smtp_host": "mail",
        "smtp_tls": "none",
    }
    assert found("worker", ClientConfigProfile(address="temporal:7233"), **plain) == ""


def test_the_drivers_own_sslmode_counts() -> None:
    assert found("worker", sslmode="verify-full", database_url="postgresql://app@db/continuum") == ""


def test_a_trial_may_be_started_with_anything() -> None:
    refuse_unsafe(Settings(environment="trial", database_url="postgresql://app@db/continuum"), "worker")


def test_temporals_settings_that_cannot_be_read_are_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporal.toml").write_text("[[", "ascii")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))
    with pytest.raises(Unsafe, match="cannot be read"):
        refuse_unsafe(Settings(**SAFE), "worker")


SENT_IN_CLEAR = {"CONTINUUM_ENVIRONMENT": "production", "CONTINUUM_DATABASE_URL": "postgresql://app@db/c"}


@pytest.mark.parametrize(
    ("module", "environment", "told"),
    [
        ("worker", SENT_IN_CLEAR, "sslmode=prefer"),
        ("worker", {"CONTINUUM_ENVIRONMENT": "prod"}, "CONTINUUM_ENVIRONMENT is set wrongly"),
        ("gateway", SENT_IN_CLEAR, "sslmode=prefer"),
    ],
)
def test_the_process_ends_with_one_line(module: str, environment: dict[str, str], told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("continuum: ")
    assert told in done.stderr
