"""The command line. Each command speaks to people, and with `--json` to programs.

Exit codes: 0 done, 1 done but something was refused or is not confirmed, 2 a mistake in how it was called or where
(one line on standard error says what is wrong and what would be right).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, get_args

import typer
from pydantic import ValidationError

from care.action import ACTIONS, Expected
from care.actor import Actor, Role
from care.journey import Stage
from care.rules import Decided
from care.rules.registry import rerun
from continuum import output
from continuum.embedded.folder import Stack, StackError
from continuum.embedded.ports import Ports
from continuum.site import DEFAULT_FOLDER, Site, bring_up_to_date, settings_here, site
from gateway.acting import ActionRefused, NotConfirmed, perform
from gateway.referring import receive
from pathways import loader
from records import documents
from records import journeys as reading
from records.database import DatabaseAway, DatabaseRefused

T = TypeVar("T")

app = typer.Typer(
    help="Referrals and care pathways for rehabilitation providers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Dir = Annotated[
    Path | None,
    typer.Option("--dir", help="The running stack's folder (default: $CONTINUUM_DIR, else .continuum here)."),
]
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
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


class Mistake(Exception):  # noqa: N818
    """The caller's mistake: one line, exit code 2."""


@app.command()
def up(
    folder: NewDir = None,
    json_: Json = False,
    temporal_port: Annotated[int | None, typer.Option(help="Temporal's port.", min=1, max=65535)] = None,
    ui_port: Annotated[int | None, typer.Option(help="The port of Temporal's Web UI.", min=1, max=65535)] = None,
    postgres_port: Annotated[int | None, typer.Option(help="PostgreSQL's port.", min=1, max=65535)] = None,
    smtp_port: Annotated[int | None, typer.Option(help="The mail sink's port.", min=1, max=65535)] = None,
    time_skipping: Annotated[bool, typer.Option(help="Let the demo and tests move a journey's clock.")] = False,
) -> None:
    """Run everything on this machine: PostgreSQL, Temporal with its UI, the worker, and a mail sink."""
    from continuum.embedded import supervisor

    options = supervisor.Options(
        folder=folder or DEFAULT_FOLDER,
        ports=Ports(temporal=temporal_port, ui=ui_port, postgres=postgres_port, smtp=smtp_port),
        migrate=bring_up_to_date,
        worker_env={},
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
        ("Next", f"continuum refer{where} FILE"),
    ):
        output.console.print(f"  {name:<18} {value}", soft_wrap=True, highlight=False)


def _progress(step: str) -> None:
    print(f"  {step}", file=sys.stderr, flush=True)


@app.command()
def demo(
    folder: DemoDir = None,
    json_: Json = False,
    keep: Annotated[bool, typer.Option(help="Leave everything running afterwards, to look around.")] = False,
    referral: Annotated[list[Path] | None, typer.Option(help="Also take in this referral.", metavar="FILE")] = None,
) -> None:
    """Play three journeys from referral to last follow-up: months in seconds, on the real workflows."""
    from continuum.demo.play import perform as play

    brought = [(file.name, _read(file)) for file in referral or []]
    raise SystemExit(_main(play(folder=folder, keep=keep, referrals=brought, json_=json_)))


@app.command()
def refer(
    files: Annotated[list[Path], typer.Argument(help="FHIR R4 ServiceRequest or Bundle, JSON.", metavar="FILE...")],
    folder: Dir = None,
    json_: Json = False,
    source: Annotated[str, typer.Option(help="The sender, where the message does not name one.")] = "command-line",
) -> None:
    """Take in referrals. One line for each file: accepted, duplicate, amendment or refused."""

    async def work(here: Site) -> int:
        refused = 0
        for file in files:
            received = await receive(
                here.database, _read(file), tenant=here.tenant, source=source, now=datetime.now(UTC)
            )
            refused += received.outcome == "refused"
            if json_:
                print(json.dumps({"file": str(file), **received.model_dump()}), flush=True)
            else:
                rest = " ".join(part for part in (received.journey, received.reason) if part)
                at = f" at {received.path}" if received.outcome == "refused" and received.path else ""
                print(f"{_printable(file)}: {received.outcome} {rest}{at}", flush=True)
        return 1 if refused else 0

    _run(work, folder)


@app.command()
def journeys(
    folder: Dir = None,
    json_: Json = False,
    stage: Annotated[str | None, typer.Option(help="Only this stage.")] = None,
    status: Annotated[str | None, typer.Option(help="Only open, on_hold or closed.")] = None,
) -> None:
    """List journeys, the most urgent first."""

    async def work(here: Site) -> int:
        rows = await reading.journeys(here.database, here.tenant, stage=stage, status=status)
        waiting = await reading.to_be_started(here.database, here.tenant)
        if json_:
            output.as_json(rows)
        else:
            output.journeys(rows)
            if waiting:
                output.console.print(f"{len(waiting)} more are stored and begin in a moment.")
        return 0

    _run(work, folder)


