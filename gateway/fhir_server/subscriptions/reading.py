"""A Subscription as a client sends it, checked and taken apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from activities.notifications import BACKPORT
from channels.egress import EgressRefused, HostPort, target_of
from channels.mail import ADDRESS, LONGEST_ADDRESS
from channels.webhook import TIMEOUT_SECONDS
from gateway.answers import Problem
from gateway.fhir_server.subscriptions.topics import filters_of, topic_of
from records.subscriptions import Kind, Wanted

FEWEST_HEARTBEAT_SECONDS = 60
MOST_HEARTBEAT_SECONDS = 7 * 86_400
LONGEST_REASON = 255
MOST_HEADERS = 10
LONGEST_HEADER = 2048
REST_PAYLOADS = ("application/fhir+json", "application/json")
MAIL_PAYLOADS = ("text/plain", *REST_PAYLOADS)

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_OURS = re.compile(
    r"host|content-.*|transfer-encoding|connection|upgrade|te|trailer|expect|keep-alive|proxy-.*|webhook-.*"
    r"|accept-encoding|user-agent",
    re.IGNORECASE,
)
"""Headers that are about the connection or that we sign with: not a client's to set."""


def wanted(resource: Mapping[str, Any], now: datetime, allowed_private: frozenset[HostPort] = frozenset()) -> Wanted:
    """What a Subscription asks for. Raises Problem with the element at fault, and nothing of what it holds."""
    if resource.get("resourceType") != "Subscription":
        raise Problem(400, "structure", "the body must be a Subscription", path="Subscription")
    if resource.get("modifierExtension"):
        raise Problem(422, "not-supported", "we know no modifierExtension", path="Subscription.modifierExtension")
    topic = topic_of(_text(resource, "criteria", "Subscription", most=2048))
    criteria = tuple(
        _string(value, "Subscription.criteria.extension")
        for value in _extensions(resource.get("_criteria"), "backport-filter-criteria", "Subscription.criteria")
    )
    channel = resource.get("channel")
    if not isinstance(channel, Mapping):
        raise Problem(400, "required", "channel says how to tell you", path="Subscription.channel")
    kind = _kind(channel)
    return Wanted(
        kind=kind,
        topic=topic.url,
        filters=filters_of(topic, criteria),
        criteria=criteria,
        url=_address(channel) if kind == "email" else _endpoint(channel, allowed_private),
        headers=_headers(channel) if kind == "rest-hook" else {},
        content=_content(channel, REST_PAYLOADS if kind == "rest-hook" else MAIL_PAYLOADS),
        heartbeat_seconds=_heartbeat(channel, kind),
        timeout_seconds=_timeout(channel),
        reason=_text(resource, "reason", "Subscription", most=LONGEST_REASON),
        contact=_contact(resource.get("contact")),
        ends_at=_end(resource.get("end"), now),
    )


def asked_status(resource: Mapping[str, Any], *, new: bool) -> Literal["requested", "off"]:
    """What a client may set. `active` is ours to set, after a handshake, and is taken for requested."""
    said = resource.get("status")
    if said in ("requested", "active"):
        return "requested"
    if said == "off" and not new:
        return "off"
    allowed = "requested" if new else "requested or off"
    raise Problem(400 if said is None else 422, "value", f"the status to send is {allowed}", path="Subscription.status")


def _kind(channel: Mapping[str, Any]) -> Kind:
    said = channel.get("type")
    if said == "rest-hook" or said == "email":
        kind: Kind = said
        return kind
    raise Problem(422, "not-supported", "channels here: rest-hook, email", path="Subscription.channel.type")


def _endpoint(channel: Mapping[str, Any], allowed_private: frozenset[HostPort]) -> str:
    url = _text(channel, "endpoint", "Subscription.channel", most=2048)
    try:
        target_of(url, allowed_private)
    except EgressRefused as refused:
        raise Problem(422, "value", str(refused), path="Subscription.channel.endpoint") from None
    return url


def _address(channel: Mapping[str, Any]) -> str:
    address = _text(channel, "endpoint", "Subscription.channel", most=LONGEST_ADDRESS + len("mailto:"))
    return f"mailto:{_mail(address.removeprefix('mailto:'), 'Subscription.channel.endpoint')}"


def _mail(address: str, path: str) -> str:
    if len(address) > LONGEST_ADDRESS or not ADDRESS.fullmatch(address):
        raise Problem(422, "value", "this must be one plain mail address", path=path)
    return address


