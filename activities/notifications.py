"""What a subscriber is sent: ids and numbers, never what is in a record.

For FHIR the notification Bundle of the Subscriptions R5 Backport for R4, https://hl7.org/fhir/uv/subscriptions-backport
(STU 1.1): a history Bundle whose first entry is a SubscriptionStatus, in R4 as Parameters. For a webhook a small JSON
object, for mail a few words.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid5

from records.deliveries import Event
from records.subscriptions import CONSULT_NOTE, Subscription

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
Sort = Literal["handshake", "heartbeat", "event-notification", "query-status", "query-event"]
"""http://hl7.org/fhir/subscription-notification-type."""


def status(
    subscription: Subscription, sort: Sort, base_url: str, events: Sequence[Event] = (), trouble: str | None = None
) -> dict[str, Any]:
    """How a subscription stands, with the events that this is about."""
    said: list[dict[str, Any]] = [
        {
            "name": "subscription",
            "valueReference": {"reference": f"{base_url}/fhir/Subscription/{subscription.id}"},
        },
        {"name": "topic", "valueCanonical": subscription.topic},
        {"name": "status", "valueCode": subscription.status},
        {"name": "type", "valueCode": sort},
        {"name": "events-since-subscription-start", "valueString": str(subscription.events)},
    ]
    said += [{"name": "notification-event", "part": _event(subscription, event, base_url)} for event in events]
    if trouble:
        said.append({"name": "error", "valueCodeableConcept": {"text": trouble}})
    return {
        "resourceType": "Parameters",
        "id": str(uuid5(NAMESPACE_URL, f"{subscription.id}/{sort}")),
        "meta": {"profile": [f"{BACKPORT}/backport-subscription-status-r4"]},
        "parameter": said,
    }


def notification(
    subscription: Subscription, sort: Sort, base_url: str, at: datetime, events: Sequence[Event] = ()
) -> dict[str, Any]:
    """The Bundle: the status first, then what the events are about, without its content."""
    state = status(subscription, sort, base_url, events)
    entries: list[dict[str, Any]] = [
        {
            "fullUrl": f"urn:uuid:{state['id']}",
            "resource": state,
            "request": {"method": "GET", "url": f"{base_url}/fhir/Subscription/{subscription.id}/$status"},
            "response": {"status": "200"},
        }
    ]
    if subscription.content == "id-only":
        entries += [
            {
                "fullUrl": f"{base_url}/fhir/{focus}",
                "request": {"method": "PUT", "url": focus},
                "response": {"status": "200"},
            }
            for focus in dict.fromkeys(event.focus for event in events)
        ]
    return {
        "resourceType": "Bundle",
        "meta": {"profile": [f"{BACKPORT}/backport-subscription-notification-r4"]},
        "type": "history",
        "timestamp": at.isoformat(),
        "entry": entries,
    }


def webhook(subscription: Subscription, event: Event, base_url: str) -> dict[str, Any]:
    """Standard Webhooks: `type`, `timestamp`, `data`; thin, so that whoever reads the record is known."""
    return {
        "type": "consult_note.ready" if subscription.topic == CONSULT_NOTE else "referral.updated",
        "timestamp": event.at.isoformat(),
        "data": {
            "subscription": subscription.id,
            "event": event.number,
            "reference": event.focus,
            "url": f"{base_url}/fhir/{event.focus}",
        },
    }


def mail(subscription: Subscription, event: Event | None, base_url: str) -> tuple[str, str]:
    """Subject and words; nothing of a referral but its opaque id."""
    about = f"{base_url}/fhir/Subscription/{subscription.id}"
    if event is None:
        return (
            "Continuum: your subscription is active",
            f"You will be told by mail, without clinical content, as you have asked.\n\nSubscription: {about}\n",
        )
    lines = [f"Event {event.number} of {about}"]
    if subscription.content == "id-only":
        lines.append(f"About: {base_url}/fhir/{event.focus}")
    words = "A consult note is ready." if subscription.topic == CONSULT_NOTE else "A referral of yours has news."
    return f"Continuum: event {event.number}", "\n\n".join([words, "\n".join(lines)]) + "\n"


def as_bytes(value: dict[str, Any]) -> bytes:
    """The bytes that are sent, and signed."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _event(subscription: Subscription, event: Event, base_url: str) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [
        {"name": "event-number", "valueString": str(event.number)},
        {"name": "timestamp", "valueInstant": event.at.isoformat()},
    ]
    if subscription.content == "id-only":
        parts.append({"name": "focus", "valueReference": {"reference": f"{base_url}/fhir/{event.focus}"}})
    return parts
