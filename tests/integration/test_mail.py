"""Mail: an honest outcome for every attempt, at most one letter for each notice, and nobody's news in a subject."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

import worker
from activities.clinics import calendar_of
from activities.messages import MailMessages
from activities.post import CUT_OFF_SECONDS
from care.notice import Notice
from channels.mail import Letter, Mail, MailSettings
from continuum.demo.player import Player
from continuum.demo.stories import COURSES, nothing_found
from continuum.settings import Settings
from continuum.site import EXAMPLE_CLINIC
from records.database import Database, DatabaseAway
from tests.conftest import House, staffed
from tests.integration.post_office import NOW, Mailroom, Server, a_persons, mail_to, post_of
from tests.integration.tools import PATIENT, message, order, proxy_to, until
from workflows.connection import connect

NOTICE = "j-mail:notice:{}"


pytestmark = pytest.mark.xdist_group("mail")


def messages(database: Database, server: Server) -> MailMessages:
    return MailMessages(database, mail_to(server), domain="clinic.example", alarm_address="on-call@clinic.example")


async def queue(database: Database, email: str, template: str = "visit_booked") -> str:
    """A notice that waits for its letter."""
    number = secrets.token_hex(4)
    notice, desk = NOTICE.format(number), f"desk_{number}"
    await database.execute(
        "insert into continuum.queue (tenant, id, name, mailbox) values ('clinic', $1, 'Desk', $2)", desk, email
    )
    await database.execute(
        "insert into continuum.notice (id, journey, tenant, recipient, template, facts, send_after, hash)"
        " values ($1, 'j-mail', 'clinic', 'queue:' || $4, $2, '{}', $3, '')",
        notice,
        template,
        NOW,
        desk,
    )
    return notice


@pytest.mark.parametrize(
    ("script", "status", "stored"),
    [
        ("250 ok", "sent", 1),
        ("abort", "uncertain", 1),
        ("stall", "uncertain", 1),
        ("554 no", "failed", 0),
        ("rcpt 550 unknown", "failed", 0),
        ("451 later", "queued", 0),
        ("rcpt 450 grey", "queued", 0),
    ],
)
async def test_the_outcome_is_what_is_known(
    mailroom: Mailroom, smtp: Server, script: str, status: str, stored: int
) -> None:
    record = mailroom.record
    notice = await queue(record, "desk@clinic.example")
    smtp.script["desk@clinic.example"] = script
    post = post_of(record, smtp)
    await post.once()
    assert await a_persons(record, notice) == ({notice} if status in ("failed", "uncertain") else set())
    first = await mailroom.row(notice)
    assert (first["status"], len(smtp.stored)) == (status, stored)
    assert first["attempts"] == 1

    smtp.script.clear()  # whatever it was, the server is well now
    await post.once()
    second = await mailroom.row(notice)
    assert second["message_id"] == first["message_id"], "the same for every attempt"
    if status == "queued":
        assert (second["status"], second["attempts"]) == ("sent", 2)
        assert smtp.copies == {first["message_id"]: 1}
    else:
        assert second["status"] == status, "an outcome that is known does not change, and nothing is sent again"
        assert len(smtp.stored) == stored


async def test_an_attempt_that_was_cut_off_is_not_made_again(mailroom: Mailroom, smtp: Server) -> None:
    """A worker was killed between the claim and the outcome. An alarm's own activity sends it again: see below."""
    record = mailroom.record
    notice, under_way = await queue(record, "desk@clinic.example"), await queue(record, "other@clinic.example")
    alarm = await queue(record, "a@x.example", "red_flag_alarm")
    await record.execute(
        "update continuum.notice set status = 'sending', attempts = 1, tried_at = now() - make_interval(secs => $3)"
        " where id in ($1, $2)",
        notice,
        alarm,
        CUT_OFF_SECONDS,
    )
    await record.execute("update continuum.notice set status = 'sending', tried_at = now() where id = $1", under_way)
    await post_of(record, smtp).once()
    assert await a_persons(record, notice, under_way, alarm) == {notice}
    assert (await mailroom.row(notice))["status"] == "uncertain"
    assert (await mailroom.row(under_way))["status"] == "sending", "it belongs to whoever claimed it"
    assert (await mailroom.row(alarm))["status"] == "sending", "no business of the post's"
    assert smtp.stored == []


