"""From a bearer token to whoever speaks: a client with a token of ours, a person with one of the identity provider's, a
patient with a link."""

from __future__ import annotations

import time
from collections import OrderedDict
from hashlib import sha256
from typing import Protocol

import jwt

from gateway.access.caller import Caller
from gateway.access.keyring import Keyring
from gateway.access.links import PREFIX as LINK
from gateway.access.links import LinkRefused, verify_link
from gateway.access.tokens import TokenExpired, TokenRefused, Tokens
from records import clients
from records.database import Database

LONGEST_TOKEN = 16_384
"""Characters; checked before anything is read in it."""
REMEMBERED = 4_096
REMEMBERED_SECONDS = 30.0
"""So long at most a client that was disabled, or a person who left the directory, is still let in by this process."""


class NotAuthenticated(Exception):  # noqa: N818
    """It is not known who asks. Says nothing of why."""


class Expired(NotAuthenticated):
    """A token that was good once. Whoever has it has shown who they were, and only has to sign in again."""


class NotAdmitted(Exception):  # noqa: N818
    """It is known who asks, and they have no place here."""


class PersonTokens(Protocol):
    """Reads the tokens of the clinic's people."""

    issuer: str

    async def caller(self, token: str) -> tuple[Caller, float]:
        """Who it is, and until when (seconds since 1970). Raises NotAuthenticated, NotAdmitted, DatabaseAway."""
        ...


class Authentication:
    """Tells who speaks, and remembers it for a while."""

    def __init__(
        self, database: Database, keyring: Keyring, tokens: Tokens, people: PersonTokens | None = None
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._tokens = tokens
        self._people = people
        self._remembered: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()

    async def caller(self, token: str) -> Caller:
        """Who bears this token. Raises NotAuthenticated, NotAdmitted, DatabaseAway."""
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise NotAuthenticated
        now, name = time.time(), sha256(token.encode("ascii")).digest()
        known = self._remembered.get(name)
        if known is not None and known[1] > now:
            self._remembered.move_to_end(name)
            return known[0]
        caller, expires_at = await self._check(token)
        self._remembered[name] = caller, min(expires_at, now + REMEMBERED_SECONDS)
        self._remembered.move_to_end(name)
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
        return caller

    async def _check(self, token: str) -> tuple[Caller, float]:
        if token.startswith(LINK):
            try:
                link = verify_link(self._keyring, token)
            except LinkRefused:
                raise NotAuthenticated from None
            return link.caller(), link.expires_at
        issuer = _issuer(token)
        if issuer == self._tokens.issuer:
            return await self._client(token)
        if self._people is not None and issuer == self._people.issuer:
            return await self._people.caller(token)
        raise NotAuthenticated

    async def _client(self, token: str) -> tuple[Caller, float]:
        try:
            said = self._tokens.read(token)
        except TokenExpired:
            raise Expired from None
        except TokenRefused:
            raise NotAuthenticated from None
        client = await clients.find(self._database, said.client)
        if client is None or not client.active or client.tenant != said.tenant:
            raise NotAuthenticated
        caller = Caller(
            tenant=said.tenant, kind="system", id=said.client, roles=frozenset({"system"}), scopes=said.scopes
        )
        return caller, said.expires_at


def _issuer(token: str) -> object:
    """Whom a token says it is from: tells only who has to check it."""
    try:
        return jwt.decode(token, options={"verify_signature": False}).get("iss")
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None
