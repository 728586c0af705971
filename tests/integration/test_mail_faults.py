"""Mail servers that refuse, put off, take a message and break: each class of message ends as its policy says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

import asyncpg
import pytest
from temporalio.exceptions import ApplicationError

import worker
from activities.digests import Digests
from activities.messages import MailMessages
from care.notice import NOTICES, Notice, Template
from channels.mail import Letter, Mail, MailSettings
from continuum.demo.player import Player
from continuum.settings import Settings
from records.database import Database, DatabaseAway
from records.notices import ALARMS
from tests.conftest import House
from tests.integration.post_office import DOMAIN, NOW, Mailroom, Server, a_persons, mail_to, post_of, serving
from tests.integration.tools import PATIENT, message, order, until
from workflows.connection import connect

pytestmark = [pytest.mark.xdist_group("mail"), pytest.mark.timeout(120)]

_numbers = iter(range(1, 10_000))
ATTEMPTS = 4
REFUSED = ("554 no", "rcpt 550 unknown", "552 too big")
PUT_OFF = ("451 later", "rcpt 450 grey", "421 busy", "rcpt 421 busy", "rcpt abort", "452 full")
BROKEN = ("abort", "stall")
MANY = 50


async def queued(room: Mailroom, address: str, template: Template) -> str:
    """A notice of this template that waits, for somebody at this address."""
    number = next(_numbers)
    notice, desk = f"j-fault:notice:{number}", f"fault_{number}"
    await room.record.execute(
        "insert into continuum.queue (tenant, id, name, mailbox) values ('clinic', $1, 'Desk', $2)", desk, address
    )
    await room.record.execute(
        "insert into continuum.notice (id, journey, tenant, recipient, template, facts, send_after, hash, digest)"
        " values ($1, 'j-fault', 'clinic', 'queue:' || $5, $2, '{}', $3, '', $4)",
        notice,
        template,
        NOW,
        NOTICES[template].digest,
        desk,
    )
    return notice


async def chased(room: Mailroom, server: Server, notice: str) -> set[str]:
    """Attempt as often as Temporal or the loops would; what a person has to deliver in the end."""
    digests = Digests(room.record, mail_to(server), domain=DOMAIN, after_seconds=0, retry_seconds=0)
    for _ in range(ATTEMPTS):
        await digests.once()
        await post_of(room.record, server).once()
    await alarmed(room, server, notice)
    return await a_persons(room.record, notice)


async def alarmed(room: Mailroom, server: Server, notice: str) -> None:
    """Attempt as often as Temporal would, where it is an alarm."""
    messages = MailMessages(room.record, mail_to(server), domain=DOMAIN, alarm_address=f"alarm@{DOMAIN}")
    row = await room.row(notice)
    for _ in range(ATTEMPTS if row["template"] in ALARMS else 0):
        with suppress(ApplicationError):
            await messages.alarm(
                Notice(id=notice, to=row["recipient"], template=row["template"], send_after=NOW), "clinic"
            )
            return


@pytest.mark.parametrize("template", NOTICES)
@pytest.mark.parametrize("fault", [*REFUSED, *PUT_OFF, *BROKEN])
async def test_each_class_ends_as_its_policy_says(
    mailroom: Mailroom, smtp: Server, template: Template, fault: str
) -> None:
    rule = NOTICES[template]
    address = f"fault{next(_numbers)}@x.example"
    notice = await queued(mailroom, address, template)
    smtp.script[address] = fault
    a_persons = await chased(mailroom, smtp, notice)
    row = await mailroom.row(notice)
    copies = smtp.recipients.count(address)
    if fault in REFUSED:
        assert (row["status"], row["attempts"], copies) == ("failed", 1, 0), "said once, not asked again"
        assert bool(a_persons) == (rule.undelivered == "task")
    elif fault in PUT_OFF:
        assert (row["status"], copies) == ("sending" if rule.kind == "alarm" else "queued", 0)
        smtp.script.clear()
        await chased(mailroom, smtp, notice)
        row = await mailroom.row(notice)
        assert (row["status"], smtp.recipients.count(address)) == ("sent", 1)
    else:
        assert row["status"] == "uncertain", "never shown as not sent"
        assert copies == (2 if rule.uncertain == "resend" else 1)
        assert bool(a_persons) == (rule.uncertain != "leave")
    assert len(smtp.copies) <= 1, "one Message-ID for all attempts"


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize(("template", "most"), [("red_flag_alarm", 2), ("journey_news", 1)])
async def test_fifty_ambiguous_ends(
    mailroom: Mailroom, smtp: Server, template: Template, most: int, fault: Literal["abort", "stall"]
) -> None:
    addresses = [f"{fault}-{template}-{number}@x.example" for number in range(MANY)]
    smtp.script.update(dict.fromkeys(addresses, fault))
    notices = [await queued(mailroom, address, template) for address in addresses]
    for _ in range(ATTEMPTS):
        await post_of(mailroom.record, smtp).once()
    for few in zip(*[iter(notices)] * 5, strict=True):  # an alarm waits two seconds for a busy record, no longer
        await asyncio.gather(*(alarmed(mailroom, smtp, notice) for notice in few))
    assert await a_persons(mailroom.record, *notices) == set(notices), "one person makes sure, once"
    for notice in notices:
        row = await mailroom.row(notice)
        assert row["status"] == "uncertain"
        assert smtp.copies[row["message_id"]] == most
    assert len(smtp.copies) == MANY


class Away(Database):
    """A record that does not answer for a while."""

    away = True

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        if self.away:
            raise DatabaseAway("PostgreSQL does not answer")
        async with super().connection() as connection:
            yield connection

    async def _ask(self, how: str, sql: str, args: Sequence[Any]) -> Any:
        if self.away:
            raise DatabaseAway("PostgreSQL does not answer")
        return await super()._ask(how, sql, args)


async def test_an_alarm_leaves_once_however_long_the_record_is_away(mailroom: Mailroom, smtp: Server) -> None:
    record = Away(mailroom.record._pool)
    address = f"alarm{next(_numbers)}@{DOMAIN}"
    messages = MailMessages(record, mail_to(smtp), domain=DOMAIN, alarm_address=address)
    alarm = Notice(id="j-away:alarm:fracture:1", to="queue:on_call", template="red_flag_alarm", send_after=NOW)
    for _ in range(ATTEMPTS):
        with pytest.raises(DatabaseAway):
            await messages.alarm(alarm, "clinic")
    record.away = False
    assert await messages.alarm(alarm, "clinic") == "sent"
    assert (await mailroom.row(alarm.id))["status"] == "sent"
    assert smtp.recipients.count(address) == 1


def letter() -> Letter:
    return Letter(message_id="<1@x>", to="a@x.example", subject="Hello", body="words", date=NOW)


def settings(port: int, **more: object) -> MailSettings:
    return MailSettings.model_validate({"host": "127.0.0.1", "port": port, "sender": f"continuum@{DOMAIN}", **more})


@pytest.mark.parametrize(
    "more",
    [{"tls": "starttls"}, {"tls": "implicit"}, {"username": "continuum", "password": "secret"}],
    ids=["no STARTTLS", "no TLS", "no AUTH"],
)
async def test_nothing_is_sent_in_clear_where_it_should_not_be(smtp: Server, more: dict[str, str]) -> None:
    sent = await Mail(settings(smtp.port, **more)).send(letter())
    assert (sent.outcome, sent.reached, smtp.stored) == ("later", False, [])
    assert "secret" not in (sent.reason or "")


@asynccontextmanager
async def speaking(first: bytes) -> AsyncIterator[int]:
    """A server that says this and nothing more."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize(
    "first", [b"", b"421 too busy\r\n", b"554 go away\r\n", b"220 x\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"\xff\xfe\r\n"]
)
async def test_a_server_that_does_not_speak_with_us(smtp: Server, first: bytes) -> None:
    async with speaking(first) as port:
        sent = await Mail(settings(port)).send(letter())
    assert (sent.outcome, sent.reached) == ("later", False), "it certainly has not left"


