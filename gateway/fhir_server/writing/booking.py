"""`Appointment` by POST and PUT: a visit is booked, moved, cancelled, and it is said what happened.

By the same actions as by the clinic's own people, with the same checks. A sender who keeps a book of their own gives
the appointment's identifier; then messages by other doors find the visit by it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from gateway.answers import Problem
from gateway.fhir.models import CodeableConcept, Reference, read_as
from gateway.fhir.refusal import RefusedError
from gateway.fhir_server.writing import headers, inner
from gateway.fhir_server.writing.answer import Answer
from gateway.fhir_server.writing.asking import Settled, ask, later
from gateway.fhir_server.writing.delivery import Delivery
from gateway.fhir_server.writing.models import Appointment, moment
from gateway.fhir_server.writing.naming import Named, journey_of, onlooker, seen
from gateway.fhir_server.writing.placing import alone
from gateway.inbound import About, Ask
from records import locating, orders, snapshots

KIND = "Appointment"
STATUSES = frozenset({"booked", "cancelled", "noshow", "fulfilled", "entered-in-error"})
DAY = 1_440
YEARS = range(2000, 2100)
ALLOWED = "booked, cancelled, noshow, fulfilled"
_PERSON = re.compile(r"Practitioner/([a-z0-9][a-z0-9.-]{0,63})")
_REASONS = {"pat": "patient", "prov": "clinician", "oth": "clinic_closed", "maint": "clinic_closed"}
"""By the first part of a code of appointment-cancellation-reason
(http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason)."""


async def create(delivery: Delivery) -> Answer:
    """POST. Raises RefusedError, Problem, DatabaseAway."""
    wanted = read_as(Appointment, alone(delivery, KIND), KIND)
    if wanted.status not in ("booked", "proposed", "pending"):
        raise RefusedError("business-rule", "a new appointment is booked (or proposed)", f"{KIND}.status")
    about, standing = await seen(delivery, _named(wanted), f"{KIND}.basedOn")
    number = next((one.value for one in wanted.identifier if one.value), None)
    if number is None or delivery.caller.kind != "system":
        settled = await ask(delivery, delivery.envelope(KIND), Ask(name="book_visit", about=about, data=slot(wanted)))
    else:  # by the sender's own number first: a message that comes again, or late, moves what is booked
        order = standing.referral_id if standing is not None else about.referral_id
        about = About(appointment=number, referral_id=order, patient=about.patient)
        asked = Ask(name="book_appointment", about=about, data={**slot(wanted), "number": number})
        settled = await ask(delivery, delivery.envelope(KIND), asked)
    visit = await _visit(delivery, settled, number)
    if visit is None:
        return later(delivery, settled)
    return replace(await _shown(delivery, visit.replace(":", "."), "booked"), status=200 if settled.repeated else 201)


async def _visit(delivery: Delivery, settled: Settled, number: str | None) -> str | None:
    """The visit that it became."""
    if not settled.done or settled.journey is None:
        return None
    database, caller = delivery.gateway.database, delivery.caller
    visit = await snapshots.visit_of_row(database, settled.journey, settled.seq or 0)
    if visit is None and number is not None:
        known = await locating.by_appointment(database, caller.tenant, caller.sender, number)
        visit = known[1] if known is not None else None
    return visit


def slot(wanted: Appointment) -> dict[str, Any]:
    """When and with whom. Raises RefusedError."""
    start, end = moment(wanted.start, f"{KIND}.start"), moment(wanted.end, f"{KIND}.end")
    if start is None:
        raise RefusedError("required", "an appointment has a start", f"{KIND}.start")
    minutes = wanted.minutes_duration
    if minutes is None and end is not None:
        minutes = round((end - start).total_seconds() / 60)
    if minutes is not None and not 1 <= minutes <= DAY:
        raise RefusedError("value", f"an appointment lasts from 1 to {DAY} minutes", f"{KIND}.end")
    if start.year not in YEARS:
        raise RefusedError("value", "an appointment is of this century", f"{KIND}.start")
    clinician = _clinician(wanted)
    if clinician is None:
        reason = "name who treats as a participant: Practitioner/ID, as the directory has it"
        raise RefusedError("required", reason, f"{KIND}.participant")
    found: dict[str, Any] = {"clinician": clinician, "starts_at": start.isoformat()}
    return found | ({"minutes": minutes} if minutes is not None else {})


def _clinician(wanted: Appointment) -> str | None:
    for actor in (one.actor for one in wanted.participant if one.actor is not None):
        found = _PERSON.fullmatch((actor.reference or "").rpartition("/fhir/")[2])
        if found is not None:
            return found[1].replace("U", "_")
    return None


def _named(wanted: Appointment) -> list[Named]:
    """The order, else the patient among those who take part."""
    patients = (one.actor for one in wanted.participant if one.actor is not None)
    return [
        *(("basedOn", one) for one in wanted.based_on),
        *(("participant", one) for one in patients if _is_patient(one)),
    ]


def _is_patient(actor: Reference) -> bool:
    return actor.type == "Patient" or "Patient/" in (actor.reference or "")


async def update(delivery: Delivery, id_: str) -> Answer:
    """PUT, with the last version. Raises RefusedError, Problem, DatabaseAway."""
    caller, database = delivery.caller, delivery.gateway.database
    journey = journey_of(id_)
    found = await orders.standing(database, onlooker(caller), journey) if journey else None
    now = await orders.visit(database, found.journey, id_.replace(".", ":")) if found is not None else None
    if found is None or now is None:
        raise Problem(404, None, "there is no such Appointment here")
    version = headers.if_match(delivery.header("if-match"))
    node = alone(delivery, KIND)
    if node.get("id") != id_:
        raise RefusedError("invalid", "the id in the resource is not that of the address", f"{KIND}.id")
    wanted = read_as(Appointment, node, KIND)
    key = f"PUT {KIND}/{id_} {version} {wanted.status if wanted.status in STATUSES else '?'}"
    if version != now.version:
        source = delivery.envelope(KIND).source
        if await orders.taken_before(database, caller.tenant, source, key, delivery.sha256) != "same":
            raise Problem(412, "conflict", "the appointment has changed since that version was read; read it again")
    name, data = change(wanted, now.visit)
    asked = Ask(name=name, about=About(journey=found.journey, visit=now.visit), data=data)
    settled = await ask(delivery, delivery.envelope(KIND, key=key), asked)
    return await _shown(delivery, id_, "done") if settled.done else later(delivery, settled)


def change(wanted: Appointment, visit: str) -> tuple[str, dict[str, Any]]:
    """What a status asks for. Raises RefusedError saying which may be asked for. Pure."""
    match wanted.status:
        case "cancelled":
            return "cancel_visit", {"visit": visit, "reason": _reason(wanted.cancelation_reason)}
        case "noshow":
            return "record_visit", {"visit": visit, "outcome": "no_show"}
        case "fulfilled":
            return "record_visit", {"visit": visit, "outcome": "attended"}
        case "entered-in-error":
            return "enter_in_error", {"what": "visit", "id": visit}
        case "booked":
            reason = "a visit is moved by cancelling it and booking another; allowed now: cancelled, noshow, fulfilled"
            raise RefusedError("business-rule", reason, f"{KIND}.status")
    reason = f"this status cannot be set; allowed: {ALLOWED}, entered-in-error"
    raise RefusedError("business-rule", reason, f"{KIND}.status")


def _reason(said: CodeableConcept | None) -> str:
    """Who cancels; the patient, where it is not said."""
    codes = [coding.code or "" for coding in said.coding] if said is not None else []
    return next((_REASONS[code.partition("-")[0]] for code in codes if code.partition("-")[0] in _REASONS), "patient")


async def _shown(delivery: Delivery, id_: str, told: str) -> Answer:
    shown = await inner.call(delivery.request, "GET", f"/fhir/{KIND}/{id_}")
    body = shown.json() if shown.status == 200 else None
    version = re.fullmatch(r'W/"(\d+)"', shown.headers.get("etag", ""))
    return Answer(
        200, body, location=f"{delivery.base}/{KIND}/{id_}", version=int(version[1]) if version else None, told=told
    )