def _contact(contacts: object) -> str | None:
    """The first mail address: it hears when nothing can be delivered."""
    for contact in contacts if isinstance(contacts, list) else []:
        if isinstance(contact, Mapping) and contact.get("system") == "email":
            return _mail(_text(contact, "value", "Subscription.contact"), "Subscription.contact")
    return None


def _headers(channel: Mapping[str, Any]) -> dict[str, str]:
    path = "Subscription.channel.header"
    said = channel.get("header", [])
    if not isinstance(said, list) or len(said) > MOST_HEADERS:
        raise Problem(400, "structure", f"header is a list of at most {MOST_HEADERS}", path=path)
    found: dict[str, str] = {}
    for line in said:
        name, colon, value = _string(line, path).partition(":")
        if not colon or len(line) > LONGEST_HEADER or not _HEADER_NAME.fullmatch(name):
            raise Problem(422, "value", "a header is written as Name: value", path=path)
        if not _HEADER_VALUE.fullmatch(value):
            raise Problem(422, "value", "a header's value has printable ASCII characters only", path=path)
        if _OURS.fullmatch(name):
            raise Problem(422, "business-rule", "this header is ours to set", path=path)
        found[name] = value.strip()
    return found


def _content(channel: Mapping[str, Any], payloads: tuple[str, ...]) -> Literal["empty", "id-only"]:
    payload = channel.get("payload")
    if payload is not None and str(payload).partition(";")[0].strip() not in payloads:
        known = ", ".join(payloads)
        raise Problem(422, "not-supported", f"payloads here: {known}", path="Subscription.channel.payload")
    said = _extensions(channel.get("_payload"), "backport-payload-content", "Subscription.channel.payload")
    if not said:
        return "empty" if payload is None else "id-only"
    if said == ["empty"]:
        return "empty"
    if said == ["id-only"]:
        return "id-only"
    words = "content is empty or id-only: what is in a record is read, by somebody who is known"
    raise Problem(422, "not-supported", words, path="Subscription.channel.payload.extension")


def _heartbeat(channel: Mapping[str, Any], kind: Kind) -> int | None:
    path = "Subscription.channel.extension"
    seconds = _number(channel, "backport-heartbeat-period", path)
    if seconds is None:
        return None
    if kind == "email":
        raise Problem(422, "not-supported", "there are no heartbeats by mail", path=path)
    if not FEWEST_HEARTBEAT_SECONDS <= seconds <= MOST_HEARTBEAT_SECONDS:
        between = f"{FEWEST_HEARTBEAT_SECONDS} to {MOST_HEARTBEAT_SECONDS}"
        raise Problem(422, "value", f"the heartbeat period is {between} seconds", path=path)
    return seconds


def _timeout(channel: Mapping[str, Any]) -> int:
    seconds = _number(channel, "backport-timeout", "Subscription.channel.extension")
    longest = int(TIMEOUT_SECONDS)
    return longest if not seconds else min(seconds, longest)


def _end(said: object, now: datetime) -> datetime | None:
    if said is None:
        return None
    path = "Subscription.end"
    try:
        end = datetime.fromisoformat(_string(said, path))
    except ValueError:
        raise Problem(400, "value", "end is an instant: 2027-01-31T12:00:00Z", path=path) from None
    if end.tzinfo is None:
        raise Problem(400, "value", "end needs a time zone", path=path)
    if end <= now:
        raise Problem(422, "business-rule", "end is in the past", path=path)
    return end


def _number(channel: Mapping[str, Any], name: str, path: str) -> int | None:
    said = _extensions(channel, name, path)
    if not said:
        return None
    if len(said) > 1 or not isinstance(said[0], int) or isinstance(said[0], bool) or said[0] < 0:
        raise Problem(400, "value", f"{name} is one whole number", path=path)
    return said[0]


def _extensions(element: object, name: str, path: str) -> list[Any]:
    """The values of the extensions of this name."""
    if element is None:
        return []
    found = element.get("extension", []) if isinstance(element, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise Problem(400, "structure", "extension is a list of objects", path=path)
    ours = [one for one in found if one.get("url") == f"{BACKPORT}/{name}"]
    return [value for one in ours for key, value in one.items() if key.startswith("value")]


def _text(element: Mapping[str, Any], name: str, path: str, *, most: int = 255) -> str:
    value = element.get(name)
    if value is None:
        raise Problem(400, "required", f"{name} is missing", path=f"{path}.{name}")
    text = _string(value, f"{path}.{name}")
    if not text.strip() or len(text) > most:
        raise Problem(400, "value", f"{name} has 1 to {most} characters", path=f"{path}.{name}")
    return text


def _string(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise Problem(400, "structure", "this must be a string", path=path)
    return value