@asynccontextmanager
async def at_work(room: Mailroom, port: int) -> AsyncIterator[Player]:
    """The real worker, whose mail goes to this port; somebody to play a journey."""
    settings = Settings(smtp_host="127.0.0.1", smtp_port=port, digest_seconds=0)
    client = await connect(room.temporal)
    stop = asyncio.Event()
    async with worker.build(client, room.record, settings):
        beside = worker.loops(client, room.record, settings, stop)
        try:
            house = House(None, client, room.record, settings, None, [])  # type: ignore[arg-type]
            yield Player("faults", client, room.record, house.calendar, tenant="clinic", narrate=lambda who, r: None)
        finally:
            stop.set()
            await asyncio.gather(*beside)


async def test_the_worker_waits_for_a_server_that_greylists(mailroom: Mailroom, smtp: Server) -> None:
    doctor = "quill@surgery.example"
    smtp.script[doctor] = "451 come again"
    async with at_work(mailroom, smtp.port) as player:
        await player.refer(message(order(patient=PATIENT)))
        await player.act("ask_referrer", about="imaging")

        async def put_off_twice() -> bool:
            return any(n["attempts"] >= 2 for n in (await player.record())["notices"])

        await until(put_off_twice)
        smtp.script.clear()
        await until(lambda: taken_once(player, smtp, doctor))
        assert [t for t in (await player.record())["tasks"] if t["kind"] == "deliver_notice"] == []
        await player.act("withdraw", reason="patient_declined")
        await player.until_closed()


async def taken_once(player: Player, server: Server, address: str) -> bool:
    told = [n for n in (await player.record())["notices"] if n["recipient"] == "referrer"]
    return bool(told) and {n["status"] for n in told} == {"sent"} and server.recipients.count(address) == len(told)


async def test_the_worker_outlasts_a_server_that_is_down(mailroom: Mailroom) -> None:
    doctor = "quill@surgery.example"
    async with serving(Server()) as found:
        port = found.port  # free again in a moment
    async with at_work(mailroom, port) as player:
        await player.refer(message(order(patient=PATIENT)))
        await player.act("ask_referrer", about="imaging")

        async def tried_twice() -> bool:
            return any(n["attempts"] >= 2 for n in (await player.record())["notices"])

        await until(tried_twice)
        async with serving(Server(), port=port) as back:
            await until(lambda: taken_once(player, back, doctor))
            await player.act("withdraw", reason="patient_declined")
            await player.until_closed()
