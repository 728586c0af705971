"""A Subscription as it stands. What a receiver wants to see in a header is a secret, and is never shown again."""

from __future__ import annotations

from typing import Any

from activities.notifications import BACKPORT
from records.subscriptions import Subscription


def resource(it: Subscription) -> dict[str, Any]:
    """The FHIR resource."""
    found: dict[str, Any] = {
        "resourceType": "Subscription",
        "id": it.id,
        "meta": {
            "versionId": str(it.version),
            "lastUpdated": it.updated_at.isoformat(),
            "profile": [f"{BACKPORT}/backport-subscription"],
        },
        "status": it.status,
        "reason": it.reason,
        "criteria": it.topic,
        "channel": _channel(it),
    }
    if it.criteria:
        found["_criteria"] = {"extension": [_extension("backport-filter-criteria", "String", c) for c in it.criteria]}
    if it.contact:
        found["contact"] = [{"system": "email", "value": it.contact}]
    if it.ends_at:
        found["end"] = it.ends_at.isoformat()
    if it.trouble:
        found["error"] = it.trouble
    return found


def _channel(it: Subscription) -> dict[str, Any]:
    channel: dict[str, Any] = {
        "extension": [_extension("backport-timeout", "UnsignedInt", it.timeout_seconds)],
        "type": it.kind,
        "endpoint": it.url,
        "payload": "text/plain" if it.kind == "email" else "application/fhir+json",
        "_payload": {"extension": [_extension("backport-payload-content", "Code", it.content)]},
    }
    if it.heartbeat_seconds is not None:
        channel["extension"].append(_extension("backport-heartbeat-period", "UnsignedInt", it.heartbeat_seconds))
    return channel


def _extension(name: str, kind: str, value: object) -> dict[str, Any]:
    return {"url": f"{BACKPORT}/{name}", f"value{kind}": value}
