"""A message comes in: read, stored, answered. What is answered AA or CA is stored; what could not be stored gets AE."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog

from gateway.context import Gateway
from gateway.hl7.answering import Verdict, answer
from gateway.hl7.batches import batch_answer, messages_in
from gateway.hl7.header import Header, header_of
from gateway.hl7.identifiers import entity
from gateway.hl7.meanings import ANY_PROCESSING, PRODUCTION, meaning_of
from gateway.hl7.outgoing import REFERRAL_STATUS
from gateway.hl7.reading import read
from gateway.hl7.refusal import Hl7Error, Place
from gateway.hl7.senders import Senders, UnknownSender
from gateway.inbound import Envelope, Taken, take_in
from gateway.inbound.meaning import source_of
from records import directory, hl7
from records.database import DatabaseAway, DatabaseRefused

log = structlog.get_logger(__name__)

MEDIA_TYPE = "x-application/hl7-v2+er7"
KEPT_SECONDS = 60.0
AWAY = "the record cannot be reached now; nothing was stored, send it again"
UNFORESEEN = "our own code failed on this message; nothing was acknowledged"
KEY = "MSH^1^10"


@dataclass(frozen=True, slots=True)
class Received:
    """What became of one message, and what its sender is answered (None: it wants no answer)."""

    outcome: str
    """As `Taken.outcome`, or `failed`: nothing was stored."""
    kind: str
    code: str | None = None
    """Of HL7 table 0357."""
    reason: str | None = None
    answer: bytes | None = field(default=None, repr=False)


@dataclass
class Reception:
    """Takes messages in for one gateway."""

    gateway: Gateway
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _zone: ZoneInfo | None = None
    _zone_read_at: float = 0.0
    senders: Senders = field(init=False)

    def __post_init__(self) -> None:
        self.senders = Senders(self.gateway)

    async def frame(self, payload: bytes, certificate: str | None = None) -> list[bytes]:
        """What goes back for a frame: an answer, the answers to a batch as one, or nothing. Never raises."""
        try:
            batch = messages_in(payload)
        except Hl7Error as error:
            return self.refusal(payload, error)
        answers = []
        for raw in batch.messages:
            received = await self.message(raw, certificate)
            if received.answer is not None:
                answers.append(received.answer)
        if batch.head is None or not answers:
            return answers
        return [batch_answer(batch.head, answers, self.clock())]

    def refusal(self, payload: bytes, error: Hl7Error, *, rejected: bool = False) -> list[bytes]:
        """The answer to what was not even read."""
        verdict = Verdict(error.code, error.reason, str(error.place), rejected)
        said = answer(payload, verdict, self.clock())
        return [] if said is None else [said]

    async def message(self, raw: bytes, certificate: str | None = None) -> Received:
        """One message. Never raises: a listener outlives whatever comes."""
        header = header_of(raw)
        outcome: str = "failed"
        try:
            taken, verdict = await self._take(raw, header, certificate)
            outcome = taken.outcome
        except UnknownSender as unknown:
            log.warning("hl7_unknown_sender", kind=header.name)
            outcome, verdict = "refused", Verdict("204", str(unknown), "MSH^1^3", rejected=True)
        except DatabaseAway:
            log.warning("hl7_record_away", kind=header.name)
            verdict = Verdict("207", AWAY)
        except DatabaseRefused as refused:
            log.error("hl7_record_refused", kind=header.name, sqlstate=refused.sqlstate)
            verdict = Verdict("207", UNFORESEEN)
        except Exception as error:  # whatever it is, it is this message's
            log.error("hl7_failed", kind=header.name, error=type(error).__name__)
            verdict = Verdict("207", UNFORESEEN)
        self.gateway.measures.hl7(header.name, outcome)
        said = answer(raw, verdict, self.clock())
        return Received(outcome, header.name, verdict.code, verdict.reason, said)

    async def _take(self, raw: bytes, header: Header, certificate: str | None) -> tuple[Taken, Verdict]:
        settings, now = self.gateway.settings, self.clock()
        sender = await self.senders.who(header.sender, certificate)
        meaning = meaning_of(
            raw,
            header,
            zone=await self._clinic_zone(),
            received_at=now,
            # An installation that takes messages of anybody is one for trying out.
            processing=ANY_PROCESSING if settings.unknown_senders else PRODUCTION,
        )
        envelope = Envelope(
            tenant=settings.tenant,
            protocol="hl7v2",
            sender=sender,
            source=source_of(sender, header.sender),
            transport_key=header.control_id or f"sha256:{sha256(raw).hexdigest()}",
            raw=raw,
            media_type=MEDIA_TYPE,
            kind=header.name,
            received_at=now,
        )
        taken = await take_in(self.gateway.database, envelope, meaning)
        verdict = verdict_of(taken)
        if verdict.taken and header.name == "REF^I15":
            verdict = await self._status(raw, sender, envelope.source)
        return taken, verdict

    async def _status(self, raw: bytes, sender: str, source: str) -> Verdict:
        """Where a referral stands, for the system that sent it."""
        rf1 = read(raw).first("RF1")
        name = entity(rf1, 6) if rf1 else None
        tenant = self.gateway.settings.tenant
        found = await hl7.standing(self.gateway.database, tenant, sender, source, name or "")
        if found is None:
            return Verdict("204", "no referral of that id came from this system", str(Place("RF1", 1, 6)))
        expired = found.task_status == "cancelled" and found.reason == "expired"
        status = REFERRAL_STATUS.get(found.task_status or "received", "A")
        return Verdict(journey=found.journey, referral_status="E" if expired else status)

    async def _clinic_zone(self) -> ZoneInfo:
        now = time.monotonic()
        if self._zone is None or now - self._zone_read_at > KEPT_SECONDS:
            clinic = await directory.clinic_of(self.gateway.database, self.gateway.settings.tenant)
            try:
                self._zone = ZoneInfo(clinic.timezone if clinic else "UTC")
            except (ZoneInfoNotFoundError, ValueError):
                self._zone = ZoneInfo("UTC")
            self._zone_read_at = now
        return self._zone


def verdict_of(taken: Taken) -> Verdict:
    """What the record says of a message, in the words of table 0357."""
    if taken.outcome == "conflict":
        return Verdict("205", taken.reason, KEY)
    if taken.outcome == "refused":
        return Verdict(taken.code, taken.reason, taken.path or "MSH^1")
    return Verdict(journey=taken.journey)
