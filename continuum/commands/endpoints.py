"""Who is told of what: webhook endpoints that an operator adds, clients' own subscriptions, and what did not arrive."""

from __future__ import annotations

import secrets as chance
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from channels import signing
from channels.egress import EgressRefused, target_of
from channels.mail import ADDRESS
from continuum import output
from continuum.commands.common import Dir, Json, Mistake, run, say
from continuum.directory_file import moment
from continuum.settings import settings_here
from continuum.site import Site
from records import clients, deliveries, subscriptions
from records.subscriptions import CONSULT_NOTE, REFERRAL_TASK, Standing, Subscription, Wanted

endpoints = typer.Typer(help="Systems that are told of news: webhooks and subscriptions.", no_args_is_help=True)

EndpointId = Annotated[str, typer.Argument(help="An endpoint's id, as list shows it.", metavar="ID")]
TOPICS = {"referrals": REFERRAL_TASK, "consult-notes": CONSULT_NOTE}
SHOWN = 50


@endpoints.command("list")
def list_(folder: Dir = None, json_: Json = False) -> None:
    """Every endpoint: how it stands, what waits for it and what was given up."""

    async def work(here: Site) -> int:
        found = await subscriptions.search(here.database, here.tenant)
        counts = await deliveries.counts(here.database, here.tenant)
        if json_:
            output.as_json([_plain(it, counts.get(it.id, {})) for it in found])
            return 0
        output.table(
            output.count(found, "endpoint"),
            ("Endpoint", "Of", "Kind", "Topic", "Status", "Waiting", "Dead", "Why"),
            (
                (
                    it.id,
                    it.owner or "all referrals",
                    it.kind,
                    _topic(it),
                    it.status,
                    counts.get(it.id, {}).get("pending", 0),
                    counts.get(it.id, {}).get("dead", 0),
                    it.trouble,
                )
                for it in found
            ),
            empty="Nobody is told.",
        )
        return 0

    run(work, folder)


@endpoints.command()
def show(endpoint: EndpointId, folder: Dir = None, json_: Json = False) -> None:
    """One endpoint, and the dead letters of it, newest first."""

    async def work(here: Site) -> int:
        it = await _there(here, endpoint)
        counts = (await deliveries.counts(here.database, here.tenant)).get(it.id, {})
        dead = await deliveries.dead(here.database, here.tenant, it.id, SHOWN)
        if json_:
            output.as_json({**_plain(it, counts), "dead_letters": dead})
            return 0
        for name, value in _plain(it, counts).items():
            if value is not None:
                print(f"  {name.replace('_', ' '):<14} {value}")
        output.table(
            "Dead letters",
            ("Event", "When", "About", "Attempts", "Why"),
            ((r["number"], output.when(r["at"]), r["focus"], r["attempts"], r["reason"]) for r in dead),
            empty="  no dead letters",
        )
        return 0

    run(work, folder)


@endpoints.command()
def add(
    url: Annotated[str, typer.Argument(help="Where to tell: https://...", metavar="URL")],
    client: Annotated[str | None, typer.Option(help="Tell of this client's referrals.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Tell of all referrals.")] = False,
    topic: Annotated[str, typer.Option(help=f"One of: {', '.join(TOPICS)}.")] = "referrals",
    contact: Annotated[str | None, typer.Option(help="A mail address that hears of trouble.")] = None,
    folder: Dir = None,
    json_: Json = False,
) -> None:
    """Add a webhook endpoint. Its secret is shown once: hand it to whoever receives, and to nobody else."""
    if (client is None) == (not all_):
        raise Mistake("say whose referrals: --client ID, or --all")
    if topic not in TOPICS:
        raise Mistake(f"--topic is one of: {', '.join(TOPICS)}")
    if contact is not None and not ADDRESS.fullmatch(contact):
        raise Mistake("--contact is one plain mail address")
    try:
        target_of(url, settings_here().access().allowed_private)
    except EgressRefused as refused:
        raise Mistake(str(refused)) from None

    async def work(here: Site) -> int:
        if client is not None:
            found = await clients.find(here.database, client)
            if found is None or found.tenant != here.tenant:
                raise Mistake("--client: no client of that id is registered here")
        secret = signing.new_secret()
        it = await subscriptions.add(
            here.database,
            id=chance.token_hex(16),
            tenant=here.tenant,
            owner=f"client:{client}" if client is not None else None,
            wanted=Wanted(kind="webhook", topic=TOPICS[topic], url=url, contact=contact, reason="webhook"),
            status="active",
            secrets=(secret,),
        )
        if it is None:
            raise AssertionError("there is no limit here")
        say(json_, {**_plain(it, {}), "secret": secret}, f"{it.id}\nsecret (shown once): {secret}")
        return 0

    run(work, folder)


