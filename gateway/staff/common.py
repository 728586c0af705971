"""What the routes share: the answer as JSON, who asks, and which journeys they see."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Request
from fastapi.responses import JSONResponse

from gateway.access.caller import Caller, CallerRole
from gateway.access.guard import caller_of
from gateway.answers import Problem
from gateway.context import gateway_of
from gateway.staff.refusing import no_journey
from records import journeys
from records.journeys import Sight

READERS: frozenset[CallerRole] = frozenset({"coordinator", "therapist", "auditor"})
"""Who reads the clinic's journeys. A physician reads those of their own patients beside them."""
JourneyId = Annotated[str, Path(description="The journey's id.", examples=["j4f1c2a9b7d3e5f60"])]
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")


class Json(JSONResponse):
    """JSON as the command line writes it: a moment with its offset, an id as text."""

    def render(self, content: Any) -> bytes:
        """The bytes."""
        return json.dumps(content, default=_plain, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def etag(seq: int) -> dict[str, str]:
    """The version of a journey: the last row of its journal. Weak, for what stands around it may change."""
    return {"ETag": f'W/"{seq}"'}


def sight_of(caller: Caller) -> Sight:
    """Which of the tenant's journeys they see: staff all, who sent a patient that patient's, a patient their own."""
    if not caller.sees_own_only:
        return Sight()
    if caller.kind == "patient":
        return Sight(everything=False, journey=caller.journey)
    return Sight(everything=False, sender=caller.sender, email=caller.email)


def looks_like_an_id(said: str) -> bool:
    """Whether it could be an id of ours at all."""
    return _ID.fullmatch(said) is not None


async def seen(request: Request, journey: str) -> Caller:
    """Who asks, if they see this journey. Raises Problem: 404, whatever the reason."""
    caller = caller_of(request)
    database = gateway_of(request).database
    if not looks_like_an_id(journey) or not await journeys.is_seen(database, caller.tenant, journey, sight_of(caller)):
        raise no_journey()
    return caller


async def only_known_parameters(request: Request) -> None:
    """A parameter that is misspelt is no filter that holds. Raises Problem."""
    route = request.scope["route"]
    known = [str(field.alias) for field in route.dependant.query_params]
    if any(name not in known for name in request.query_params):
        there = f"there are: {', '.join(known)}" if known else "there are none"
        raise Problem(400, "invalid", f"there is no parameter of that name; {there}", path="query")
