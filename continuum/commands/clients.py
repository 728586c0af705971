"""Commands over registered systems: who may send, by which key, and what they may do."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from jwt.algorithms import ECAlgorithm
from pydantic import TypeAdapter, ValidationError

from care.model import PersonId
from channels.egress import EgressRefused, target_of
from continuum import output
from continuum.commands.common import Dir, Json, Mistake, printable, read, run, say
from continuum.embedded.folder import write_private
from continuum.settings import settings_here
from continuum.site import Site
from gateway.access.assertions import ALGORITHMS
from gateway.access.jwks import KeySetWrong, read_key_set, the_key
from gateway.access.scopes import ScopeUnknown, written
from records import clients as stored
from records import hl7_answers as told
from records.clients import ClientExists, Profile, RegisteredClient

client = typer.Typer(help="Registered systems: who may send, by which key.", no_args_is_help=True)

PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "k", "oth")
"""Members of a JWK that are nobody's but its owner's: RFC 7518, 6."""

ClientId = Annotated[str, typer.Argument(metavar="ID", help="The client's id: small letters, digits and . _ -")]
Jwks = Annotated[Path | None, typer.Option("--jwks", help="A file with its public keys (JWKS).", metavar="FILE")]
JwksUrl = Annotated[str | None, typer.Option("--jwks-url", help="Where its public keys are.", metavar="URL")]
NewKey = Annotated[
    Path | None, typer.Option("--new-key", help="Make a key for it: the private half goes here.", metavar="FILE")
]


Hl7Answers = Annotated[str | None, typer.Option(help="Where it takes our HL7 v2 messages.", metavar="HOST:PORT")]
Hl7AnswersTls = Annotated[
    bool, typer.Option("--hl7-answers-tls/--hl7-answers-plain", help="Whether it takes them by TLS.")
]


@client.command()
def add(
    id: ClientId,  # noqa: A002 - the argument's own name
    name: Annotated[str, typer.Option(help="What people call it.")],
    scope: Annotated[list[str] | None, typer.Option(help="A SMART scope: system/ServiceRequest.cruds")] = None,
    jwks: Jwks = None,
    jwks_url: JwksUrl = None,
    new_key: NewKey = None,
    hl7_sender: Annotated[
        list[str] | None, typer.Option(help="Its HL7 v2 messages say so in MSH-3 and MSH-4.", metavar="'APP|FACILITY'")
    ] = None,
    hl7_answers: Hl7Answers = None,
    hl7_answers_tls: Hl7AnswersTls = True,
    organisation: Annotated[str | None, typer.Option(help="The house it speaks for.", metavar="'SYSTEM|VALUE'")] = None,
    certificate: Annotated[
        str | None, typer.Option(help="SHA-256 of its TLS client certificate, hex.", metavar="HEX")
    ] = None,
    profile: Annotated[str, typer.Option(help=f"Which guide it follows: {', '.join(get_args(Profile))}.")] = "cow",
    folder: Dir = None,
    json_: Json = False,
) -> None:
    """Register a system."""
    if profile not in get_args(Profile):
        raise Mistake(f"--profile is one of: {', '.join(get_args(Profile))}")
    said = RegisteredClient(
        tenant="",
        id=_id(id),
        name=name,
        scopes=_scopes(scope or []),
        organisation=_pair(organisation, "--organisation"),
        hl7_senders=tuple(_sender(sender) for sender in hl7_sender or []),
        hl7_answers=_address(hl7_answers),
        hl7_answers_tls=hl7_answers_tls,
        certificate=_fingerprint(certificate),
        profile=profile,
    )
    keys, url = _keys(jwks, jwks_url, new_key)  # last: nothing is made where something else is wrong
    if keys is None and url is None and not said.hl7_senders:
        raise Mistake("how is it known? give --jwks FILE, --jwks-url URL or --new-key FILE, or --hl7-sender for HL7 v2")

    async def work(here: Site) -> int:
        registered = said.model_copy(update={"tenant": here.tenant, "jwks": keys, "jwks_url": url})
        try:
            await stored.add(here.database, registered)
        except ClientExists:
            if new_key is not None:
                new_key.unlink(missing_ok=True)
            raise Mistake(f"{id} is registered already; continuum client rotate {id} gives it other keys") from None
        what = f"registered {id}" + (f"; its private key is in {printable(new_key)}" if new_key else "")
        say(json_, _plain(registered), what)
        return 0

    run(work, folder)


@client.command(name="list")
def list_(folder: Dir = None, json_: Json = False) -> None:
    """List the registered systems."""

    async def work(here: Site) -> int:
        found = await stored.listed(here.database, here.tenant)
        if json_:
            output.as_json([_plain(one) for one in found])
            return 0
        rows = [
            (one.id, one.name, one.scopes, _known_by(one), ", ".join(one.hl7_senders), one.profile, _state(one))
            for one in found
        ]
        columns = ("Id", "Name", "Scopes", "Keys", "HL7 v2 senders", "Guide", "")
        output.table("Registered systems", columns, rows, empty="No system is registered: continuum client add")
        return 0

    run(work, folder)


@client.command()
def rotate(
    id: ClientId,  # noqa: A002
    jwks: Jwks = None,
    jwks_url: JwksUrl = None,
    new_key: NewKey = None,
    only_new: Annotated[
        bool, typer.Option("--only-new", help="With --new-key: earlier keys do not count from now on.")
    ] = False,
    folder: Dir = None,
    json_: Json = False,
) -> None:
    """Give a system other keys. With --new-key its latest one goes on counting until the next rotation."""
    made = _keys(jwks, jwks_url, new_key)
    if made == (None, None):
        raise Mistake("which keys? give --jwks FILE, --jwks-url URL or --new-key FILE")

    async def work(here: Site) -> int:
        before = await _registered(here, id)
        keys, url = made
        if keys is not None and new_key is not None and not only_new:
            keys = {"keys": [*keys["keys"], *((before.jwks or {}).get("keys") or [])[:1]]}
        await stored.set_keys(here.database, here.tenant, before.id, jwks=keys, jwks_url=url)
        after = before.model_copy(update={"jwks": keys, "jwks_url": url})
        what = f"{id} is known by {_known_by(after)}" + (f"; its private key is in {new_key}" if new_key else "")
        say(json_, _plain(after), what)
        return 0

    run(work, folder)


@client.command(name="hl7-answers")
def hl7_answers_(
    id: ClientId,  # noqa: A002
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Where; `none`: nowhere any more.")],
    tls: Hl7AnswersTls = True,
    folder: Dir = None,
    json_: Json = False,
) -> None:
    """Say where a system takes our HL7 v2 messages about what it referred."""
    where = None if address == "none" else _address(address)

    async def work(here: Site) -> int:
        before = await _registered(here, id)
        await stored.set_hl7_answers(here.database, here.tenant, before.id, where, tls=tls)
        after = before.model_copy(update={"hl7_answers": where, "hl7_answers_tls": tls})
        say(json_, _plain(after), f"{id} is told by HL7 v2 at {where}" if where else f"{id} is not told by HL7 v2")
        return 0

    run(work, folder)


@client.command()
def answers(
    folder: Dir = None,
    json_: Json = False,
    status: Annotated[str | None, typer.Option(help="pending, sent, dead or nothing.")] = None,
    again: Annotated[str | None, typer.Option("--again", help="Try this system's dead letters once more.")] = None,
) -> None:
    """What was told by HL7 v2 to systems that refer by it, newest first."""

    async def work(here: Site) -> int:
        if again is not None:
            await _registered(here, again)
            count = await told.replay(here.database, here.tenant, again)
            say(json_, {"outcome": "replayed", "count": count}, f"{count} tried again now")
            return 0
        rows = await told.listed(here.database, here.tenant, status)
        if json_:
            output.as_json(rows)
            return 0
        output.table(
            output.count(rows, "answer"),
            ("Of", "System", "Journey", "Message", "Status", "Why", "Attempts"),
            [
                (output.when(r["at"]), r["client"], r["journey"], r["kind"], r["status"], r["reason"], r["attempts"])
                for r in rows
            ],
            empty="Nothing was told by HL7 v2.",
        )
        return 0

    run(work, folder)


@client.command()
def disable(id: ClientId, folder: Dir = None, json_: Json = False) -> None:  # noqa: A002
    """Shut a system out. Tokens that it has count for half a minute more."""
    _set_active(id, False, folder, json_)


@client.command()
def enable(id: ClientId, folder: Dir = None, json_: Json = False) -> None:  # noqa: A002
    """Let a system in again that was shut out."""
    _set_active(id, True, folder, json_)


def _set_active(id: str, active: bool, folder: Path | None, json_: bool) -> None:  # noqa: A002
    async def work(here: Site) -> int:
        before = await _registered(here, id)
        await stored.set_active(here.database, here.tenant, before.id, active)
        words = f"{id} is {'let in' if active else 'shut out'}"
        say(json_, _plain(before.model_copy(update={"active": active})), words)
        return 0

    run(work, folder)


async def _registered(here: Site, id: str) -> RegisteredClient:  # noqa: A002
    there = {one.id: one for one in await stored.listed(here.database, here.tenant)}
    if id not in there:
        raise Mistake(f"no system of the id {id} is registered; there are: {', '.join(there) or 'none'}")
    return there[id]


# --- what is given


def _keys(jwks: Path | None, jwks_url: str | None, new_key: Path | None) -> tuple[dict[str, Any] | None, str | None]:
    """Public keys, or where they are. Raises Mistake."""
    if sum(given is not None for given in (jwks, jwks_url, new_key)) > 1:
        raise Mistake("--jwks, --jwks-url and --new-key: give one of them")
    if jwks is not None:
        return _public(jwks), None
    if new_key is not None:
        return {"keys": [_made(new_key)]}, None
    if jwks_url is not None:
        try:
            target_of(jwks_url, settings_here().access().allowed_private)
        except EgressRefused as refused:
            raise Mistake(f"--jwks-url: {refused}") from None
    return None, jwks_url


def _public(file: Path) -> dict[str, Any]:
    try:
        keys = read_key_set(read(file))
    except KeySetWrong as wrong:
        raise Mistake(f"{printable(file)}: {wrong}") from None
    if any(name in key for key in keys for name in PRIVATE):
        raise Mistake(f"{printable(file)}: holds a private key; register the public halves, and keep the private ones")
    for key in keys:
        kid = key.get("kid")
        if not isinstance(kid, str) or not any(the_key(keys, kid, algorithm) for algorithm in ALGORITHMS):
            raise Mistake(
                f"{printable(file)}: each key needs a kid of its own, and has to be RSA of 2048 bits or more for RS384,"
                " or EC P-384 for ES384"
            )
    if not keys:
        raise Mistake(f"{printable(file)}: has no keys")
    return {"keys": list(keys)}


def _made(file: Path) -> dict[str, Any]:
    """A new key pair: the private half into the file, the public one for the register."""
    if file.exists():
        raise Mistake(f"{printable(file)}: is there already; name a new file")
    key, kid = generate_private_key(SECP384R1()), secrets.token_hex(8)
    named = {"kid": kid, "alg": "ES384", "use": "sig"}
    private: dict[str, Any] = {**ECAlgorithm.to_jwk(key, as_dict=True), **named, "key_ops": ["sign"]}
    try:
        write_private(file, json.dumps(private, indent=2).encode() + b"\n")
    except OSError as error:
        raise Mistake(f"{printable(file)}: cannot be written ({error.strerror})") from None
    return {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), **named}


def _id(written_: str) -> str:
    try:
        return TypeAdapter(PersonId).validate_python(written_)
    except ValidationError:
        raise Mistake("ID: small letters, digits and . _ - are wanted, at most 64") from None


def _scopes(given: list[str]) -> str:
    try:
        return written(" ".join(given))
    except ScopeUnknown as unknown:
        raise Mistake(f"--scope: {unknown} is not known; system/ServiceRequest.cruds and system/*.rs are") from None


def _sender(given: str) -> str:
    pair = _pair(given, "--hl7-sender")
    assert pair is not None  # noqa: S101 - something was given
    return pair


def _address(given: str | None) -> str | None:
    if given is None:
        return None
    host, _, port = given.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise Mistake("an address for HL7 v2 is HOST:PORT, for example engine.north.example:2575")
    return given


def _pair(given: str | None, option: str) -> str | None:
    if given is not None and given.count("|") != 1:
        raise Mistake(f"{option}: two parts with | between them are wanted")
    return given


def _fingerprint(given: str | None) -> str | None:
    if given is None:
        return None
    digits = given.replace(":", "").lower()
    if len(digits) != 64 or set(digits) - set("0123456789abcdef"):
        raise Mistake("--certificate: the SHA-256 fingerprint is wanted, 64 hex digits")
    return digits


# --- what is shown


def _known_by(one: RegisteredClient) -> str:
    if one.jwks_url is not None:
        return one.jwks_url
    return ", ".join(str(key.get("kid")) for key in (one.jwks or {}).get("keys", [])) or "no key"


def _state(one: RegisteredClient) -> str:
    return "" if one.active else "shut out"


def _plain(one: RegisteredClient) -> dict[str, Any]:
    return one.model_dump(mode="json")
