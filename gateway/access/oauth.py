"""Where systems get their tokens: SMART Backend Services, with a signed assertion and nothing else.

Sources: https://hl7.org/fhir/smart-app-launch/backend-services.html, RFC 6749 (4.4, 5), RFC 7523. Whatever is wrong
with an assertion, the answer is the same, to the byte: whoever tries learns nothing.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from gateway.access.assertions import ALGORITHMS, ASSERTION_TYPE, AssertionRefused, check, look_at
from gateway.access.guard import NOBODY, Access, access_of, source_of
from gateway.access.jwks import Jwk, RemoteKeys
from gateway.access.policy import PUBLIC, marked
from gateway.access.scopes import LONGEST, granted
from gateway.access.tokens import TOKEN_SECONDS
from gateway.answers import RETRY_AFTER_SECONDS
from gateway.context import Gateway, gateway_of
from records import clients
from records.audit import AuditEntry
from records.clients import RegisteredClient
from records.database import DatabaseAway, DatabaseRefused

TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
OPERATION = f"POST {TOKEN_PATH}"
MOST_BYTES = 32_768
MOST_FIELDS = 20

router = APIRouter(tags=["sign-in"])


def token_url(gateway: Gateway) -> str:
    """What an assertion has to name as its `aud`, to the letter."""
    return gateway.settings.base_url + TOKEN_PATH


@router.get("/.well-known/smart-configuration")
@router.get("/fhir/.well-known/smart-configuration")
@marked(PUBLIC)
async def smart_configuration(request: Request) -> JSONResponse:
    """How systems sign in here (SMART App Launch 2.2, conformance)."""
    return JSONResponse(
        {
            "token_endpoint": token_url(gateway_of(request)),
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
            "grant_types_supported": ["client_credentials"],
            "scopes_supported": ["system/*.cruds", "system/*.rs"],
            "code_challenge_methods_supported": ["S256"],
            "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
        }
    )


@router.post(TOKEN_PATH)
@marked(PUBLIC)
async def token(request: Request) -> Response:
    """A client's assertion for an access token (client_credentials)."""
    try:
        form = await _form(request)
        if form.get("grant_type") != "client_credentials":
            raise _Wrong("unsupported_grant_type", "this server knows client_credentials alone")
        return await _issue(request, form)
    except _Wrong as wrong:
        return _answer(wrong.status, {"error": wrong.error, "error_description": wrong.text}, wrong.headers)
    except (DatabaseAway, DatabaseRefused):
        body = {"error": "temporarily_unavailable", "error_description": "the record cannot be reached; try again"}
        return _answer(503, body, {"Retry-After": str(RETRY_AFTER_SECONDS)})


async def _issue(request: Request, form: dict[str, str]) -> Response:
    access = access_of(request)
    tried = _Attempt(request, access)
    client = await _authenticated(request, form, tried)
    if wait := await access.limits.wait_for_request(f"client:{client.id}"):
        raise _Wrong("slow_down", "too many requests; wait a little", 429, {"Retry-After": str(wait)})
    scopes = granted(form.get("scope", "")[:LONGEST], client.scopes)
    if not scopes:
        await tried.write(client, 400)
        raise _Wrong("invalid_scope", "ask in `scope` for at least one scope that was given to this client")
    await tried.write(client, 200)
    return _answer(
        200,
        {
            "access_token": access.tokens.mint(client.tenant, client.id, scopes),
            "token_type": "bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": " ".join(sorted(scopes)),
        },
    )


async def _authenticated(request: Request, form: dict[str, str], tried: _Attempt) -> RegisteredClient:
    """The client whose assertion this is. Raises _Wrong, the same for every fault."""
    access, gateway = access_of(request), gateway_of(request)
    source = source_of(request.scope)
    try:
        if form.get("client_assertion_type") != ASSERTION_TYPE or "authorization" in request.headers:
            raise AssertionRefused("no assertion, or a second way to sign in")
        seen = look_at(form.get("client_assertion", ""))
        if form.get("client_id", seen.client) != seen.client:
            raise AssertionRefused("client_id")
        client = await clients.find(gateway.database, seen.client)
        if client is None or not client.active:
            raise AssertionRefused("no such client")
        source = f"client:{client.id}"
        if seen.jku is not None and seen.jku != client.jwks_url:
            raise AssertionRefused("jku")
        keys = await keys_of(client, seen.kid, access.remote_keys)
        assertion = check(seen, keys, token_url(gateway))
        if not await access.spent.spend(client.id, assertion.jti, assertion.expires_at):
            raise AssertionRefused("used before")
    except AssertionRefused:
        if wait := await access.limits.wait_after_failure(source):
            raise _Wrong(*_INVALID_CLIENT, 429, {"Retry-After": str(wait)}) from None
        await tried.write(None, 400)
        raise _Wrong(*_INVALID_CLIENT) from None
    return client


async def keys_of(client: RegisteredClient, kid: str, remote: RemoteKeys) -> tuple[Jwk, ...]:
    """The keys of a client, registered here or at its URL."""
    if client.jwks_url is not None:
        return await remote.keys(client.jwks_url, kid)
    keys = (client.jwks or {}).get("keys", [])
    return tuple(keys)


class _Attempt:
    """One request for a token, for the audit."""

    def __init__(self, request: Request, access: Access) -> None:
        self._access = access
        self._request_id = str(getattr(request.state, "request_id", uuid4()))

    async def write(self, client: RegisteredClient | None, outcome: int) -> None:
        """Raises DatabaseAway, DatabaseRefused."""
        await self._access.audit.write(
            AuditEntry(
                tenant=client.tenant if client else self._access.tenant,
                caller=f"client:{client.id}" if client else NOBODY,
                roles="system" if client else "",
                operation=OPERATION,
                subject=None,
                outcome=outcome,
                request_id=self._request_id,
            )
        )


_INVALID_CLIENT = ("invalid_client", "the client's assertion was not accepted")


class _Wrong(Exception):  # noqa: N818
    """An answer of RFC 6749, 5.2."""

    def __init__(self, error: str, text: str, status: int = 400, headers: dict[str, str] | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.text = text
        self.status = status
        self.headers = headers or {}


async def _form(request: Request) -> dict[str, str]:
    """The fields, each there once (RFC 6749, 3.2), of a body of bounded size."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise _Wrong("invalid_request", "send application/x-www-form-urlencoded")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise _Wrong("invalid_request", f"the body has more than {MOST_BYTES} bytes", 413)
    try:
        fields = parse_qs(body.decode("utf-8"), max_num_fields=MOST_FIELDS)
    except ValueError:
        raise _Wrong("invalid_request", "the form is not well-formed") from None
    if any(len(values) != 1 for values in fields.values()):
        raise _Wrong("invalid_request", "a field is there twice")
    return {name: values[0] for name, values in fields.items()}


def _answer(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(body, status, {"Cache-Control": "no-store", "Pragma": "no-cache", **(headers or {})})
