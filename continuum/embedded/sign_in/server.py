"""The provider itself: discovery, keys, authorization code with PKCE, token, userinfo.

Sources: OpenID Connect Core 1.0 (3.1), Discovery 1.0 (3), RFC 7636 (PKCE), RFC 8252 (7.3: loopback redirects).
"""

from __future__ import annotations

import hashlib
import secrets
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from care.directory import Directory
from continuum.embedded.sign_in.issuing import ALGORITHM, AUDIENCE, TOKEN_SECONDS, Issuer, claims_of
from continuum.embedded.sign_in.page import STYLE, mistake_page, people_page
from records.database import DatabaseAway

CODE_SECONDS = 60.0
MOST_CODES = 1000
MOST_BYTES = 16_384
LOOPBACK_HOSTS = ("127.0.0.1", "localhost")
"""A name that somebody else's page could give this machine is none of them (DNS rebinding)."""
PASSED_ON = (
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
)

People = Callable[[], Awaitable[Directory]]


class Mistake(Exception):  # noqa: N818
    """Whoever sent somebody here did it wrongly, and cannot be told so by a redirect."""


@dataclass(frozen=True)
class Promise:
    """What a code stands for until it is exchanged."""

    person: str
    redirect_uri: str
    challenge: str
    nonce: str | None
    until: float