async def test_one_that_waits_hides_none_that_is_lost(mailroom: Mailroom, smtp: Server) -> None:
    record = mailroom.record
    lost, waits, fine = [await queue(record, f"{name}@x.example") for name in ("lost", "waits", "fine")]
    smtp.script.update({"lost@x.example": "554 no", "waits@x.example": "451 later"})
    post = post_of(record, smtp)
    await post.once()
    assert (await mailroom.row(fine))["status"] == "sent", "one that waits holds up no other"
    smtp.script["waits@x.example"] = "250 ok"
    await post.once()
    assert await a_persons(record, lost, waits, fine) == {lost}
    assert set(smtp.copies.values()) == {1}


async def test_workers_side_by_side_send_one_letter(mailroom: Mailroom, smtp: Server) -> None:
    record = mailroom.record
    for n in range(20):
        await queue(record, f"desk{n}@clinic.example")
    await asyncio.gather(*(post_of(record, smtp).once() for _ in range(4)))
    assert sorted(smtp.recipients) == sorted(f"desk{n}@clinic.example" for n in range(20))


async def test_without_a_mail_server_it_waits(mailroom: Mailroom) -> None:
    record = mailroom.record
    notice = await queue(record, "desk@clinic.example")
    await post_of(record, Server(port=1)).once()
    row = await mailroom.row(notice)
    assert (row["status"], row["attempts"]) == ("queued", 1)


async def test_an_alarm_is_repeated_until_it_has_certainly_left(mailroom: Mailroom, smtp: Server) -> None:
    record = mailroom.record
    notice = Notice(
        id="j-mail:alarm:ces:1",
        to="queue:on_call",
        template="red_flag_alarm",
        facts={"urgency": "E0", "stage": "Intake"},
        send_after=NOW,
    )
    smtp.script["on-call@clinic.example"] = "abort"
    with pytest.raises(ApplicationError, match="not certainly left"):
        await messages(record, smtp).alarm(notice, "clinic")
    smtp.script.clear()
    assert await messages(record, smtp).alarm(notice, "clinic") == "sent"
    assert await messages(record, smtp).alarm(notice, "clinic") == "sent"
    assert list(smtp.copies.values()) == [2], "one Message-ID, so that receivers can tell"


async def test_an_alarm_does_not_wait_for_a_postgresql_that_is_silent(mailroom: Mailroom, smtp: Server) -> None:
    url = mailroom.app_dsn
    port = int(url.partition("@127.0.0.1:")[2].partition("/")[0])
    async with proxy_to(port) as proxy:
        away = await Database.open(url.replace(f":{port}/", f":{proxy.port}/"), size=2)
        proxy.swallow()
        notice = Notice(id="j:alarm:ces:2", to="queue:on_call", template="red_flag_alarm", send_after=NOW)
        alarming = asyncio.create_task(messages(away, smtp).alarm(notice, "clinic"))

        async def left() -> bool:
            return smtp.recipients == ["on-call@clinic.example"]

        await until(left, seconds=20)
        proxy.heal()
        with suppress(DatabaseAway):  # then Temporal asks again
            await alarming
        await away.close()


async def test_an_alarm_leaves_while_postgresql_is_away(smtp: Server) -> None:
    class Away:
        def __getattr__(self, name: str) -> Any:
            async def away(*args: Any) -> Any:
                raise DatabaseAway("gone")

            return away

    notice = Notice(id="j:alarm:ces:1", to="queue:on_call", template="red_flag_alarm", send_after=NOW)
    with pytest.raises(Exception, match="gone"):
        await messages(Away(), smtp).alarm(notice, "clinic")  # type: ignore[arg-type]
    assert smtp.recipients == ["on-call@clinic.example"], "the address from the settings"


@pytest.mark.timeout(120)
async def test_care_goes_on_and_a_person_delivers_what_mail_could_not(mailroom: Mailroom, smtp: Server) -> None:
    record, temporal = mailroom.record, mailroom.temporal
    doctor = "quill@surgery.example"
    smtp.script[doctor] = "abort"
    settings = Settings(smtp_host="127.0.0.1", smtp_port=smtp.port, digest_seconds=1, pathways_must_be_signed=False)
    client = await connect(temporal)
    stop = asyncio.Event()
    async with worker.build(client, record, settings):
        beside = worker.loops(client, record, settings, stop)
        try:
            house = House(None, client, record, settings, None, [])  # type: ignore[arg-type]
            player = Player("mail", client, record, house.calendar, tenant="clinic", narrate=lambda who, r: None)
            await player.refer(message(order(patient=PATIENT)))
            await player.act("ask_referrer", about="imaging")

            async def owed() -> list[dict[str, Any]]:
                tasks = (await player.record())["tasks"]
                return [t for t in tasks if t["kind"] == "deliver_notice" and t["settled_at"] is None]

            (task,) = await until(owed)
            await player.act("record_consent", messages=True)
            await player.act("screen", answers=nothing_found("low_back_pain"))
            await player.act("settle_notice", task=task["id"], outcome="told_by_phone")
            assert await owed() == []
            uncertain = [n for n in (await player.record())["notices"] if n["status"] == "uncertain"]
            assert [n["template"] for n in uncertain] == ["referral_answer"]
            assert smtp.recipients.count(doctor) == 1, "stored once by the server, and never sent again"
            await player.act("withdraw", reason="patient_declined")
            await player.until_closed()
        finally:
            stop.set()
            await asyncio.gather(*beside)


