"""The start page: what this is and where its doors are. Public; says nothing of anybody."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from gateway.access.policy import PUBLIC, marked
from gateway.staff.pages.page import asset, page

router = APIRouter(include_in_schema=False)


@router.get("/")
@marked(PUBLIC)
async def start_page() -> Response:
    """The start page."""
    return page("Continuum", asset("start.html"))
