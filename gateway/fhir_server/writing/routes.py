"""The routes by which something is written, who may use each, and what they declare for `/fhir/metadata`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.access.caller import CallerRole
from gateway.access.policy import marked, policy
from gateway.direct import DirectRoute
from gateway.fhir_server.registry import Interactions, Operation, declare, declare_system
from gateway.fhir_server.writing import booking, bundles, messaging, placing, reporting, tasks
from gateway.fhir_server.writing.answer import Answer
from gateway.fhir_server.writing.delivery import Delivery
from gateway.fhir_server.writing.headers import FHIR_JSON
from gateway.fhir_server.writing.serving import served

router = APIRouter(prefix="/fhir", tags=["fhir"], route_class=DirectRoute)

SENDERS: set[CallerRole] = set(placing.PLACING.roles)
CARERS: set[CallerRole] = {"coordinator", "therapist"}
PROCESS_MESSAGE = "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message"

declare(
    Interactions(
        "ServiceRequest",
        interactions={"create", "update"},
        conditional_create=True,
        documentation=(
            "A create is a referral and is acknowledged once it is stored; one order, one journey. The same order with"
            " other content is kept for review (202). Status revoked or entered-in-error asks to cancel."
        ),
    )
)
declare(
    Interactions(
        "Task",
        interactions={"create", "update"},
        documentation=(
            "Created: fulfill with its order contained; abort to ask for a cancellation; completed, with the report as"
            " its focus, to say that it was read. Updated: the coordination Task by its state machine."
        ),
    )
)
declare(
    Interactions(
        "QuestionnaireResponse",
        interactions={"create"},
        documentation="Of our Questionnaires, or with linkIds that are ids or LOINC codes of our measures.",
    )
)
declare(
    Interactions(
        "Observation",
        interactions={"create"},
        documentation="One final result of one of our measures, in the measure's unit.",
    )
)
declare(
    Interactions(
        "Appointment",
        interactions={"create", "update"},
        documentation="Booked by create; cancelled, noshow, fulfilled and entered-in-error by update.",
    )
)
declare_system("batch", "transaction", operations=(Operation("process-message", PROCESS_MESSAGE),))

_RESOURCE: dict[str, Any] = {"content": {FHIR_JSON: {"schema": {"type": "object"}}}}


def _answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route may answer, for OpenAPI."""
    words = {
        200: "There already, or done",
        201: "Created",
        202: "Stored; not settled yet, or for a person to review",
        400: "Not as FHIR R4 has it",
        401: "Not signed in",
        403: "Not allowed",
        404: "Not there, or not for this caller",
        406: "Only JSON is sent",
        409: "This delivery's id was used before for other content",
        412: "Changed since it was read, or several match",
        413: "Too large",
        415: "Only JSON is read",
        422: "Understood, and it cannot be done; what is allowed now is said",
        428: "If-Match is missing",
        429: "Too often",
        503: "Nothing was stored; try again",
    }
    always = (400, 401, 403, 406, 409, 413, 415, 422, 429, 503)
    return {n: {"description": words[n], **_RESOURCE} for n in sorted({*statuses, *always})}


_BODY = {"requestBody": {"required": True, **_RESOURCE}}
_CREATED = _answers(200, 201, 202, 404, 412)
_UPDATED = _answers(200, 202, 404, 412, 428)


@router.post("/ServiceRequest", status_code=201, responses=_CREATED, openapi_extra=_BODY)
@marked(placing.PLACING)
async def create_service_request(request: Request) -> Response:
    """A referral."""
    return await served(request, placing.KIND, placing.create)


@router.put("/ServiceRequest/{id}", responses=_UPDATED, openapi_extra=_BODY)
@policy(roles=SENDERS, scope="ServiceRequest.u")
async def update_service_request(request: Request, id: str) -> Response:  # noqa: A002 - FHIR's word
    """The sender's order, changed or taken back."""

    async def update(delivery: Delivery) -> Answer:
        return await placing.update(delivery, id)

    return await served(request, placing.KIND, update)


@router.post("/Task", status_code=201, responses=_CREATED, openapi_extra=_BODY)
@policy(roles=SENDERS | CARERS, scope="Task.c")
async def create_task(request: Request) -> Response:
    """An order with its Task, a request to cancel, or word that a report was read."""
    return await served(request, tasks.KIND, tasks.create)


@router.put("/Task/{id}", responses=_UPDATED, openapi_extra=_BODY)
@policy(roles=SENDERS | CARERS, scope="Task.u")
async def update_task(request: Request, id: str) -> Response:  # noqa: A002
    """Another state of a Task."""

    async def update(delivery: Delivery) -> Answer:
        return await tasks.update(delivery, id)

    return await served(request, tasks.KIND, update)


@router.post("/QuestionnaireResponse", status_code=201, responses=_CREATED, openapi_extra=_BODY)
@policy(roles=CARERS | {"patient"}, scope="QuestionnaireResponse.c")
async def create_questionnaire_response(request: Request) -> Response:
    """Answers of a patient."""
    return await served(request, reporting.ANSWERS, reporting.answer)


@router.post("/Observation", status_code=201, responses=_CREATED, openapi_extra=_BODY)
@policy(roles=CARERS, scope="Observation.c")
async def create_observation(request: Request) -> Response:
    """One result."""
    return await served(request, reporting.RESULT, reporting.observe)


@router.post("/Appointment", status_code=201, responses=_CREATED, openapi_extra=_BODY)
@policy(roles=CARERS, scope="Appointment.c")
async def create_appointment(request: Request) -> Response:
    """A visit is booked."""
    return await served(request, booking.KIND, booking.create)


@router.put("/Appointment/{id}", responses=_UPDATED, openapi_extra=_BODY)
@policy(roles=CARERS, scope="Appointment.u")
async def update_appointment(request: Request, id: str) -> Response:  # noqa: A002
    """A visit is cancelled, or it is said what happened."""

    async def update(delivery: Delivery) -> Answer:
        return await booking.update(delivery, id)

    return await served(request, booking.KIND, update)


@router.post("", responses=_answers(200, 201, 202, 404, 412), openapi_extra=_BODY)
@policy(roles=SENDERS | CARERS, scope="ServiceRequest.c")
async def take_bundle(request: Request) -> Response:
    """A batch, a transaction, or a message."""
    return await served(request, messaging.KIND, bundles.take)


@router.post("/$process-message", responses=_answers(200, 202, 404, 412), openapi_extra=_BODY)
@marked(placing.PLACING)
async def process_message(request: Request) -> Response:
    """A message Bundle; its answer is one too."""
    return await served(request, messaging.KIND, bundles.take_message)
