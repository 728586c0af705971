"""The one guard in front of every route: who asks, whether they may, and a row that says so.

It stands around the route itself, before a body is read. The row of the audit is written when it is known what came of
the request and before any of the answer has left; where it cannot be written, the answer does not leave (503).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID, uuid4

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from channels.egress import Egress
from gateway.access.authentication import Authentication, Expired, NotAdmitted, NotAuthenticated
from gateway.access.caller import Caller
from gateway.access.edge import GUARDED, Edge
from gateway.access.jwks import RemoteKeys
from gateway.access.keyring import Keyring
from gateway.access.limits import Limits
from gateway.access.people import People, ProviderAway, trusted
from gateway.access.policy import Policy, policy_of
from gateway.access.tokens import Tokens
from gateway.answers import Problem, away
from gateway.context import Gateway
from records.audit import Audit, AuditEntry
from records.clients import SpentAssertions
from records.database import DatabaseAway, DatabaseRefused

NOBODY = "nobody"
_OURS = re.compile(
    r"j[0-9a-f]{16}(?:[.:/][A-Za-z0-9.:]{1,64})*|ask-[0-9a-f]{24}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
"""Journeys and what they gave out, asks, and whatever has a UUID."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_SUBJECT, _ROW, _WRITTEN = "audit_subject", "audit_row", "audit_written"
NOT_OURS = frozenset({400, 401, 403, 404, 405, 429})
"""Outcomes after which nobody knows whether what was named is there."""


@dataclass
class Access:
    """What decides who gets in; `app.state.access`."""

    tenant: str
    """On whose record a request is that nobody stands behind."""
    keyring: Keyring
    tokens: Tokens
    authentication: Authentication
    remote_keys: RemoteKeys
    spent: SpentAssertions
    limits: Limits
    audit: Audit


def access_of(request: Request) -> Access:
    """The gateway's access, for routes that mint tokens or links."""
    access: Access = request.app.state.access
    return access


def caller_of(request: Request) -> Caller:
    """Who asks: the guard has seen to it."""
    caller: Caller = request.state.caller
    return caller


def about(request: Request, subject: str) -> None:
    """Say what a request turned out to be about, for the audit: `ServiceRequest/ID`. Ids of ours only."""
    setattr(request.state, _SUBJECT, subject)


def row_of(request: Request, outcome: int, subject: str) -> AuditEntry | None:
    """What the audit will say if the request comes to this, for whoever can write it together with what is done."""
    row: _Row | None = getattr(request.state, _ROW, None)
    return row.entry(outcome, subject) if row is not None else None


def audited(request: Request, outcome: int) -> None:
    """Say that the row of `row_of` was written: an answer of this outcome needs no other."""
    setattr(request.state, _WRITTEN, outcome)


def open_access(gateway: Gateway) -> Access:
    """Make it from the gateway's settings. Raises KeyFileWrong."""
    settings, database = gateway.settings.access, gateway.database
    keyring = Keyring.open(settings.key_file)
    tokens = Tokens(keyring, gateway.settings.base_url)
    people = None
    if settings.oidc is not None:
        egress = Egress(settings.allowed_private | trusted(settings.oidc.issuer))
        people = People(database, gateway.settings.tenant, settings.oidc, RemoteKeys(egress), egress)
    return Access(
        tenant=gateway.settings.tenant,
        keyring=keyring,
        tokens=tokens,
        authentication=Authentication(database, keyring, tokens, people),
        remote_keys=RemoteKeys(Egress(settings.allowed_private)),
        spent=SpentAssertions(database),
        limits=Limits(
            database,
            requests_per_minute=settings.requests_per_minute,
            failures_per_minute=settings.failures_per_minute,
        ),
        audit=Audit(database),
    )


def install(app: FastAPI, gateway: Gateway) -> None:
    """Put the guard around every route that the application has now, so call it last.

    Raises RuntimeError naming the routes without a policy, and KeyFileWrong.
    """
    every_route_has_a_policy(app)
    app.state.access = open_access(gateway)
    for route, path in _routes(app):
        # A router may be part of several applications: its routes are guarded once, whoever is asked.
        if not isinstance(route, APIRoute) or isinstance(route.handle, _Guard):
            continue
        if (policy := policy_of(route.endpoint)) is not None:
            route.handle = _Guard(route, path, policy)  # type: ignore[method-assign]
    app.add_middleware(Edge, https=is_https(gateway))


def is_https(gateway: Gateway) -> bool:
    """Whether callers reach us by TLS, ours or a proxy's."""
    return gateway.settings.base_url.startswith("https://")


def every_route_has_a_policy(app: FastAPI) -> None:
    """Raises RuntimeError naming the routes that have none, and those that the guard could not stand in front of.

    That is every route but those of FastAPI: a mounted application or a websocket may only be public.
    """
    wrong = []
    for route, path in _routes(app):
        policy = policy_of(route.app if isinstance(route, Mount) else getattr(route, "endpoint", None))
        if policy is None:
            wrong.append(f"{_kind(route)} {path} has no policy")
        elif not isinstance(route, APIRoute) and not policy.public:
            wrong.append(f"{_kind(route)} {path} cannot be guarded: make it a route of an APIRouter")
    if wrong:
        raise RuntimeError("; ".join(sorted(wrong)))


def _routes(app: FastAPI) -> Iterator[tuple[BaseRoute, str]]:
    """Every route with its whole path, those of included routers too."""
    for context in iter_route_contexts(app.routes):
        yield context.original_route, str(context.path)


def _kind(route: BaseRoute) -> str:
    if isinstance(route, Route):
        return ",".join(sorted(route.methods or ["*"]))
    return "WebSocket" if isinstance(route, WebSocketRoute) else type(route).__name__


