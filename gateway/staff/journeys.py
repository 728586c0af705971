"""Journeys: the list, one with all that belongs to it, its journal, and why a rule decided as it did."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from care.journey import Stage
from care.rules import Decided
from care.rules.registry import same_today
from gateway.access.guard import caller_of
from gateway.access.policy import policy
from gateway.answers import Problem
from gateway.context import gateway_of
from gateway.staff import shapes
from gateway.staff.common import READERS, JourneyId, Json, etag, looks_like_an_id, seen, sight_of
from gateway.staff.paging import cursor, place
from gateway.staff.refusing import no_journey, problems
from records import documents
from records import journeys as reading
from records.journeys import Row, place_of

router = APIRouter(tags=["Journeys"])

OF_THE_CLINIC = ("tasks", "notices", "notes", "replies")
"""Parts of a record that the clinic keeps for itself."""
After = Annotated[str | None, Query(description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=500, description="How many on a page.")]
Seq = Annotated[int, Query(ge=0, le=2**31 - 1, description="The rows after this one.")]


@router.get("/journeys", response_model=shapes.JourneyPage, responses=problems())
@policy(roles={*READERS, "physician"})
async def list_journeys(
    request: Request,
    stage: Annotated[Stage | None, Query()] = None,
    status: Annotated[shapes.Status | None, Query()] = None,
    overdue: Annotated[bool | None, Query()] = None,
    waiting_on: Annotated[str | None, Query(pattern="^[a-z0-9][a-z0-9._:-]{0,100}$", description="A queue.")] = None,
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """Journeys, the most urgent first."""
    caller, database = caller_of(request), gateway_of(request).database
    sight = sight_of(caller)
    rows = await reading.journeys(
        database,
        caller.tenant,
        stage=stage,
        status=status,
        overdue=overdue,
        waiting_on=waiting_on,
        sight=sight,
        after=place(after, (bool, bool, datetime, str)),
        limit=limit,
    )
    waiting = await reading.to_be_started(database, caller.tenant) if sight.everything else []
    following = cursor(place_of(rows[-1])) if len(rows) == limit else None
    return Json({"items": rows, "next": following, "to_be_started": len(waiting)})


async def record_of(request: Request, journey: str) -> Row:
    """A journey with all of it that the caller sees. Raises Problem."""
    caller = await seen(request, journey)
    record = await reading.journey(gateway_of(request).database, caller.tenant, journey)
    if record is None:
        raise no_journey()
    if caller.sees_own_only:
        return {name: value for name, value in record.items() if name not in OF_THE_CLINIC}
    return record


@router.get("/journeys/{journey}", response_model=shapes.JourneyRecord, responses=problems(404))
@policy(roles={*READERS, "physician"})
async def show_journey(request: Request, journey: JourneyId) -> Response:
    """One journey: where it stands, its plans with the origin of each value, its journal. Its ETag is its version."""
    record = await record_of(request, journey)
    return Json(record, headers=etag(record["seq"]))


@router.get("/journeys/{journey}/journal", response_model=shapes.Journal, responses=problems(404))
@policy(roles={*READERS, "physician"})
async def read_journal(request: Request, journey: JourneyId, since: Seq = 0) -> Response:
    """What happened after a row of the journal."""
    caller = await seen(request, journey)
    rows = await reading.journal_since(gateway_of(request).database, caller.tenant, journey, since)
    return Json({"journey": journey, "items": rows})


@router.get("/journeys/{journey}/journal/{seq}/why", response_model=shapes.Why, responses=problems(404))
@policy(roles={*READERS, "physician"})
async def explain_decision(request: Request, journey: JourneyId, seq: int) -> Response:
    """The rule behind a row, its version and inputs, and whether it decides the same today."""
    caller = await seen(request, journey)
    journal = await reading.journal_since(gateway_of(request).database, caller.tenant, journey, 0)
    row = next((r for r in journal if r["seq"] == seq), None)
    if row is None:
        raise Problem(404, "NoSuchRow", f"the journal has no row {seq}; it has 1 to {len(journal)}")
    if row["rule"] is None:
        decided = ", ".join(str(r["seq"]) for r in journal if r["rule"]) or "none"
        raise Problem(422, "NotDecidedByRule", f"row {seq} was not decided by a rule; these were: {decided}")
    decided_row = Decided(rule=row["rule"], version=row["rule_version"], inputs=row["inputs"], outcome=row["outcome"])
    return Json({**row, "same_today": same_today(decided_row)})


_PDF: dict[int | str, dict[str, Any]] = {
    200: {"description": "The document.", "content": {"application/pdf": {"schema": {"type": "string"}}}}
}


@router.get("/journeys/{journey}/documents/{document}", response_class=Response, responses={**problems(404), **_PDF})
@policy(roles={*READERS, "physician"})
async def read_document(request: Request, journey: JourneyId, document: str) -> Response:
    """A document as PDF: the discharge summary."""
    caller = await seen(request, journey)
    found = None
    if looks_like_an_id(document) and document.startswith(f"{journey}:"):
        found = await documents.pdf(gateway_of(request).database, caller.tenant, document)
    if found is None:
        raise Problem(404, "NoSuchDocument", "this journey has no document of that id")
    return Response(found, media_type="application/pdf")
