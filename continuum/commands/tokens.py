"""Commands that give a token: for a system by its key, for a person of the embedded stack; and the gateway's own
keys."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import httpx
import jwt
import typer

from continuum.commands.common import Dir, Json, Mistake, finish, printable, read, run, say
from continuum.embedded.folder import StackError, read_stack
from continuum.embedded.sign_in.issuing import TOKEN_SECONDS, issuer_of
from continuum.settings import settings_here
from continuum.site import DEFAULT_FOLDER, Site
from gateway.access.assertions import ASSERTION_TYPE
from gateway.access.keyring import KeyFileWrong, rotate
from gateway.access.people import ROLES
from records import directory

ASSERTION_SECONDS = 240
ANSWER_SECONDS = 15.0


def token(
    client: Annotated[str | None, typer.Option(help="A registered system.", metavar="ID")] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key (JWK).", metavar="FILE")] = None,
    scope: Annotated[str, typer.Option(help="What it asks for.")] = "system/*.cruds",
    url: Annotated[
        str | None, typer.Option(help="The gateway (default: that of the stack, or of the settings).")
    ] = None,
    as_: Annotated[
        str | None, typer.Option("--as", help="A person of the embedded stack, by directory id.", metavar="PERSON")
    ] = None,
    folder: Dir = None,
    json_: Json = False,
) -> None:
    """Print an access token: of a system by its key, or of a person of the embedded stack."""
    if as_ is not None and client is None and key is None:
        _of_person(as_, folder, json_)
    if client is None or key is None or as_ is not None:
        raise Mistake("whose token? give --client ID and --key FILE, or --as PERSON at an embedded stack")
    base = url or _gateway(folder)
    got = finish(_client_credentials(base.rstrip("/"), client, _private(key), scope))
    say(json_, got, str(got["access_token"]))


def signing_key(
    file: Annotated[Path, typer.Argument(help="The gateway's file of keys; made where there is none.", metavar="FILE")],
    json_: Json = False,
) -> None:
    """Put a new signing key in front of the gateway's keys; the last ones go on counting."""
    try:
        made = rotate(file)
    except KeyFileWrong as wrong:
        raise Mistake(str(wrong)) from None
    say(json_, {"kid": made.kid, "file": str(file)}, f"{made.kid} signs from now on")


def _of_person(person: str, folder: Path | None, json_: bool) -> None:
    async def work(here: Site) -> int:
        if here.folder is None:
            raise Mistake("--as works at an embedded stack alone; elsewhere people sign in at their own provider")
        found = (await directory.load(here.database, here.tenant)).person(person)
        if found is None:
            raise Mistake(f"{person} is not in the directory; continuum directory show says who is")
        roles = sorted({role for held in found.roles for role in ROLES.get(held, ())})
        if not roles:
            raise Mistake(f"{person} has no role in the directory, and so may do nothing at the gateway")
        issued = issuer_of(here.folder).token(found)
        say(json_, {"access_token": issued, "expires_in": TOKEN_SECONDS, "person": person, "roles": roles}, issued)
        return 0

    run(work, folder)


def _gateway(folder: Path | None) -> str:
    named = os.environ.get("CONTINUUM_DIR")
    if folder is None and named is None and "CONTINUUM_PUBLIC_URL" in os.environ:
        return settings_here().base_url
    found = read_stack(folder or Path(named or DEFAULT_FOLDER)).gateway_url
    if found is None:
        raise StackError("this stack was started without a gateway; name one with --url")
    return found


def _private(file: Path) -> tuple[jwt.PyJWK, str]:
    """A private key, and its name. Raises Mistake."""
    try:
        jwk: dict[str, Any] = json.loads(read(file))
        algorithm = {"EC": "ES384", "RSA": "RS384"}[jwk["kty"]]
        if "d" not in jwk:
            raise Mistake(f"{printable(file)}: holds the public half alone")
        return jwt.PyJWK(jwk, algorithm), str(jwk["kid"])
    except (ValueError, KeyError, TypeError, jwt.PyJWTError):
        raise Mistake(f"{printable(file)}: a private key as JWK is wanted, with a kid: EC P-384 or RSA") from None


async def _client_credentials(base: str, client: str, key: tuple[jwt.PyJWK, str], scope: str) -> dict[str, Any]:
    """SMART Backend Services, from the client's side: where, an assertion, a token. Raises Mistake."""
    try:
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as http:
            where = await http.get(f"{base}/.well-known/smart-configuration")
            endpoint = str(where.json()["token_endpoint"])
            answer = await http.post(
                endpoint,
                data={
                    "grant_type": "client_credentials",
                    "scope": scope,
                    "client_assertion_type": ASSERTION_TYPE,
                    "client_assertion": _assertion(client, key, endpoint),
                },
            )
            got = answer.json()
    except httpx.HTTPError:
        raise Mistake(f"{base}: there is no answer; is this the gateway, and does it run?") from None
    except (ValueError, KeyError, TypeError):
        raise Mistake(f"{base}: this is not the answer of a gateway of ours") from None
    if answer.status_code != 200:
        raise Mistake(f"{got.get('error')}: {got.get('error_description')}")
    return dict(got)


def _assertion(client: str, key: tuple[jwt.PyJWK, str], endpoint: str) -> str:
    now = int(time.time())
    claims = {"iss": client, "sub": client, "aud": endpoint, "iat": now, "exp": now + ASSERTION_SECONDS}
    signing, kid = key
    return jwt.encode(
        {**claims, "jti": uuid4().hex},
        signing.key,
        algorithm=signing.algorithm_name,
        headers={"kid": kid, "typ": "JWT"},
    )
