"""Who the caller is to us, and by which clock the clinic lives: what a program needs before it shows anything."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.access.guard import caller_of
from gateway.access.policy import policy
from gateway.context import gateway_of
from gateway.staff import shapes
from gateway.staff.common import Json
from gateway.staff.refusing import problems
from records.directory import clinic_of

router = APIRouter(tags=["Me"])


@router.get("/me", response_model=shapes.Me, responses=problems())
@policy(roles={"coordinator", "therapist", "physician", "author", "auditor", "operator"})
async def who_am_i(request: Request) -> Response:
    """Who my token says I am, and what I may act as."""
    caller = caller_of(request)
    clinic = await clinic_of(gateway_of(request).database, caller.tenant)
    return Json(
        {
            "id": caller.id,
            "tenant": caller.tenant,
            "roles": sorted(caller.roles),
            "timezone": clinic.timezone if clinic else "UTC",
        }
    )
