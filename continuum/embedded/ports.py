"""Which ports a stack listens on: those asked for, else those it had before, else free ones."""

from __future__ import annotations

import secrets
import socket

from pydantic import BaseModel, ConfigDict, Field

from continuum.embedded.folder import StackError

LOOPBACK = "127.0.0.1"
# Below the range from which systems take ports for outgoing connections: such a port would be free today and
# taken by a passing connection tomorrow.
FREE_PORTS = range(15_000, 30_000)
LABELS = {
    "temporal": "Temporal",
    "ui": "Temporal's UI",
    "postgres": "PostgreSQL",
    "smtp": "mail",
    "gateway": "the gateway",
    "hl7": "HL7 v2",
    "sign_in": "sign-in",
}


class Ports(BaseModel):
    """Ports asked for; None: as before, or any free one."""

    model_config = ConfigDict(frozen=True)

    temporal: int | None = Field(default=None, ge=1, le=65535)
    ui: int | None = Field(default=None, ge=1, le=65535)
    postgres: int | None = Field(default=None, ge=1, le=65535)
    smtp: int | None = Field(default=None, ge=1, le=65535)
    gateway: int | None = Field(default=None, ge=1, le=65535)
    hl7: int | None = Field(default=None, ge=1, le=65535)
    sign_in: int | None = Field(default=None, ge=1, le=65535)


class ChosenPorts(BaseModel):
    """One port for each service."""

    model_config = ConfigDict(frozen=True)

    temporal: int
    ui: int
    postgres: int
    smtp: int
    gateway: int
    hl7: int
    sign_in: int


def choose(asked: Ports, before: Ports | None) -> ChosenPorts:
    """Settle every port; one that was asked for or used before and is now taken is an error."""
    wanted = {name: getattr(asked, name) or (getattr(before, name) if before else None) for name in LABELS}
    chosen: dict[str, int] = {}
    for name, port in wanted.items():
        if port is None:
            continue
        if port in chosen.values():
            raise StackError(f"port {port} is asked for twice; give {LABELS[name]} another port")
        if not is_free(port):
            whose = "asked for" if getattr(asked, name) else "which this folder used before"
            raise StackError(
                f"port {port} ({LABELS[name]}, {whose}) is in use by another program; "
                f"stop that program or ask for another port for {LABELS[name]}"
            )
        chosen[name] = port
    for name in LABELS:
        if name not in chosen:
            chosen[name] = free_port(avoid=[port for port in (*wanted.values(), *chosen.values()) if port])
    return ChosenPorts(**chosen)


def free_port(avoid: list[int]) -> int:
    """A port nobody listens on."""
    for _ in range(1000):
        port = secrets.choice(FREE_PORTS)
        if port not in avoid and is_free(port):
            return port
    raise StackError(f"no free port found between {FREE_PORTS.start} and {FREE_PORTS.stop}; name free ports")


def is_free(port: int) -> bool:
    """Whether we could listen on this port of the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections do not count
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def accepts(port: int) -> bool:
    """Whether somebody accepts connections on this port of the loopback interface."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