class Provider:
    """One provider; its codes live in this process and for a minute."""

    def __init__(self, issuer: Issuer, people: People, base: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._people = people
        self._base = urlsplit(base)
        self._clock = clock
        self._codes: dict[str, Promise] = {}

    def application(self) -> Starlette:
        """To be served on the loopback interface."""
        return Starlette(
            routes=[
                Route("/", self.look),
                Route("/.well-known/openid-configuration", self.discovery),
                Route("/jwks", self.keys),
                Route("/authorize", self.choose),
                Route("/authorize", self.chosen, methods=["POST"]),
                Route("/token", self.token, methods=["POST"]),
                Route("/userinfo", self.userinfo, methods=["GET", "POST"]),
            ],
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK_HOSTS), www_redirect=False)],
            exception_handlers={DatabaseAway: _away, Mistake: _mistake},
        )

    async def discovery(self, _: Request) -> Response:
        """Where everything is."""
        url = self._issuer.url
        return JSONResponse(
            {
                "issuer": url,
                "authorization_endpoint": f"{url}/authorize",
                "token_endpoint": f"{url}/token",
                "userinfo_endpoint": f"{url}/userinfo",
                "jwks_uri": f"{url}/jwks",
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "grant_types_supported": ["authorization_code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
                "token_endpoint_auth_methods_supported": ["none"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid", "profile", "email"],
                "claims_supported": ["sub", "name", "email", "email_verified", "locale"],
            }
        )

    async def keys(self, _: Request) -> Response:
        """The public key."""
        return JSONResponse(self._issuer.key_set(), headers={"Cache-Control": "max-age=300"})

    async def look(self, _: Request) -> Response:
        """Who there is, for whoever comes by."""
        return _html(people_page((await self._people()).people, None))

    async def choose(self, request: Request) -> Response:
        """The page, for an application that wants to know who it is."""
        asked = self._asked(request.query_params)
        if (wrong := _wrong(asked)) is not None:
            return _redirect(asked, {"error": wrong})
        return _html(people_page((await self._people()).people, asked))

    async def chosen(self, request: Request) -> Response:
        """Somebody was chosen."""
        form = await _form(request)
        asked = self._asked(form)
        if (wrong := _wrong(asked)) is not None:
            return _redirect(asked, {"error": wrong})
        person = (await self._people()).person(form.get("person", ""))
        if person is None:
            return _redirect(asked, {"error": "access_denied"})
        code = secrets.token_urlsafe(24)
        self._forget()
        self._codes[code] = Promise(
            person.id,
            asked["redirect_uri"],
            asked["code_challenge"],
            asked.get("nonce"),
            self._clock() + CODE_SECONDS,
        )
        return _redirect(asked, {"code": code})

    async def token(self, request: Request) -> Response:
        """A code, once, for tokens."""
        form = await _form(request)
        if form.get("grant_type") != "authorization_code":
            return _oauth_error("unsupported_grant_type")
        promise = self._codes.pop(form.get("code", ""), None)
        if promise is None or promise.until < self._clock() or form.get("client_id") != AUDIENCE:
            return _oauth_error("invalid_grant")
        if form.get("redirect_uri") != promise.redirect_uri:
            return _oauth_error("invalid_grant")
        if not secrets.compare_digest(_challenge(form.get("code_verifier", "")), promise.challenge):
            return _oauth_error("invalid_grant")
        person = (await self._people()).person(promise.person)
        if person is None:
            return _oauth_error("invalid_grant")
        token = self._issuer.token(person, nonce=promise.nonce)
        body = {"access_token": token, "id_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    async def userinfo(self, request: Request) -> Response:
        """Who a token is about, as the directory has them now."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        said = self._issuer.read(token) if scheme.lower() == "bearer" else None
        person = (await self._people()).person(str(said["sub"])) if said else None
        if person is None:
            return JSONResponse({"error": "invalid_token"}, 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return JSONResponse(claims_of(person), headers={"Cache-Control": "no-store"})

    def _asked(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """What is asked for, once it is sure that the answer goes where it may. Raises Mistake."""
        asked = {name: parameters[name] for name in PASSED_ON if name in parameters}
        if asked.get("client_id") != AUDIENCE:
            raise Mistake(f"the only client of this provider is: {AUDIENCE}")
        if not self._may_redirect(asked.get("redirect_uri", "")):
            raise Mistake("redirect_uri has to be an address of the gateway, or of a program on this machine")
        return asked

    def _may_redirect(self, uri: str) -> bool:
        try:
            parts = urlsplit(uri)
            named = parts.hostname
        except ValueError:
            return False
        if parts.fragment or "@" in parts.netloc or any(ord(letter) <= 32 for letter in uri):
            return False
        return (parts.scheme == "http" and named in LOOPBACK_HOSTS) or (
            (parts.scheme, parts.netloc) == (self._base.scheme, self._base.netloc)
        )

    def _forget(self) -> None:
        now = self._clock()
        self._codes = {code: promise for code, promise in self._codes.items() if promise.until >= now}
        while len(self._codes) >= MOST_CODES:
            self._codes.pop(next(iter(self._codes)))


def _wrong(asked: Mapping[str, str]) -> str | None:
    """The error of OpenID Connect Core 3.1.2.6, or of RFC 7636; None where all is well."""
    if asked.get("response_type") != "code":
        return "unsupported_response_type"
    if "openid" not in asked.get("scope", "").split():
        return "invalid_scope"
    if asked.get("code_challenge_method") != "S256" or len(asked.get("code_challenge", "")) != 43:
        return "invalid_request"
    return None


def _redirect(asked: Mapping[str, str], answer: dict[str, str]) -> Response:
    uri = asked["redirect_uri"]
    state = {"state": asked["state"]} if "state" in asked else {}
    joined = "&" if urlsplit(uri).query else "?"
    return RedirectResponse(f"{uri}{joined}{urlencode({**answer, **state})}", 303, {"Cache-Control": "no-store"})


def _challenge(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode("ascii")


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise Mistake("that is too much for this form")
    try:
        fields = parse_qs(body.decode("utf-8"), max_num_fields=20)
    except ValueError:
        raise Mistake("that is no form") from None
    return {name: values[0] for name, values in fields.items()}


_STYLE_HASH = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")


def _html(page: str, status: int = 200) -> Response:
    return HTMLResponse(
        page,
        status,
        {
            "Cache-Control": "no-store",
            "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        },
    )


def _oauth_error(error: str) -> Response:
    return JSONResponse({"error": error}, 400, {"Cache-Control": "no-store"})


async def _mistake(_: Request, mistake: Exception) -> Response:
    return _html(mistake_page(str(mistake)), 400)


async def _away(_: Request, __: Exception) -> Response:
    return _html(mistake_page("The directory cannot be read now; try again in a moment."), 503)
