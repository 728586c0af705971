"""One message that came in, with what is known around it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from zoneinfo import ZoneInfo

from gateway.fhir.incoming import IncomingIdentifier
from gateway.hl7.header import Header
from gateway.hl7.people import numbers_of
from gateway.hl7.reading import Message
from gateway.hl7.refusal import Hl7Error, Place


@dataclass(frozen=True)
class Incoming:
    """The message cut into segments, its header, its bytes, and the clinic's time zone."""

    raw: bytes
    header: Header
    message: Message
    zone: ZoneInfo
    received_at: datetime

    @property
    def kind(self) -> str:
        """MSH-9.1: `REF`."""
        return self.header.kind

    @property
    def event(self) -> str:
        """MSH-9.2: `I12`; of old messages EVN-1."""
        if self.header.event or (evn := self.message.first("EVN")) is None:
            return self.header.event
        return evn.text(1).upper()

    @property
    def source(self) -> str:
        """Whose names these are, as the message claims: `application|facility`."""
        return self.header.sender

    @property
    def house(self) -> str:
        """Within which numbers without an authority count: the sending facility, else the application."""
        application, _, facility = self.header.sender.partition("|")
        return facility or application

    @property
    def transport_key(self) -> str:
        """This delivery at its source."""
        return self.header.control_id

    @cached_property
    def sha256(self) -> str:
        """Of the bytes."""
        return sha256(self.raw).hexdigest()

    def patient_numbers(self) -> tuple[IncomingIdentifier, ...]:
        """Whom the message is about. Raises Hl7Error: it does not say."""
        pid = self.message.first("PID")
        if pid is None:
            raise Hl7Error("100", "the segment PID, which says who the patient is, is missing", Place("PID"))
        numbers = numbers_of(pid, self.house)
        if not numbers:
            raise Hl7Error("101", "PID-3, the patient's number, is missing", pid.at(3))
        return numbers