@app.command()
def show(
    journey: Annotated[str, typer.Argument(help="The journey's id.", metavar="ID")],
    folder: Dir = None,
    json_: Json = False,
    why: Annotated[int | None, typer.Option(help="Explain the decision of this journal row.", metavar="SEQ")] = None,
    questions: Annotated[bool, typer.Option(help="List the red-flag questions of its pathway.")] = False,
    pdf: Annotated[Path | None, typer.Option(help="Write its discharge summary to this file.", metavar="FILE")] = None,
) -> None:
    """Show one journey: where it stands, its plan with the origin of each value, and its journal."""

    async def work(here: Site) -> int:
        record = await reading.journey(here.database, here.tenant, journey)
        if record is None:
            raise Mistake(f"there is no journey {journey!r}; continuum journeys lists them")
        if why is not None:
            return _why(record, why, json_)
        if questions:
            return _questions(record, json_)
        if pdf is not None:
            return await _summary(here, record, pdf, json_)
        if json_:
            output.as_json(record)
        else:
            output.journey(record, here.stack.ui_url if here.stack else None)
        return 0

    _run(work, folder)


def _questions(record: dict[str, Any], json_: bool) -> int:
    if record["pathway"] is None:
        raise Mistake("this journey has no pathway yet; choose one: continuum act ID choose_pathway")
    name, _, version = record["pathway"].partition("@")
    pathway = loader.load(name, int(version))
    if json_:
        output.as_json({sign.id: sign.text for flag in pathway.red_flags for sign in flag.signs})
    else:
        output.questions(pathway)
    return 0


async def _summary(here: Site, record: dict[str, Any], file: Path, json_: bool) -> int:
    written = [d["id"] for d in record["documents"] if d["kind"] == "discharge_summary"]
    if not written:
        raise Mistake("this journey has no discharge summary yet: it is written when it is signed")
    content = await documents.pdf(here.database, here.tenant, written[-1]) or b""
    _write(file, content)
    _answer(json_, {"document": written[-1], "file": str(file), "bytes": len(content)}, f"{_printable(file)}: written")
    return 0


def _answer(json_: bool, value: dict[str, Any], words: str) -> None:
    if json_:
        output.as_json(value)
    else:
        print(words)


def _why(record: dict[str, Any], seq: int, json_: bool) -> int:
    row = next((r for r in record["journal"] if r["seq"] == seq), None)
    if row is None:
        raise Mistake(f"the journal has no row {seq}; it has 1 to {len(record['journal'])}")
    if row["rule"] is None:
        decided = [str(r["seq"]) for r in record["journal"] if r["rule"]]
        raise Mistake(f"row {seq} was not decided by a rule; these were: {', '.join(decided) or 'none'}")
    decided_row = Decided(rule=row["rule"], version=row["rule_version"], inputs=row["inputs"], outcome=row["outcome"])
    try:
        same: bool | None = rerun(decided_row) == decided_row.outcome
    except KeyError:
        same = None
    if json_:
        output.as_json({**row, "same_today": same})
    else:
        output.why(row, same)
    return 0


@app.command()
def tasks(
    folder: Dir = None,
    json_: Json = False,
    owner: Annotated[str | None, typer.Option(help="Only this queue or person.")] = None,
) -> None:
    """List what is owed, soonest due first."""

    async def work(here: Site) -> int:
        rows = await reading.tasks(here.database, here.tenant, owner=owner)
        output.as_json(rows) if json_ else output.tasks(rows)
        return 0

    _run(work, folder)


@app.command()
def act(
    journey: Annotated[str, typer.Argument(help="The journey's id.", metavar="ID")],
    action: Annotated[str, typer.Argument(help=f"One of: {', '.join(sorted(ACTIONS))}.", metavar="ACTION")],
    folder: Dir = None,
    json_: Json = False,
    data: Annotated[str, typer.Option(help='The action\'s fields, as a JSON object; "note" may be free text.')] = "{}",
    person: Annotated[str, typer.Option(help="Who acts, by directory id.")] = "p-coordinator",
    role: Annotated[str, typer.Option(help=f"In which role: {', '.join(get_args(Role))}.")] = "coordinator",
    action_id: Annotated[str | None, typer.Option(help="Repeat an earlier action under its id.")] = None,
    expect: Annotated[str | None, typer.Option(help="The stage this is meant for (default: the present one).")] = None,
) -> None:
    """Act on a journey. docs/reference/actions.md has each action's fields and codes."""
    fields = _fields(data)
    stages = {s.value.lower(): s for s in Stage}
    if expect is not None and expect.lower() not in stages:
        raise SystemExit(_mistaken(f"--expect is one of: {', '.join(s.value for s in Stage)}"))

    async def work(here: Site) -> int:
        actor = _actor(person, role, here.tenant)
        try:
            answer = await perform(
                await here.temporal(),
                here.database,
                journey=journey,
                name=action,
                data=fields,
                actor=actor,
                action_id=action_id,
                expected=Expected(stage=stages[expect.lower()]) if expect else None,
            )
        except ActionRefused as refused:
            if refused.kind in ("NoSuchAction", "NoSuchJourney", "BadData"):
                raise Mistake(str(refused)) from None
            _answer(json_, {"outcome": "refused", "kind": refused.kind, "reason": str(refused)}, f"refused: {refused}")
            return 1
        except NotConfirmed as waiting:
            outcome = {"outcome": "not_confirmed", "action_id": waiting.action_id, "reason": str(waiting)}
            _answer(json_, outcome, str(waiting))
            return 1
        done = f"done: {answer.text} (row {answer.seq}, {answer.stage.label})"
        _answer(json_, {"outcome": "done", **answer.model_dump(mode="json")}, done)
        return 0

    _run(work, folder)


