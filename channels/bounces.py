"""Bounces: what a mail server says after it took a message that it could not deliver.

Delivery status notifications, RFC 3464, in a report, RFC 6522. Other formats are not read: they differ from server to
server, and a message that only looks like a bounce must not mark anything.
"""

from __future__ import annotations

import re
from email import message_from_bytes
from email.message import Message
from email.policy import compat32

from pydantic import BaseModel, ConfigDict

LARGEST = 1_000_000
"""Bytes; a report that has our whole message in it is some kilobytes."""
MESSAGE_ID = re.compile(r"<[^<>\s@]{1,200}@[^<>\s@]{1,255}>")
STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
NO_STATUS = "5.0.0"
"""RFC 3463: a failure of which nothing more is known."""


class NotABounce(Exception):  # noqa: N818
    """This is no report that can be read: why, without a word of it."""


class Bounce(BaseModel):
    """One report about one message of somebody's."""

    model_config = ConfigDict(frozen=True)

    message_id: str
    """Of the message that the report is about."""
    failed: bool
    """False: it is only late, or was delivered or passed on."""
    status: str
    """RFC 3463, such as 5.1.1: class, subject, detail."""


def read(raw: bytes) -> Bounce:
    """What a report says. Raises NotABounce.

    Only the parts of the report itself are looked at, never what is inside the message that it returns.
    """
    if len(raw) > LARGEST:
        raise NotABounce("it is larger than any delivery status notification")
    # compat32: the other policies interpret headers as they are read, and stumble over some that are not well-formed.
    report = message_from_bytes(raw, policy=compat32)
    kind = str(report.get_param("report-type", "")).lower()
    if report.get_content_type() != "multipart/report" or kind != "delivery-status":
        raise NotABounce("it is not a delivery status notification (RFC 3464)")
    parts = _inner(report)
    groups = [g for p in parts if p.get_content_type() == "message/delivery-status" for g in _inner(p)]
    recipients = [g for g in groups if g["Action"] is not None]
    if not recipients:
        raise NotABounce("it says of no recipient what became of the message")
    failures = [g for g in recipients if str(g["Action"]).strip().lower() == "failed"]
    found = _returned_id(parts) or _message_id(report["In-Reply-To"]) or _message_id(report["References"])
    if found is None:
        raise NotABounce("it does not say which message it is about")
    return Bounce(message_id=found, failed=bool(failures), status=_status((failures or recipients)[0]))


def _inner(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [p for p in payload if isinstance(p, Message)] if isinstance(payload, list) else []


def _status(recipient: Message) -> str:
    found = STATUS.search(str(recipient["Status"] or ""))
    return found.group(0) if found else NO_STATUS


def _returned_id(parts: list[Message]) -> str | None:
    """The Message-ID of the message that came back, whole or only its headers."""
    for part in parts:
        kind = part.get_content_type()
        if kind == "message/rfc822":
            for returned in _inner(part):
                if (found := _message_id(returned["Message-ID"])) is not None:
                    return found
        elif kind in ("text/rfc822-headers", "message/rfc822-headers"):
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                headers = message_from_bytes(payload, policy=compat32)
                if (found := _message_id(headers["Message-ID"])) is not None:
                    return found
    return None


def _message_id(header: object) -> str | None:
    found = MESSAGE_ID.search(str(header or ""))
    return found.group(0) if found else None
