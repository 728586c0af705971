"""A record of its own, referrals in it that are answered, receivers, and the loop with a clock that tests wind on."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.deliveries import Deliveries
from activities.replies import task_of
from channels import signing
from channels.egress import Egress
from continuum.embedded.folder import temporary_folder
from continuum.embedded.supervisor import Options, Supervisor, running
from continuum.site import bring_up_to_date
from records import documents, notices, subscriptions
from records.database import Database
from records.subscriptions import REFERRAL_TASK, Subscription, Wanted
from tests.gateway.telling.receiver import Receiver, receiving
from tests.integration.post_office import DOMAIN, Server, mail_to, serving

BASE = "https://continuum.clinic.example"
CLIENT = "client:hospital"


@dataclass
class Post:
    """What a test of telling needs."""

    record: Database
    mail: Server
    clock: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(hours=1))
    """Stands still, a little ahead of the record's own, until `later`."""
    secret: str = field(default_factory=signing.new_secret)

    def loop(self, *receivers: Receiver, egress: Egress | None = None) -> Deliveries:
        """The loop, which may reach these receivers; nothing is left to chance."""
        return Deliveries(
            self.record,
            egress or Egress(allowed_private=frozenset(r.at for r in receivers)),
            mail_to(self.mail),
            base_url=BASE,
            domain=DOMAIN,
            alarm_address="operator@clinic.example",
            clock=lambda: self.clock,
            chance=lambda: 0.0,
        )

    def later(self, **kwargs: float) -> None:
        """Time passes."""
        self.clock += timedelta(**kwargs)

    async def subscribe(
        self, url: str, *, kind: str = "webhook", status: str = "active", owner: str | None = CLIENT, **wanted: Any
    ) -> str:
        """Somebody wants to be told; the subscription's id."""
        said = Wanted.model_validate({"kind": kind, "topic": REFERRAL_TASK, "url": url, **wanted})
        found = await subscriptions.add(
            self.record,
            id=secrets.token_hex(8),
            tenant="clinic",
            owner=owner,
            wanted=said,
            status=status,  # type: ignore[arg-type]
            secrets=(self.secret,),
        )
        assert found is not None
        return found.id

    async def referral(self, sender: str | None = CLIENT) -> str:
        """A referral that somebody sent; its journey."""
        journey = f"j-{secrets.token_hex(6)}"
        await self.record.execute(
            "with message as (insert into continuum.inbound (tenant, source, transport_key, sha256, raw, media_type,"
            " outcome, journey) values ('clinic', 'hospital', $1, $1, '', 'application/fhir+json', 'accepted', $1)"
            " returning id) insert into continuum.referral (journey, tenant, source, referral_id, sha256, inbound,"
            " sender, requester, facts, received_at) select $1, 'clinic', 'hospital', $1, $1, id, $2, $3, '{}', now()"
            " from message",
            journey,
            sender,
            {"reference": "Organization/hospital"},
        )
        return journey

    async def answer(self, journey: str, status: str = "accepted") -> str:
        """The referral is answered, as a journey does it: the reply is queued, rendered, and ready."""
        reply = f"{journey}:reply:{secrets.token_hex(4)}"
        await self.record.execute(
            "insert into continuum.reply (id, journey, tenant, task_status, at, hash)"
            " values ($1, $2, 'clinic', $3, now(), '')",
            reply,
            journey,
            status,
        )
        for row in await notices.unwritten(self.record, [reply]):
            await notices.reply_ready(self.record, row["id"], task_of(row))
        return reply

    async def begin(self, journey: str, *, clinic: str) -> None:
        """The journey is at a clinic."""
        await self.record.execute(
            "insert into continuum.journey (id, tenant, clinic, stage, status, waiting_on, seq, at, overdue)"
            " values ($1, 'clinic', $2, 'Referral', 'open', 'x', 1, now(), false)",
            journey,
            clinic,
        )

    async def discharge(self, journey: str) -> str:
        """A summary is signed and written."""
        document = f"{journey}:document:1"
        await documents.save(
            self.record, document=document, journey=journey, tenant="clinic", kind="x", body="b", pdf=b"%PDF"
        )
        return document

    async def it(self, subscription: str) -> Subscription:
        """As it stands."""
        found = await subscriptions.one(self.record, "clinic", subscription)
        assert found is not None
        return found

    async def events(self, subscription: str) -> list[tuple[int, str, int]]:
        """Number, status and attempts of its events."""
        rows = await self.record.fetch(
            "select number, status, attempts from continuum.delivery where subscription = $1 order by number",
            subscription,
        )
        return [(r["number"], r["status"], r["attempts"]) for r in rows]


@pytest.fixture(scope="session")
async def telling_stack() -> AsyncIterator[Supervisor]:
    """A stack without a worker, for all tests of telling."""
    with temporary_folder() as path:
        async with running(Options(folder=path, time_skipping=True, migrate=bring_up_to_date)) as stack:
            yield stack


@pytest.fixture(scope="session")
async def telling_record(telling_stack: Supervisor) -> AsyncIterator[Database]:
    """Its record."""
    record = await Database.open(telling_stack.dsn("app"), size=8)
    yield record
    await record.close()


@pytest.fixture
async def post(telling_record: Database) -> AsyncIterator[Post]:
    """No test finds what another left."""
    async with serving(Server()) as mail:
        yield Post(telling_record, mail)
    await telling_record.execute("update continuum.subscription set status = 'off', to_tell = false")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one
