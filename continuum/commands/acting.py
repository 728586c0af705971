"""Commands that change a journey: take in a referral, act."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from care.action import ACTIONS, Expected
from care.actor import Actor, Role
from care.journey import Stage
from continuum.commands.common import Dir, Json, Mistake, mistaken, printable, read, run, say, speaker
from continuum.site import Site
from gateway.acting import ActionRefused, NotConfirmed, perform
from gateway.referring import receive
from pathways import loader
from records.directory import load


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
    person: Annotated[str, typer.Option(help="Who acts, by directory id.")] = "p-coordinator",
    role: Annotated[str, typer.Option(help=f"In which role: {', '.join(get_args(Role))}.")] = "coordinator",
    action_id: Annotated[str | None, typer.Option(help="Repeat an earlier action under its id.")] = None,
    expect: Annotated[str | None, typer.Option(help="The stage this is meant for (default: the present one).")] = None,
) -> None:
    """Act on a journey. docs/reference/actions.md has each action's fields and codes."""
    fields = _fields(data)
    stages = {s.value.lower(): s for s in Stage}
    if expect is not None and expect.lower() not in stages:
        raise SystemExit(mistaken(f"--expect is one of: {', '.join(s.value for s in Stage)}"))

    async def work(here: Site) -> int:
        expected = Expected(stage=stages[expect.lower()]) if expect else None
        actor = await speaker(here, person, role)
        return await do(here, journey, action, fields, actor, json_, action_id=action_id, expected=expected)

    run(work, folder)


async def do(
    here: Site,
    journey: str,
    action: str,
    fields: dict[str, Any],
    actor: Actor,
    json_: bool,
    *,
    action_id: str | None = None,
    expected: Expected | None = None,
) -> int:
    """Do it, and say what came of it. Raises Mistake for what no journey could do."""
    try:
        answer = await perform(
            await here.temporal(),
            here.database,
            journey=journey,
            name=action,
            data=fields,
            actor=actor,
            action_id=action_id,
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