class _Guard:
    """Stands around one route."""

    def __init__(self, route: APIRoute, path: str, policy: Policy) -> None:
        self._path = path
        self._policy = policy
        self._methods = route.methods or set()
        self._inner: ASGIApp = route.handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[GUARDED] = True
        state = scope.setdefault("state", {})
        state["request_id"] = _request_id(scope)
        if self._policy.public or scope["method"] not in self._methods:
            await self._inner(scope, receive, send)  # a wrong method is answered 405 there
            return
        access: Access = scope["app"].state.access
        state[_ROW] = row = _Row(access, scope, f"{scope['method']} {self._path}")
        state["caller"] = row.caller = await self._admitted(scope, access, row)
        told = _Told(row, send)
        try:
            await self._inner(scope, receive, told)
        except BaseException:
            if not told.begun:  # the request was given up, or its handler failed: what was read or done is on record
                row.later(500)
            raise
        if told.unwritten:
            raise away("the record")

    async def _admitted(self, scope: Scope, access: Access, row: _Row) -> Caller:
        token = _bearer(scope)
        try:
            if token is None:
                raise NotAuthenticated
            row.caller = caller = await access.authentication.caller(token)
        except Expired:
            raise await row.refused(_sign_in(token)) from None
        except NotAuthenticated:
            if wait := await access.limits.wait_after_failure(source_of(scope)):
                raise too_often(wait) from None
            raise await row.refused(_sign_in(token)) from None
        except ProviderAway:
            raise away("the identity provider") from None
        except NotAdmitted:
            raise await row.refused(Problem(403, "forbidden", "whoever signed in has no place here")) from None
        if wait := await access.limits.wait_for_request(caller.sender):
            raise too_often(wait)
        if not self._policy.allows(caller):
            raise await row.refused(Problem(403, "forbidden", "this caller may not do this"))
        return caller


class _Row:
    """The row that one request will have in the audit."""

    def __init__(self, access: Access, scope: Scope, operation: str) -> None:
        self.caller: Caller | None = None
        self._access = access
        self._scope = scope
        self._operation = operation

    async def write(self, outcome: int) -> None:
        """Raises DatabaseAway, DatabaseRefused."""
        await self._access.audit.write(self.entry(outcome))

    def stands(self, outcome: int) -> bool:
        """Whether it was written with this outcome, together with what was done."""
        return bool(self._scope["state"].get(_WRITTEN) == outcome)

    def later(self, outcome: int) -> None:
        """Without waiting: nobody is there any more."""
        self._access.audit.append(self.entry(outcome))

    async def refused(self, problem: Problem) -> Problem:
        """Write that it was refused, and give the problem to raise. Raises DatabaseAway, DatabaseRefused."""
        await self.write(problem.status)
        return problem

    def entry(self, outcome: int, subject: str | None = None) -> AuditEntry:
        """As it is written. `subject`: what it is about, where it is not known yet whether there is such a thing."""
        caller, state = self.caller, self._scope["state"]
        return AuditEntry(
            tenant=caller.tenant if caller else self._access.tenant,
            caller=caller.sender if caller else NOBODY,
            roles=" ".join(sorted(caller.roles)) if caller else "",
            operation=self._operation,
            subject=subject or state.get(_SUBJECT) or _named(_subject(self._scope), outcome),
            outcome=outcome,
            request_id=state["request_id"],
        )


class _Told:
    """Sends what the handler says, once the audit has it; nothing of it where the audit has not."""

    def __init__(self, row: _Row, send: Send) -> None:
        self.begun = False
        self.unwritten = False
        self._row = row
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self.begun:
            self.begun = True
            if not self._row.stands(message["status"]):
                try:
                    await self._row.write(message["status"])
                except (DatabaseAway, DatabaseRefused):
                    self.unwritten = True
        if not self.unwritten:
            await self._send(message)


def too_often(seconds: int) -> Problem:
    """The answer to whoever has to wait."""
    return Problem(429, "throttled", "too many requests; wait a little", headers={"Retry-After": str(seconds)})


def _sign_in(token: str | None) -> Problem:
    """Without a token there is nothing wrong with it yet: RFC 6750, 3.1."""
    challenge = 'Bearer realm="continuum"' + (', error="invalid_token"' if token is not None else "")
    return Problem(401, "login", "a valid bearer token is needed", headers={"WWW-Authenticate": challenge})


def _bearer(scope: Scope) -> str | None:
    """The token of the one Authorization header; two of them are none (RFC 6750, 2)."""
    found = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(found) != 1:
        return None
    scheme, _, token = found[0].decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def source_of(scope: Scope) -> str:
    """The other end of the connection."""
    client = scope.get("client")
    return f"address:{client[0]}" if client else "address:unknown"


def _subject(scope: Scope) -> str | None:
    """The ids in the path, as far as they look like ids."""
    values = [str(value) for value in scope.get("path_params", {}).values()]
    ids = [value for value in values if _ID.fullmatch(value)]
    return "/".join(ids)[:256] or None


def _named(subject: str | None, outcome: int) -> str | None:
    """As it stands where it is something of ours, or could be. Else, where it was not found or not looked for, it may
    be anybody's words: a digest, by which repeated probing can still be seen."""
    if subject is None or outcome not in NOT_OURS or _OURS.fullmatch(subject):
        return subject
    return f"unknown:{sha256(subject.encode()).hexdigest()[:16]}"


def _request_id(scope: Scope) -> str:
    """The caller's own X-Request-Id where it is a UUID, else one of ours."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            try:
                return str(UUID(value.decode("latin-1")))
            except ValueError:
                break
    return str(uuid4())
