"""How the patient is: `QuestionnaireResponse` and `Observation` by POST.

Where answers go depends on where the journey is: an answer at follow-up is held against the discharge, one during
exercise at home against its plan, and elsewhere they are scores like any other.
"""

from __future__ import annotations

from gateway.fhir.models import Reference, read_as
from gateway.fhir.refusal import RefusedError
from gateway.fhir_server.writing import inner
from gateway.fhir_server.writing.answer import Answer, Resource
from gateway.fhir_server.writing.asking import Settled, ask, later
from gateway.fhir_server.writing.delivery import Delivery
from gateway.fhir_server.writing.measuring import Said, answered, observed
from gateway.fhir_server.writing.models import Observation, QuestionnaireResponse
from gateway.fhir_server.writing.naming import Named, about, seen
from gateway.fhir_server.writing.placing import alone, versioned
from gateway.inbound import Ask
from records import orders
from records.orders import Standing

ANSWERS, RESULT = "QuestionnaireResponse", "Observation"
RECORDED = "recorded"


async def answer(delivery: Delivery) -> Answer:
    """POST of answers. Raises RefusedError, Problem, DatabaseAway."""
    node = alone(delivery, ANSWERS)
    response = read_as(QuestionnaireResponse, node, ANSWERS)
    said = answered(response, delivery.received_at)
    named = _named(response.based_on, response.subject)
    if delivery.caller.kind == "patient":
        named = _own(delivery, named)
    whom, standing = await seen(delivery, named, f"{ANSWERS}.subject")
    name, data = action_for(said, standing, by_patient=delivery.caller.kind == "patient")
    settled = await ask(delivery, delivery.envelope(ANSWERS), Ask(name=name, about=whom, data=data))
    if not settled.done or settled.row is None:
        return later(delivery, settled)
    id_ = str(settled.row.inbound)
    return await _made(delivery, settled, ANSWERS, id_, versioned(node, id_, 1, delivery.received_at.isoformat()))


async def observe(delivery: Delivery) -> Answer:
    """POST of one result. Raises RefusedError, Problem, DatabaseAway."""
    node = alone(delivery, RESULT)
    result = read_as(Observation, node, RESULT)
    measure, value, at = observed(result)
    whom, _ = await seen(delivery, _named((*result.based_on, *result.focus), result.subject), f"{RESULT}.subject")
    if isinstance(value, float):
        data = {"scores": {measure.id: value}, "at": at.isoformat() if at else None}
        asked = Ask(name="record_results", about=whom, data=data)
    else:
        asked = Ask(name="record_scores", about=whom, data={"scores": {measure.id: value}})
    settled = await ask(delivery, delivery.envelope(RESULT), asked)
    if not settled.done or settled.journey is None:
        return later(delivery, settled)
    score = await orders.score_of_row(delivery.gateway.database, settled.journey, settled.seq or 0, measure.id)
    return await _made(delivery, settled, RESULT, (score or "").replace(":", "."), None)


def action_for(said: Said, standing: Standing | None, *, by_patient: bool) -> tuple[str, Resource]:
    """The action that takes these answers, and its data. Raises RefusedError where no one action does. Pure."""
    stage = standing.stage if standing is not None else None
    if stage == "FollowUp":
        return "answer_follow_up", said.data("scores", "items", "answers")
    if by_patient and standing is not None and standing.self_care:
        return "answer_check", said.data("scores", "items", "answers")
    if not said.answers:
        return "record_scores", said.data("scores", "items")
    if not said.scores and not said.items:
        return "screen", said.data("answers")
    reason = "send the answers to red-flag questions and those of a measure each on its own"
    raise RefusedError("business-rule", reason, f"{ANSWERS}.item")


def _named(orders_: tuple[Reference, ...], subject: Reference | None) -> list[Named]:
    return [*(("basedOn", one) for one in orders_), *([("subject", subject)] if subject is not None else [])]


def _own(delivery: Delivery, named: list[Named]) -> list[Named]:
    """A patient answers for themselves, whoever their answers name."""
    journey = delivery.caller.journey
    if about(named, delivery.base).journey not in (None, journey):
        raise RefusedError("not-found", "there is no such order here", f"{ANSWERS}.basedOn")
    return [("basedOn", Reference(reference=f"ServiceRequest/{journey}"))]


async def _made(delivery: Delivery, settled: Settled, kind: str, id_: str, otherwise: Resource | None) -> Answer:
    shown = await inner.shown(delivery.request, kind, id_) if delivery.prefer == "representation" else None
    return Answer(
        200 if settled.repeated else 201,
        shown or otherwise,
        location=f"{delivery.base}/{kind}/{id_}",
        version=_version(shown),
        told=RECORDED,
    )


def _version(shown: Resource | None) -> int | None:
    meta = (shown or {}).get("meta")
    found = meta.get("versionId") if isinstance(meta, dict) else None
    return int(found) if isinstance(found, str) and found.isdigit() else None
