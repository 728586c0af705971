"""HL7 v2 over MLLP: from bytes to what a message means, and from what became of it to the answer.

    listener (connections) -> framing -> batches -> reception -> header, reading -> meanings -> take_in -> answering

Reading and answering are pure. Nothing of a message is in an error, a log line or a refusal but our own words and the
standard's names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from gateway.fhir.incoming import IncomingPatient
from gateway.hl7.batches import messages_in
from gateway.hl7.header import Header, header_of
from gateway.hl7.incoming import Incoming
from gateway.hl7.listener import Limits, serve_mllp
from gateway.hl7.meanings import ANY_PROCESSING, PRODUCTION, meaning_of
from gateway.hl7.outgoing import Outgoing, ReplyRow, VisitTold, outgoing
from gateway.hl7.people import patient_of
from gateway.hl7.reading import read
from gateway.hl7.reception import Received, Reception
from gateway.hl7.refusal import Hl7Error
from gateway.inbound.meaning import Meaning

__all__ = [
    "ANY_PROCESSING",
    "PRODUCTION",
    "Hl7Error",
    "Limits",
    "Outgoing",
    "Received",
    "Reception",
    "ReplyRow",
    "VisitTold",
    "messages_in",
    "outgoing",
    "patient_in",
    "read_hl7",
    "serve_mllp",
]


@dataclass(frozen=True, slots=True)
class Read:
    """One message: its header, and what it means."""

    header: Header
    meaning: Meaning


def read_hl7(
    raw: bytes,
    *,
    zone: ZoneInfo | None = None,
    received_at: datetime | None = None,
    processing: frozenset[str] = PRODUCTION,
) -> Read:
    """Read one message, without storing it. Never raises: what is not fit is `Refused` with a code of table 0357.

    Several messages in one file: `messages_in` first.
    """
    header = header_of(raw)
    meaning = meaning_of(
        raw, header, zone=zone or ZoneInfo("UTC"), received_at=received_at or datetime.now(UTC), processing=processing
    )
    return Read(header, meaning)


def patient_in(raw: bytes) -> IncomingPatient:
    """The patient as a stored message has them, for `note_demographics`. Raises Hl7Error."""
    incoming = Incoming(raw, header_of(raw), read(raw), ZoneInfo("UTC"), datetime.now(UTC))
    return patient_of(incoming.message, incoming.house)
