"""The routes of the staff API, together."""

from __future__ import annotations

from fastapi import APIRouter

from gateway.staff import acting, corrections, incoming, journeys, me, openapi, patients, tasks

router = APIRouter(prefix="/api")
for part in (me, journeys, acting, tasks, incoming, corrections, patients, openapi):
    router.include_router(part.router)
