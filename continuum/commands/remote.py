"""The staff API as commands use it: one client, whose answers are what the command would have had locally."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from care.action import Answer, Expected
from continuum.commands.common import Mistake, no_journey, read
from gateway.acting import ActionRefused, NotConfirmed

Row = dict[str, Any]
ANSWER_SECONDS = 20.0
"""More than the five seconds after which the gateway itself says "not yet confirmed"."""
PAGE = 500
STAGES = {name.lower(): name for name in ("Intake", "Referral", "Therapy", "PostSurgeryRehab", "Discharge", "FollowUp")}
_MISTAKEN = {400, 413, 415, 429, 503}


class Forbidden(Mistake):
    """The token is good, and its owner may not do this. Of an action that is a refusal like any other."""


@asynccontextmanager
async def remote_desk(url: str, token_file: Path | None) -> AsyncIterator[RemoteDesk]:
    """The API at that address, with the token of the file or of the environment. Raises Mistake."""
    base, token = checked(url), _token(token_file)
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=ANSWER_SECONDS) as http:
        desk = RemoteDesk(http)
        desk.timezone = str((await desk.get("/api/me"))["timezone"])
        yield desk


def checked(url: str) -> str:
    """The address, if a token may be sent there: over TLS, or to this machine. Raises Mistake."""
    parts = urlsplit(url.rstrip("/"))
    try:
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or parts.username or parts.query or parts.fragment:
        raise Mistake("--api is the gateway's address, for example https://continuum.clinic.example")
    if parts.scheme == "http" and not _is_this_machine(parts.hostname or ""):
        raise Mistake("--api: a token goes over TLS, or to this machine alone: use https://")
    return url.rstrip("/")


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(file: Path | None) -> str:
    if file is not None:
        said = read(file).decode("ascii", "replace").strip()
    else:
        said = os.environ.get("CONTINUUM_TOKEN", "").strip()
    if not said:
        raise Mistake("a token is needed: in $CONTINUUM_TOKEN, or in a file that --token-file names")
    if not all("!" <= letter <= "~" for letter in said):
        raise Mistake("this is no token: one word of printable letters is")
    return said


class RemoteDesk:
    """A Continuum behind its staff API; see `continuum.commands.desk.Desk`."""

    ui_url: str | None = None
    timezone = "UTC"

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def journeys(self, stage: str | None, status: str | None) -> tuple[list[Row], int]:
        """See `Desk`."""
        if stage is not None:
            stage = STAGES.get(stage.lower(), stage)
        rows, first = await self._all("/api/journeys", stage=stage, status=status)
        return rows, int(first["to_be_started"])

    async def journey(self, journey: str) -> Row:
        """See `Desk`."""
        try:
            found: Row = await self.get(f"/api/journeys/{quote(journey, safe='')}")
        except ActionRefused:
            raise no_journey(journey) from None
        return found

    async def why(self, journey: str, seq: int) -> Row:
        """See `Desk`."""
        try:
            found: Row = await self.get(f"/api/journeys/{quote(journey, safe='')}/journal/{seq}/why")
        except ActionRefused as refused:
            raise (no_journey(journey) if refused.kind == "NoSuchJourney" else Mistake(str(refused))) from None
        return found

    async def document(self, journey: str, document: str) -> bytes:
        """See `Desk`."""
        path = f"/api/journeys/{quote(journey, safe='')}/documents/{quote(document, safe='')}"
        return (await self._send("GET", path)).content

    async def tasks(self, owner: str | None, mine: str | None) -> list[Row]:
        """See `Desk`."""
        try:
            return (await self._all("/api/tasks", owner=owner, mine=mine))[0]
        except ActionRefused as refused:
            raise Mistake(str(refused)) from None

    async def owner(self, written: str) -> str:
        """Its kind is the directory's to say, and a queue's name that of no person: the API is asked for its tasks."""
        if ":" in written:
            return written
        try:
            await self.get("/api/tasks", owner=f"queue:{written}", limit=1)
        except ActionRefused:
            return f"person:{written}"
        return f"queue:{written}"

    async def act(
        self,
        journey: str,
        action: str,
        fields: Row,
        *,
        person: str | None,
        role: str | None,
        action_id: str | None,
        expected: Expected | None,
    ) -> Answer:
        """See `Desk`. Who acts is who the token says."""
        if person is not None or role is not None:
            raise Mistake("with --api the token says who acts: leave --person and --role out")
        action_id = action_id or f"act-{secrets.token_hex(8)}"
        path = f"/api/journeys/{quote(journey, safe='')}/actions/{quote(action, safe='')}"
        try:
            body = json.dumps(fields, allow_nan=False)
            answer = await self._send(
                "POST",
                path,
                params={"expected_stage": expected.stage.value} if expected else {},
                headers={"Idempotency-Key": action_id, "Content-Type": "application/json"},
                content=body.encode("utf-8"),
            )
        except Forbidden as forbidden:
            raise ActionRefused("NotAllowed", str(forbidden)) from None
        except ValueError:
            raise Mistake("--data holds what is no JSON") from None
        except httpx.TransportError:
            raise NotConfirmed(action_id) from None
        if answer.status_code == 202:
            raise NotConfirmed(action_id)
        return Answer.model_validate({k: v for k, v in answer.json().items() if k in Answer.model_fields})

    async def get(self, path: str, **params: Any) -> Any:
        """What is there. Raises Mistake; ActionRefused where the API says a kind of refusal."""
        return (await self._send("GET", path, params=_given(params))).json()

    async def _all(self, path: str, **params: Any) -> tuple[list[Row], Row]:
        """All pages of a list, and the first of them."""
        first = page = await self.get(path, limit=PAGE, **params)
        rows = list(page["items"])
        while page["next"] is not None:
            page = await self.get(path, limit=PAGE, after=page["next"], **params)
            rows += page["items"]
        return rows, first

    async def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            answer = await self._http.request(method, path, **more)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise Mistake(f"{self._http.base_url} cannot be reached, or its certificate is not good") from None
        except httpx.TransportError:
            if method != "GET":
                raise
            raise Mistake(f"{self._http.base_url} does not answer; try again in a moment") from None
        if answer.is_success:
            return answer
        raise self._wrong(answer)

    def _wrong(self, answer: httpx.Response) -> Exception:
        try:
            problem = answer.json()
            code, detail = str(problem["code"]), str(problem["detail"])
        except (ValueError, KeyError, TypeError):
            return Mistake(f"{self._http.base_url} is no Continuum of this version (HTTP {answer.status_code})")
        if answer.status_code == 401:
            return Mistake("the gateway does not take this token: it is over, or of somebody whom it does not know")
        if code == "forbidden":
            return Forbidden("whoever this token is of may not do this")
        if code == "not-found":
            return ActionRefused("NoSuchAction", "there is no action of that name, or none for people")
        if answer.status_code in _MISTAKEN:
            wait = answer.headers.get("Retry-After")
            return Mistake(f"{detail}{f' (after {wait} seconds)' if wait else ''}")
        return ActionRefused(code, detail)


def _given(params: Row) -> Row:
    return {name: value for name, value in params.items() if value is not None}
