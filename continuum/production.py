"""What a site with real patients must not be started with: `CONTINUUM_ENVIRONMENT=production` asks for it.

A trial may go without any of this. What no setting shows (who reaches which network, whether Temporal has an
authorizer, for by default it has one that lets everybody do everything) is on the checklist in `deploy/README.md`.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from temporalio.envconfig import ClientConfigProfile

from continuum.embedded.folder import StackError
from continuum.settings import Settings

Part = Literal["worker", "gateway"]

VERIFIED = "verify-full"
NOBODYS = ("example", "test", "invalid", "localhost", "example.com", "example.net", "example.org")
"""Domains that nobody has (RFC 2606)."""


class Unsafe(StackError):  # noqa: N818
    """One line: all that a production site must not be started with."""


def refuse_unsafe(settings: Settings, part: Part) -> None:
    """Nothing at a trial. Raises Unsafe when this part of a production site must not be started like this."""
    if settings.environment != "production":
        return
    found = list(faults(settings, part, temporal=_temporal(), database_sslmode=os.environ.get("PGSSLMODE")))
    if found:
        raise Unsafe(f"refused, because CONTINUUM_ENVIRONMENT is production: {'; '.join(found)}")


def faults(
    settings: Settings, part: Part, *, temporal: ClientConfigProfile, database_sslmode: str | None = None
) -> Iterator[str]:
    """Each thing that is wrong, and what would be right."""
    plain = frozenset(settings.plaintext_hosts.split())
    yield from _database_faults(settings, plain, database_sslmode)
    yield from _temporal_faults(temporal, plain)
    if not settings.pathways_must_be_signed:
        yield "CONTINUUM_PATHWAYS_MUST_BE_SIGNED is false: no draft is for a patient"
    yield from _trace_faults(settings, plain)
    yield from _worker_faults(settings, plain) if part == "worker" else _gateway_faults(settings)


def _database_faults(settings: Settings, plain: frozenset[str], default: str | None) -> Iterator[str]:
    url = urlsplit(settings.database_url)
    query = parse_qs(url.query)
    user, _, places = url.netloc.rpartition("@")
    if ":" in user or "password" in query:
        yield "CONTINUUM_DATABASE_URL holds a password: put it into CONTINUUM_DATABASE_PASSWORD_FILE"
    named = ",".join(query.get("host", [places]))
    hosts = {_without_port(unquote(place)) for place in named.split(",")}
    sslmode = query.get("sslmode", [default or "prefer"])[-1]
    if sslmode != VERIFIED and not all(_is_here(host) or host in plain for host in hosts):
        yield f"CONTINUUM_DATABASE_URL goes to PostgreSQL with sslmode={sslmode}: put ?sslmode={VERIFIED} into it"


def _temporal_faults(temporal: ClientConfigProfile, plain: frozenset[str]) -> Iterator[str]:
    host = _without_port(temporal.address or "127.0.0.1")
    if _is_here(host) or host in plain:
        return
    encrypted = not temporal.tls.disabled if temporal.tls is not None else temporal.api_key is not None
    if not encrypted:
        yield "TEMPORAL_ADDRESS is reached without TLS: set TEMPORAL_TLS_SERVER_CA_CERT_PATH"
    if temporal.api_key is None and (temporal.tls is None or temporal.tls.client_cert is None):
        yield "Temporal is not told who we are: set TEMPORAL_TLS_CLIENT_CERT_PATH and its key, or TEMPORAL_API_KEY"


def _trace_faults(settings: Settings, plain: frozenset[str]) -> Iterator[str]:
    to = urlsplit(settings.traces_endpoint or "")
    if to.scheme == "http" and not (_is_here(to.hostname or "") or to.hostname in plain):
        yield "CONTINUUM_TRACES_ENDPOINT does not begin with https://: who did what and when is read on the way"


def _worker_faults(settings: Settings, plain: frozenset[str]) -> Iterator[str]:
    if settings.smtp_tls == "none" and not (_is_here(settings.smtp_host) or settings.smtp_host in plain):
        yield "CONTINUUM_SMTP_TLS is none: mail is read on the way (starttls or implicit)"
    for name, address in (("SMTP_FROM", settings.smtp_from), ("ALARM_ADDRESS", settings.alarm_address)):
        domain = address.rpartition("@")[2].strip("> ").lower()
        if any(domain == nobodys or domain.endswith(f".{nobodys}") for nobodys in NOBODYS):
            yield f"CONTINUUM_{name} is at {domain}, where nobody is"


def _gateway_faults(settings: Settings) -> Iterator[str]:
    base = urlsplit(settings.base_url)
    if base.scheme != "https":
        yield "CONTINUUM_PUBLIC_URL does not begin with https://"
    if _is_here(base.hostname or ""):
        yield "CONTINUUM_PUBLIC_URL leads to the caller's own machine: name the address that callers use"
    if settings.tls_certificate_file is None and not _is_here(settings.http_host):
        yield "CONTINUUM_TLS_CERTIFICATE_FILE is not set: without it HTTP is for a proxy on this machine only"
    if settings.gateway_key_file is None:
        yield "CONTINUUM_GATEWAY_KEY_FILE is not set: tokens and links would end with the process"
    if settings.oidc_issuer is not None and not settings.oidc_issuer.startswith("https://"):
        yield "CONTINUUM_OIDC_ISSUER does not begin with https://"
    if settings.hl7_unknown_senders:
        yield "CONTINUUM_HL7_UNKNOWN_SENDERS is true: anybody could refer"
    if settings.hl7_port is not None and not settings.hl7_tls and not _is_here(settings.hl7_host):
        yield "CONTINUUM_HL7_TLS is false: HL7 v2 is read on the way"


def _temporal() -> ClientConfigProfile:
    try:
        return ClientConfigProfile.load()
    except (OSError, RuntimeError, ValueError) as error:
        raise Unsafe(f"Temporal's own settings cannot be read ({type(error).__name__})") from None


def _without_port(place: str) -> str:
    if place.startswith("["):
        return place[1:].partition("]")[0]
    return place if place.count(":") > 1 else place.partition(":")[0]


def _is_here(host: str) -> bool:
    """Whether it is this machine: its loopback interface, or a socket in its file system."""
    if host in {"", "localhost"} or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