@endpoints.command()
def disable(endpoint: EndpointId, folder: Dir = None, json_: Json = False) -> None:
    """Tell it nothing more. What waits for it becomes dead letters."""
    _stand(endpoint, "off", folder, json_)


@endpoints.command()
def enable(endpoint: EndpointId, folder: Dir = None, json_: Json = False) -> None:
    """Tell it again, from now on; a FHIR subscription after a handshake. `replay` sends what was given up."""
    _stand(endpoint, "active", folder, json_)


@endpoints.command()
def rotate(
    endpoint: EndpointId,
    end: Annotated[bool, typer.Option("--end", help="The receiver has the new one: forget the old.")] = False,
    folder: Dir = None,
    json_: Json = False,
) -> None:
    """Sign with a new secret as well as the old, until the receiver has it; then with --end."""

    async def work(here: Site) -> int:
        it = await _there(here, endpoint)
        secrets = it.secrets[:1] if end else signing.rotated(it.secrets)
        await subscriptions.sign_with(here.database, here.tenant, it.id, secrets)
        value: dict[str, Any] = {"outcome": "ended" if end else "rotated", "id": it.id, "secrets": len(secrets)}
        words = f"{it.id}: signed with {output.count(secrets, 'secret')} now"
        if not end:
            value["secret"] = secrets[0]
            words += f"\nnew secret (shown once): {secrets[0]}"
        say(json_, value, words)
        return 0

    run(work, folder)


@endpoints.command()
def replay(
    endpoint: EndpointId,
    since: Annotated[str, typer.Option("--since", help="A day, or a time of the clinic.", metavar="MOMENT")],
    until: Annotated[str | None, typer.Option("--until", help="The same (default: now).", metavar="MOMENT")] = None,
    folder: Dir = None,
    json_: Json = False,
) -> None:
    """Send again what was given up in a time, each event once and under its own id."""

    async def work(here: Site) -> int:
        it = await _there(here, endpoint)
        if it.status != "active":
            raise Mistake(f"the endpoint is {it.status}: continuum endpoints enable comes first")
        try:
            begin = moment(since, here.timezone)
            end = datetime.now(UTC) if until is None else moment(until, here.timezone, last_day=True)
        except ValueError as wrong:
            raise Mistake(str(wrong)) from None
        again = await deliveries.replay(here.database, here.tenant, it.id, begin, end)
        say(
            json_,
            {"outcome": "replayed", "id": it.id, "events": again},
            f"{it.id}: {output.count(again, 'event')} sent again",
        )
        return 0

    run(work, folder)


def _stand(endpoint: str, standing: Standing, folder: Dir, json_: bool) -> None:
    async def work(here: Site) -> int:
        it = await _there(here, endpoint)
        wanted: Standing = "requested" if standing == "active" and it.kind != "webhook" else standing
        if it.status == wanted or (it.status == "active" and standing == "active"):
            say(json_, {"outcome": "unchanged", "id": it.id, "status": it.status}, f"{it.id}: {it.status} already")
            return 0
        changed = await subscriptions.change(here.database, here.tenant, it.id, it, wanted, version=it.version)
        if changed is None:
            raise Mistake("it has changed this very moment; try again")
        say(json_, {"outcome": "changed", "id": it.id, "status": changed.status}, f"{it.id}: {changed.status}")
        return 0

    run(work, folder)


async def _there(here: Site, endpoint: str) -> Subscription:
    it = await subscriptions.one(here.database, here.tenant, endpoint)
    if it is None:
        raise Mistake("there is no endpoint of that id; continuum endpoints list shows them")
    return it


def _topic(it: Subscription) -> str:
    return next((name for name, url in TOPICS.items() if url == it.topic), it.topic)


def _plain(it: Subscription, counts: dict[str, int]) -> dict[str, Any]:
    """Without what is secret."""
    return {
        "id": it.id,
        "owner": it.owner,
        "kind": it.kind,
        "topic": _topic(it),
        "url": it.url,
        "status": it.status,
        "trouble": it.trouble,
        "contact": it.contact,
        "events": it.events,
        "waiting": counts.get("pending", 0),
        "dead": counts.get("dead", 0),
        "secrets": len(it.secrets),
        "failing_since": it.failing_since,
        "created_at": it.created_at,
    }