@pytest.mark.timeout(120)
async def test_a_journey_ends_only_when_somebody_told_what_mail_may_have_lost(mailroom: Mailroom, smtp: Server) -> None:
    """So people who play a journey while plugs are pulled have to: a kill in the middle of a letter does the same."""
    record, temporal = mailroom.record, mailroom.temporal
    smtp.script["s.haddad@surgery.example"] = "abort"
    settings = Settings(smtp_host="127.0.0.1", smtp_port=smtp.port, digest_seconds=1, pathways_must_be_signed=False)
    calendar = calendar_of(EXAMPLE_CLINIC, datetime.now(UTC).date())
    house = House(None, await connect(temporal), record, settings, calendar, [])  # type: ignore[arg-type]
    player = house.player("told")
    async with staffed(house):
        await COURSES[0].play(player)
    played = await player.record()
    assert (played["status"], played["outcome"]) == ("closed", COURSES[0].outcome)
    told = [t for t in played["tasks"] if t["kind"] == "deliver_notice"]
    assert {t["outcome"] for t in told} == {"told_by_phone"}
    assert {n["status"] for n in played["notices"] if n["recipient"] == "referrer"} == {"uncertain"}


async def test_the_patients_name_stands_in_no_letter_to_the_patient(mailroom: Mailroom, smtp: Server) -> None:
    record = mailroom.record
    patient = await record.value(
        "insert into continuum.patient (tenant, given, family, email)"
        " values ('clinic', 'Xantippe', 'Ypsilon', 'x@mail.example') returning id"
    )
    inbound = "00000000-0000-4000-8000-000000000001"
    async with record.connection() as connection, connection.transaction():
        await connection.execute(
            "insert into continuum.inbound (id, tenant, source, transport_key, sha256, raw, media_type, outcome)"
            " values ($1, 'clinic', 's', 'k', 'h', '', '', 'accepted')",
            inbound,
        )
        await connection.execute(
            "insert into continuum.referral (journey, tenant, source, referral_id, sha256, inbound, patient, facts,"
            " received_at, started_at) values ('j-name', 'clinic', 's', 'r', 'h', $1, $2, '{}', $3, $3)",
            inbound,
            patient,
            NOW,
        )
    await record.execute(
        "insert into continuum.notice (id, journey, tenant, recipient, template, facts, send_after, hash)"
        " values ('j-name:1', 'j-name', 'clinic', 'patient', 'plan_ready', '{}', $1, '')",
        NOW,
    )
    await post_of(record, smtp).once()
    assert smtp.recipients == ["x@mail.example"]
    assert b"Xantippe" not in smtp.stored[0]
    assert b"Ypsilon" not in smtp.stored[0]


@pytest.mark.parametrize(
    "letter",
    [
        {"to": "a@x.example\r\nBcc: b@x.example"},
        {"to": "a@x.example\nSubject: other"},
        {"subject": "Hello\r\nBcc: b@x.example"},
        {"subject": "Hello\n\nbody"},
        {"message_id": "<1@x>\r\nBcc: b@x.example"},
    ],
)
async def test_a_line_break_in_a_header_is_refused(smtp: Server, letter: dict[str, str]) -> None:
    whole = {"message_id": "<1@x>", "to": "a@x.example", "subject": "Hello", "body": "words", **letter}
    sent = await mail_to(smtp).send(Letter(date=NOW, **whole))
    assert (sent.outcome, smtp.stored) == ("failed", [])
    assert sent.reason == "the address or the subject is not fit for mail"


async def test_an_address_that_the_server_cannot_take_fails_for_good(smtp: Server) -> None:
    mail = Mail(MailSettings(host="127.0.0.1", port=smtp.port, sender="continuum@clinic.example"))
    letter = Letter(message_id="<1@x>", to="jörg@x.example", subject="Hello", body="words", date=NOW)
    sent = await mail.send(letter)
    assert (sent.outcome, smtp.stored) == ("failed", [])
    assert sent.reason == "the mail server does not take such an address"
