"""Commands that change a journey: take in a referral, act."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args

import typer

from care.action import ACTIONS, Expected
from care.actor import Role
from care.journey import Stage
from continuum.commands.common import Dir, Json, Mistake, mistaken, printable, read, run, say
from continuum.commands.desk import COORDINATOR, Api, Desk, TokenFile, run_at
from continuum.site import Site
from gateway.acting import ActionRefused, NotConfirmed
from gateway.referring import receive
from pathways import loader
from records.directory import load

Person = Annotated[
    str | None, typer.Option("--person", help=f"Who acts, by directory id (default: {COORDINATOR}).", metavar="PERSON")
]
InRole = Annotated[
    str | None, typer.Option("--role", help=f"In which role: {', '.join(get_args(Role))} (default: coordinator).")
]
Again = Annotated[str | None, typer.Option("--action-id", help="Repeat an earlier action under its id.")]


def refer(
    files: Annotated[list[Path], typer.Argument(help="FHIR R4 ServiceRequest or Bundle, JSON.", metavar="FILE...")],
    folder: Dir = None,
    json_: Json = False,
    source: Annotated[str, typer.Option(help="The sender, where the message does not name one.")] = "command-line",
    clinic: Annotated[str | None, typer.Option(help="The clinic it is for, where there are several.")] = None,
    payer: Annotated[str | None, typer.Option(help="Whose rules hold for payment, where it is known.")] = None,
) -> None:
    """Take in referrals. One line for each file: accepted, duplicate, amendment or refused."""

    async def work(here: Site) -> int:
        refused = 0
        if clinic is not None:
            clinics = [c.id for c in (await load(here.database, here.tenant)).clinics]
            if clinic not in clinics:
                raise Mistake(f"--clinic is one of: {', '.join(clinics) or 'none'}")
        payers = loader.rulebook().named("payer")
        if payer is not None and payer not in payers:
            raise Mistake(f"--payer is one of: {', '.join(payers)}")
        for file in files:
            received = await receive(
                here.database,
                read(file),
                tenant=here.tenant,
                source=source,
                now=datetime.now(UTC),
                clinic=clinic,
                payer=payer,
            )
            refused += received.outcome == "refused"
            if json_:
                print(json.dumps({"file": str(file), **received.model_dump()}), flush=True)
            else:
                rest = " ".join(part for part in (received.journey, received.reason) if part)
                at = f" at {received.path}" if received.outcome == "refused" and received.path else ""
                print(f"{printable(file)}: {received.outcome} {rest}{at}", flush=True)
        return 1 if refused else 0

    run(work, folder)


def act(
    journey: Annotated[str, typer.Argument(help="The journey's id.", metavar="ID")],
    action: Annotated[str, typer.Argument(help=f"One of: {', '.join(sorted(ACTIONS))}.", metavar="ACTION")],
    folder: Dir = None,
    json_: Json = False,
    data: Annotated[str, typer.Option(help='The action\'s fields, as a JSON object; "note" may be free text.')] = "{}",
    person: Person = None,
    role: InRole = None,
    action_id: Again = None,
    expect: Annotated[str | None, typer.Option(help="The stage this is meant for (default: the present one).")] = None,
    api: Api = None,
    token_file: TokenFile = None,
) -> None:
    """Act on a journey. docs/reference/actions.md has each action's fields and codes."""
    fields = _fields(data)
    stages = {s.value.lower(): s for s in Stage}
    if expect is not None and expect.lower() not in stages:
        raise SystemExit(mistaken(f"--expect is one of: {', '.join(s.value for s in Stage)}"))

    async def work(here: Desk) -> int:
        expected = Expected(stage=stages[expect.lower()]) if expect else None
        by = By(person, role, action_id)
        return await do(here, journey, action, fields, by, json_, expected=expected)

    run_at(work, folder, api, token_file)


class By(NamedTuple):
    """Who acts, and under which id. With an API the token says who."""

    person: str | None
    role: str | None
    action_id: str | None


async def do(
    here: Desk,
    journey: str,
    action: str,
    fields: dict[str, Any],
    by: By,
    json_: bool,
    *,
    expected: Expected | None = None,
) -> int:
    """Do it, and say what came of it. Raises Mistake for what no journey could do."""
    try:
        answer = await here.act(
            journey,
            action,
            fields,
            person=by.person,
            role=by.role,
            action_id=by.action_id,
            expected=expected,
        )
    except ActionRefused as refused:
        if refused.kind in ("NoSuchAction", "NoSuchJourney", "BadData"):
            raise Mistake(str(refused)) from None
        say(json_, {"outcome": "refused", "kind": refused.kind, "reason": str(refused)}, f"refused: {refused}")
        return 1
    except NotConfirmed as waiting:
        outcome = {"outcome": "not_confirmed", "action_id": waiting.action_id, "reason": str(waiting)}
        say(json_, outcome, str(waiting))
        return 1
    done = f"done: {answer.text} (row {answer.seq}, {answer.stage.label})"
    say(json_, {"outcome": "done", **answer.model_dump(mode="json")}, done)
    return 0


def _fields(data: str) -> dict[str, Any]:
    try:
        fields = json.loads(data)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise SystemExit(mistaken("--data is a JSON object, for example '{\"messages\": true}'"))
    return fields
