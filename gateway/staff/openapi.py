"""The description of the API: OpenAPI 3.1, with every answer that it may give."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from starlette.routing import BaseRoute

from gateway.access.policy import PUBLIC, marked
from gateway.staff import requests
from gateway.staff.common import Json
from gateway.staff.refusing import ProblemBody

VERSION = "1"
PREFIX = "/api/"
ABOUT = """The clinic's people, and their programs, act on journeys here.

Every request bears a token (`Authorization: Bearer ...`). Who acts is who the token says, and nobody else. An action's
`Idempotency-Key` makes its repeat harmless; `If-Match` with the journey's ETag refuses what was meant for an earlier
version.
What is wrong is said as problem+json (RFC 9457): `code` for programs, `detail` for people."""

BODIES: tuple[type[BaseModel], ...] = (
    *requests.BODIES.values(),
    requests.Reopening,
    requests.MergePatients,
    requests.MergeJourneys,
    requests.Replay,
    requests.Dismissal,
    requests.NewPatientLink,
    requests.PatientAnswers,
)

router = APIRouter(tags=["Description"])


@router.get("/openapi.json", include_in_schema=False)
@marked(PUBLIC)
async def openapi(request: Request) -> Response:
    """This description. It is made once, beside what else is to be answered: that takes a second."""
    state = request.app.state
    if not hasattr(state, "staff_openapi"):
        state.staff_openapi = await asyncio.to_thread(_written, request.app.routes)
    return Response(state.staff_openapi, media_type="application/json")


def _written(routes: Sequence[BaseRoute]) -> bytes:
    return bytes(Json(description(routes)).body)


def description(routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """Of those among these routes that are the API's."""
    made = get_openapi(
        title="Continuum staff API",
        version=VERSION,
        openapi_version="3.1.0",
        description=ABOUT,
        routes=routes,
    )
    made["paths"] = {path: said for path, said in made["paths"].items() if path.startswith(PREFIX)}
    components = made.setdefault("components", {})
    models: tuple[type[BaseModel], ...] = (*BODIES, ProblemBody)
    kinds: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in models]
    _, own = models_json_schema(kinds, ref_template="#/components/schemas/{model}")
    components["schemas"] = {**components.get("schemas", {}), **own["$defs"]}
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    for path, operations in made["paths"].items():
        for operation in operations.values():
            operation["security"] = [] if path.startswith("/api/schemas/") else [{"bearer": []}]
            _without_fastapis_own(operation)
    return made


def _without_fastapis_own(operation: dict[str, Any]) -> None:
    """FastAPI declares its own 422 under JSON; ours is problem+json."""
    for response in operation["responses"].values():
        content = response.get("content", {})
        if "application/problem+json" in content:
            content.pop("application/json", None)
