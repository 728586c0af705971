"""Settings of a running Continuum, from the environment. How to reach Temporal is Temporal's own business: it reads
`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE` and their like, or `temporal.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from channels.egress import Egress, read_host_ports
from channels.mail import MailSettings
from continuum.embedded.folder import StackError
from gateway.access.settings import ASYMMETRIC, AccessSettings, OidcSettings


class Settings(BaseSettings):
    """Each field is `CONTINUUM_` and its name in capitals; an empty one is as one that is not there. Secrets come as
    files (`..._FILE`)."""

    model_config = SettingsConfigDict(env_prefix="CONTINUUM_", env_ignore_empty=True, hide_input_in_errors=True)

    environment: Literal["trial", "production"] = "trial"
    """A production site refuses to start with what is unsafe: `continuum/production.py`."""
    plaintext_hosts: str = ""
    """`host host`: reached on a network of this machine alone, so that a production site may go without TLS."""
    database_url: str = "postgresql://app@127.0.0.1:5432/continuum"
    database_password_file: Path | None = None
    database_connections: int = 10
    worker_cached_journeys: int = Field(default=10_000, ge=1)
    """So many open journeys a worker keeps in memory, about 0.45 MB each. To act on another it reads that one's
    history again, which is as dear as two decisions."""
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 25
    smtp_from: str = "continuum@clinic.example"
    smtp_username: str | None = None
    smtp_password_file: Path | None = None
    smtp_tls: Literal["none", "starttls", "implicit"] = "none"
    alarm_address: str = "on-call@clinic.example"
    """Where alarms go when the directory cannot be read."""
    sent_log: Path | None = None
    """A file that keeps what has left, should the database be restored from a backup; None: nothing is kept."""
    digest_seconds: float = 300.0
    """Reminders to one address that come within so long go out in one mail."""
    pathways_must_be_signed: bool = True
    """Whether only pathways that a clinician has signed may be suggested and chosen."""
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=1, le=65535)
    http_shared: bool = False
    """Whether several gateways of one machine listen on the same port."""
    public_url: str | None = None
    """Where callers reach the gateway; None: where it listens."""
    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None
    hl7_host: str = "127.0.0.1"
    hl7_port: int | None = Field(default=None, ge=1, le=65535)
    """None: no HL7 v2."""
    hl7_tls: bool = False
    hl7_client_ca_file: Path | None = None
    hl7_unknown_senders: bool = False
    gateway_key_file: Path | None = None
    """The keys that sign our access tokens and links; None: keys that end with the process."""
    gateway_requests_per_minute: int = Field(default=30_000, ge=1)
    gateway_failures_per_minute: int = Field(default=10, ge=1)
    private_addresses: str = ""
    """`host:port host:port`: where we may go although it is no public address."""
    oidc_issuer: str | None = None
    oidc_audience: str = "continuum"
    oidc_person_claim: str = "email"
    oidc_algorithms: str = "RS256 PS256 ES256"
    tenant: str = "clinic"
    metrics_address: str | None = None
    """`host:port` where Prometheus finds this process's metrics; None: nowhere."""
    traces_endpoint: str | None = None
    """The URL to which spans are posted (OTLP over HTTP, `http://127.0.0.1:4318/v1/traces`); None: no traces."""
    backup_folder: Path | None = None
    """Where the backups of this site arrive, should somebody watch their age."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def database_password(self) -> str | None:
        """The password, if a file holds one."""
        return _secret(self.database_password_file)

    def mail(self) -> MailSettings:
        """How mail leaves."""
        password = _secret(self.smtp_password_file)
        return MailSettings(
            host=self.smtp_host,
            port=self.smtp_port,
            sender=self.smtp_from,
            username=self.smtp_username,
            password=SecretStr(password) if password else None,
            tls=self.smtp_tls,
        )

    @property
    def base_url(self) -> str:
        """Where callers reach the gateway, without a slash at the end."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        host = f"[{self.http_host}]" if ":" in self.http_host else self.http_host
        return f"{'https' if self.tls_certificate_file else 'http'}://{host}:{self.http_port}"

    @field_validator("private_addresses")
    @classmethod
    def _are_host_ports(cls, text: str) -> str:
        read_host_ports(text)
        return text

    @field_validator("traces_endpoint")
    @classmethod
    def _is_a_url(cls, url: str | None) -> str | None:
        if url is not None and not (url.startswith(("http://", "https://")) and _host_of(url)):
            raise ValueError("a URL as http://127.0.0.1:4318/v1/traces is wanted")
        return url

    @field_validator("oidc_algorithms")
    @classmethod
    def _are_asymmetric(cls, names: str) -> str:
        if not names.split() or set(names.split()) - set(ASYMMETRIC):
            raise ValueError(f"names, with spaces between, out of: {', '.join(ASYMMETRIC)}")
        return names

    def egress(self) -> Egress:
        """The way out to addresses that others name."""
        return Egress(read_host_ports(self.private_addresses))

    def access(self) -> AccessSettings:
        """Who gets in at the gateway, and how often they may ask."""
        oidc = None
        if self.oidc_issuer is not None:
            oidc = OidcSettings(
                issuer=self.oidc_issuer,
                audience=self.oidc_audience,
                person_claim=self.oidc_person_claim,
                algorithms=tuple(self.oidc_algorithms.split()),
            )
        return AccessSettings(
            key_file=self.gateway_key_file,
            oidc=oidc,
            requests_per_minute=self.gateway_requests_per_minute,
            failures_per_minute=self.gateway_failures_per_minute,
            allowed_private=read_host_ports(self.private_addresses),
        )

    @property
    def mail_domain(self) -> str:
        """The domain of our Message-IDs."""
        return self.smtp_from.rpartition("@")[2].strip("> ") or "continuum.invalid"


def settings_here() -> Settings:
    """The environment's settings. Raises StackError naming the one at fault."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise StackError(f"CONTINUUM_{name} is set wrongly: {first['msg']}") from None


def _host_of(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        return parts.hostname if parts.port is None or parts.port else None
    except ValueError:
        return None


def _secret(path: Path | None) -> str | None:
    return path.read_text("utf-8").strip() if path else None