def _actor(person: str, role: str, tenant: str) -> Actor:
    if role not in get_args(Role):
        raise Mistake(f"--role is one of: {', '.join(get_args(Role))}")
    try:
        return Actor(person=person, role=cast(Role, role), tenant=tenant)
    except ValidationError:
        raise Mistake("--person is an id of the directory: small letters, digits and . _ -") from None


def _fields(data: str) -> dict[str, Any]:
    try:
        fields = json.loads(data)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise SystemExit(_mistaken("--data is a JSON object, for example '{\"messages\": true}'"))
    return fields


@app.command()
def notices(
    folder: Dir = None,
    json_: Json = False,
    journey: Annotated[str | None, typer.Option(help="Only this journey.")] = None,
) -> None:
    """List what was said to whom, and how it went."""

    async def work(here: Site) -> int:
        rows = await reading.notices(here.database, here.tenant, journey_id=journey)
        output.as_json(rows) if json_ else output.notices(rows)
        return 0

    _run(work, folder)


@app.command()
def mail(
    number: Annotated[int | None, typer.Argument(help="Show this message whole.")] = None,
    folder: Dir = None,
    json_: Json = False,
) -> None:
    """Read the mail that the embedded stack's sink received."""
    from continuum.embedded.mail import read_mail

    async def work(here: Site) -> int:
        if here.folder is None:
            raise Mistake("only the embedded stack has a mail sink; name its folder with --dir")
        letters = read_mail(here.folder.mail)
        if number is not None:
            letters = [m for m in letters if m.number == number]
            if not letters:
                raise Mistake(f"there is no message {number}; continuum mail lists them")
        if json_:
            output.as_json([m.model_dump(mode="json") for m in letters])
        elif number is not None:
            m = letters[0]
            print(f"To:      {', '.join(m.to)}\nSubject: {m.subject}\n\n{m.body}")
        else:
            rows = ((m.number, output.when(m.received_at), ", ".join(m.to), m.subject) for m in letters)
            output.table(
                output.count(letters, "message"), ("No.", "Received", "To", "Subject"), rows, empty="No mail yet."
            )
        return 0

    _run(work, folder)


@app.command()
def worker() -> None:
    """Run only the worker, against the Temporal service and PostgreSQL that the environment names."""
    settings_here()
    os.execv(sys.executable, [sys.executable, "-m", "worker"])  # noqa: S606 - this process becomes the worker


@app.command()
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
    _main(bring_up_to_date(owner_url, app_role))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Mistake(f"{_printable(file)}: cannot be read ({error.strerror})") from None


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise Mistake(f"{_printable(file)}: cannot be written ({error.strerror})") from None


def _printable(file: Path) -> str:
    """A name on one line, also where it is not text."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in str(file))


def _run(work: Any, folder: Path | None) -> None:
    async def main() -> int:
        async with site(folder) as here:
            output.use_zone(here.timezone)
            return int(await work(here))

    raise SystemExit(_main(main()))


def _main(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except (Mistake, StackError) as mistake:
        raise SystemExit(_mistaken(str(mistake))) from None
    except DatabaseAway as away:
        raise SystemExit(_mistaken(f"{away}; try again in a moment")) from None
    except DatabaseRefused as refused:
        raise SystemExit(_mistaken(f"{refused}; nothing was changed")) from None


def _mistaken(line: str) -> int:
    print(f"continuum: {' '.join(line.split())}", file=sys.stderr)
    return 2


def main() -> None:
    """The entry point."""
    try:
        app()
        code = 0
    except (StackError, Mistake, DatabaseAway) as mistake:
        code = _mistaken(str(mistake))
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1 if leaving.code else 0
    # The Temporal client's threads may hang or crash the interpreter on its way out; all is said and done by now.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
