"""Whether the gateway lives, and whether it can take something in."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from gateway.access.policy import PUBLIC, marked
from gateway.answers import away
from gateway.context import gateway_of
from records.database import DatabaseAway

router = APIRouter()


@router.get("/health")
@marked(PUBLIC)
async def health() -> JSONResponse:
    """It lives: the process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/ready")
@marked(PUBLIC)
async def ready(request: Request) -> JSONResponse:
    """It can take something in: the record answers. Temporal may be away; what is stored is taken up later."""
    try:
        await gateway_of(request).database.value("select 1")
    except DatabaseAway:
        raise away("the record") from None
    return JSONResponse({"status": "ready"})
