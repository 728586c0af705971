"""Patients: a link for one, and what it lets them do: see what is asked of them, and answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response

from care.journey import Stage
from care.score import ScoreValue
from channels.templates import language_for
from gateway.access.guard import about, access_of, caller_of
from gateway.access.links import mint_link
from gateway.access.policy import policy
from gateway.answers import Problem
from gateway.context import gateway_of
from gateway.staff import bodies, shapes
from gateway.staff.acting import ACTED, IdempotencyKey, take
from gateway.staff.common import JourneyId, Json, etag, seen
from gateway.staff.questionnaire import Question, question
from gateway.staff.refusing import WITH_BODY, no_journey, problems
from gateway.staff.requests import NewPatientLink, PatientAnswers
from gateway.staff.who_may import STAFF
from pathways import loader
from pathways.source import PathwayError
from records import journeys, patients

router = APIRouter(tags=["Patients"])

ANSWER_PAGE = "/answer"


@router.post(
    "/journeys/{journey}/patient-links",
    status_code=201,
    response_model=shapes.PatientLink,
    responses=problems(404, *WITH_BODY),
    openapi_extra=bodies.described(NewPatientLink),
)
@policy(roles=STAFF)
async def make_patient_link(request: Request, journey: JourneyId) -> Response:
    """A link with which one patient answers. The token stands behind the `#`: what is there, no server is sent."""
    caller = await seen(request, journey)
    body = await bodies.read(request, NewPatientLink)
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=body.days)
    token = mint_link(access_of(request).keyring, caller.tenant, journey, expires_at)
    link = f"{gateway_of(request).settings.base_url}{ANSWER_PAGE}#{token}"
    return Json({"journey": journey, "link": link, "token": token, "expires_at": expires_at}, 201)


@dataclass(frozen=True)
class Asking:
    """What is asked of the patient who holds the link, and in which language."""

    journey: str
    seq: int
    language: str
    question: Question | None


async def asking(request: Request) -> Asking:
    """What is asked of whoever holds this link. Raises Problem."""
    caller, database = caller_of(request), gateway_of(request).database
    journey = caller.journey or ""
    await seen(request, journey)
    about(request, journey)
    row = await journeys.journey_row(database, caller.tenant, journey)
    if row is None:
        raise no_journey()
    found = None
    if row["pathway"] is not None:
        name, _, version = row["pathway"].partition("@")
        try:
            pathway = loader.load(name, int(version))
        except PathwayError:
            pathway = None
        journal = await journeys.part(database, journey, "journal")
        plans = await journeys.part(database, journey, "plans")
        found = question(Stage(row["stage"]), row["status"], journal, plans, pathway)
    language = language_for(await patients.languages(database, caller.tenant, journey))
    return Asking(journey, row["seq"], language, found)


@router.get("/patient/questionnaire", response_model=shapes.Questionnaire, responses=problems(404))
@policy(roles={"patient"})
async def what_is_asked(request: Request) -> Response:
    """What is asked of me now. The page `/answer` shows the same to people."""
    found = await asking(request)
    asked = [
        {
            "measure": m.id,
            "name": m.name,
            "unit": m.unit,
            "minimum": m.minimum,
            "maximum": m.maximum,
            "options": list(m.options),
        }
        for m in (found.question.measures if found.question else ())
    ]
    action = found.question.action if found.question else None
    return Json({"action": action, "language": found.language, "asked": asked}, headers=etag(found.seq))


@router.post(
    "/patient/questionnaire",
    response_model=shapes.Done,
    responses=ACTED,
    openapi_extra=bodies.described(PatientAnswers),
)
@policy(roles={"patient"})
async def answer(request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Answer what is asked of me now."""
    body = await bodies.read(request, PatientAnswers)
    return await take_answer(request, await asking(request), body.scores, body.note)


async def take_answer(
    request: Request,
    asked: Asking,
    scores: dict[str, ScoreValue],
    note: str | None,
    *,
    action_id: str | None = None,
) -> Response:
    """Hand a patient's answers to their journey. Raises Problem; a repeat under its id gets the first one's answer."""
    key = action_id or bodies.action_id(request)
    before = await journeys.action_row(gateway_of(request).database, asked.journey, key) if key else None
    if before is not None:
        said = {part: before[part] for part in ("seq", "stage", "status", "text")}
        return Json({"action_id": key, "journey": asked.journey, **said}, headers=etag(before["seq"]))
    if asked.question is None:
        raise Problem(409, "NothingAsked", "nothing is asked now")
    if any(asked.question.measure(name) is None for name in scores):
        names = ", ".join(m.id for m in asked.question.measures)
        raise Problem(422, "NotAsked", f"asked now: {names}", path="scores")
    data = {"scores": scores, **({} if note is None else {"note": note})}
    return await take(request, asked.journey, asked.question.action, data, action_id=key)
