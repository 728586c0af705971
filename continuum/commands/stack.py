"""Commands that run things: the stack of one machine, the demo, a worker, migrations."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from continuum import output
from continuum.commands.common import Json, Mistake, finish, read
from continuum.embedded.folder import Stack
from continuum.embedded.ports import Ports
from continuum.settings import settings_here
from continuum.site import DEFAULT_FOLDER, bring_up_to_date
from continuum.tracing.switch import asked_for

NewDir = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        envvar="CONTINUUM_DIR",
        show_envvar=False,
        help="A new folder, or one of an earlier stack (default: $CONTINUUM_DIR, else .continuum).",
    ),
]
DemoDir = Annotated[
    Path | None, typer.Option("--dir", help="Keep the state in this folder (default: it is thrown away).")
]


def up(
    folder: NewDir = None,
    json_: Json = False,
    temporal_port: Annotated[int | None, typer.Option(help="Temporal's port.", min=1, max=65535)] = None,
    ui_port: Annotated[int | None, typer.Option(help="The port of Temporal's Web UI.", min=1, max=65535)] = None,
    postgres_port: Annotated[int | None, typer.Option(help="PostgreSQL's port.", min=1, max=65535)] = None,
    smtp_port: Annotated[int | None, typer.Option(help="The mail sink's port.", min=1, max=65535)] = None,
    gateway_port: Annotated[int | None, typer.Option(help="The port of FHIR and the API.", min=1, max=65535)] = None,
    hl7_port: Annotated[int | None, typer.Option(help="The port of HL7 v2 (MLLP).", min=1, max=65535)] = None,
    sign_in_port: Annotated[int | None, typer.Option(help="The port of the sign-in.", min=1, max=65535)] = None,
    time_skipping: Annotated[bool, typer.Option(help="Let the demo and tests move a journey's clock.")] = False,
) -> None:
    """Run everything on this machine: PostgreSQL, Temporal with its UI, the worker, the gateway, and a mail sink."""
    from continuum.embedded import supervisor

    options = supervisor.Options(
        folder=folder or DEFAULT_FOLDER,
        ports=Ports(
            temporal=temporal_port,
            ui=ui_port,
            postgres=postgres_port,
            smtp=smtp_port,
            gateway=gateway_port,
            hl7=hl7_port,
            sign_in=sign_in_port,
        ),
        migrate=bring_up_to_date,
        worker_env=asked_for(),
        gateway_env=asked_for(),
        time_skipping=time_skipping,
    )

    def ready(stack: Stack) -> None:
        if json_:
            output.as_json(stack)
        else:
            _addresses(stack, folder)
        sys.stdout.flush()

    asyncio.run(supervisor.up(options, ready, _progress))


def _addresses(stack: Stack, folder: Path | None) -> None:
    where = f" --dir {folder}" if folder else ""
    output.console.print("\n[bold]Continuum is up.[/]  Ctrl-C stops it; start it again and every journey goes on.\n")
    for name, value in (
        ("Temporal's Web UI", stack.ui_url),
        ("Temporal", stack.temporal_address),
        ("PostgreSQL", f"{stack.postgres_host}:{stack.postgres_port}"),
        ("Mail (SMTP)", f"{stack.smtp_host}:{stack.smtp_port}, read it with: continuum mail{where}"),
        ("FHIR", f"{stack.gateway_url}/fhir"),
        ("HL7 v2 (MLLP)", stack.hl7_address),
        ("Sign in", f"{stack.sign_in_url}, without a password: it is for trying out"),
        ("Next", f"continuum refer{where} FILE"),
    ):
        output.console.print(f"  {name:<18} {value}", soft_wrap=True, highlight=False)


def _progress(step: str) -> None:
    print(f"  {step}", file=sys.stderr, flush=True)


def demo(
    folder: DemoDir = None,
    json_: Json = False,
    keep: Annotated[bool, typer.Option(help="Leave everything running afterwards, to look around.")] = False,
    referral: Annotated[list[Path] | None, typer.Option(help="Also take in this referral.", metavar="FILE")] = None,
) -> None:
    """Play seven journeys from referral to last follow-up: months in seconds, on the real workflows."""
    from continuum.demo.play import perform as play

    brought = [(file.name, read(file)) for file in referral or []]
    raise SystemExit(finish(play(folder=folder, keep=keep, referrals=brought, json_=json_)))


def worker() -> None:
    """Run only the worker, against the Temporal service and PostgreSQL that the environment names."""
    settings_here()
    os.execv(sys.executable, [sys.executable, "-m", "worker"])  # noqa: S606 - this process becomes the worker


def gateway() -> None:
    """Run only the gateway (FHIR, the staff API, HL7 v2), against the services that the environment names."""
    settings_here()
    os.execv(sys.executable, [sys.executable, "-m", "gateway"])  # noqa: S606 - this process becomes the gateway


def migrate(
    owner_url: Annotated[
        str, typer.Option(envvar="CONTINUUM_OWNER_DATABASE_URL", help="The owner's database address.")
    ],
    owner_password_file: Annotated[
        Path | None, typer.Option(envvar="CONTINUUM_OWNER_DATABASE_PASSWORD_FILE", help="A file with the password.")
    ] = None,
    app_role: Annotated[str, typer.Option(help="The role that the worker uses.")] = "app",
) -> None:
    """Bring a PostgreSQL database up to this version."""
    from urllib.parse import quote, urlsplit, urlunsplit

    if owner_password_file is not None:
        parts = urlsplit(owner_url)
        try:
            secret = quote(owner_password_file.read_text("utf-8").strip(), safe="")
        except OSError as error:
            raise Mistake(f"{owner_password_file}: cannot be read ({error.strerror})") from None
        host = parts.netloc.rpartition("@")[2]
        owner_url = urlunsplit(parts._replace(netloc=f"{parts.username or 'owner'}:{secret}@{host}"))
    finish(bring_up_to_date(owner_url, app_role))
