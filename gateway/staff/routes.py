"""The routes of the staff API, together."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from gateway.staff import acting, corrections, incoming, journeys, me, openapi, patients, tasks
from gateway.staff.common import only_known_parameters

router = APIRouter(prefix="/api", dependencies=[Depends(only_known_parameters)])
for part in (me, journeys, acting, tasks, incoming, corrections, patients, openapi):
    router.include_router(part.router)
