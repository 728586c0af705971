"""Digests: one mail for a person's reminders, each in at most one mail, and an honest end for every one of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from activities.digests import CUT_OFF_SECONDS, GIVE_UP_SECONDS, Digests
from channels.ids import MessageIds
from tests.integration.post_office import DOMAIN, NOW, Mailroom, Server, mail_to, post_of, serving

pytestmark = pytest.mark.xdist_group("mail")

IDS = MessageIds(DOMAIN)
_numbers = iter(range(1, 10_000))


def digests(room: Mailroom, server: Server, *, after: float = 0, retry: float = 0) -> Digests:
    return Digests(room.record, mail_to(server), domain=DOMAIN, after_seconds=after, retry_seconds=retry)


@pytest.fixture(autouse=True)
async def nothing_waits(mailroom: Mailroom) -> AsyncIterator[None]:
    """No test finds what another left."""
    yield
    await mailroom.record.execute(
        "update continuum.notice set status = 'stopped' where digest and status in ('queued', 'sending')"
    )


class Desk:
    """Somebody who is reminded."""

    def __init__(self, room: Mailroom, name: str, *emails: str) -> None:
        self.room = room
        self.name = name
        self.emails = emails or (f"{name}@clinic.example",)

    async def opens(self) -> Desk:
        for n, email in enumerate(self.emails):
            await self.room.record.execute(
                "insert into continuum.queue (tenant, id, name, mailbox) values ('clinic', $1, $2, $3)",
                f"{self.name}{n or ''}",
                f"The {self.name}",
                email,
            )
        return self

    async def reminded(
        self,
        template: str = "task_due",
        *,
        task: str = "book_visit",
        due: str = "2026-11-23T10:00",
        ladder: str | None = None,
        queue: int = 0,
    ) -> str:
        """A reminder is recorded; its id."""
        number = next(_numbers)
        notice = f"j-{self.name}-{number}:notice:1"
        await self.room.record.execute(
            "insert into continuum.notice (id, journey, tenant, recipient, template, facts, send_after, hash, digest,"
            " escalation) values ($1, $2, 'clinic', $3, $4, $5, $6, '', true, $7)",
            notice,
            f"j-{self.name}-{number}",
            f"queue:{self.name}{queue or ''}",
            template,
            {"task": task, "due": due},
            NOW,
            ladder,
        )
        return notice

    async def rows(self, *notices: str) -> list[dict[str, Any]]:
        return [await self.room.row(notice) for notice in notices]


async def test_one_reminder_is_one_plain_mail(mailroom: Mailroom, smtp: Server) -> None:
    desk = await Desk(mailroom, "plain").opens()
    notice = await desk.reminded(ladder="j-1:task:1")
    await digests(mailroom, smtp).once()
    (letter,) = smtp.letters
    assert letter["Subject"] == "To do: Book the next visit"
    assert letter["Message-ID"] == IDS.of(notice)
    assert letter["References"] == IDS.thread("j-1:task:1")
    assert "Dear The plain," in letter.get_content()
    (row,) = await desk.rows(notice)
    assert (row["status"], row["message_id"], row["attempts"]) == ("sent", IDS.of(notice), 1)


async def test_many_reminders_are_one_mail(mailroom: Mailroom, smtp: Server) -> None:
    desk = await Desk(mailroom, "busy").opens()
    notices = [await desk.reminded() for _ in range(10)]
    notices += [await desk.reminded("task_escalated", task="sign_summary", due=f"2026-11-{d}T09:00") for d in (21, 20)]
    await digests(mailroom, smtp).once()
    await digests(mailroom, smtp).once()
    (letter,) = smtp.letters
    assert letter["Subject"] == "12 tasks wait for you"
    assert letter["References"] is None, "it is about many ladders"
    shown = letter.get_content()
    assert shown.index("20 November 2026") < shown.index("21 November 2026") < shown.index("Due now: Book the next")
    assert len(re.findall("continuum show j-busy-", shown)) == 12
    rows = await desk.rows(*notices)
    assert {(row["status"], row["message_id"]) for row in rows} == {("sent", IDS.of(*notices))}


async def test_each_address_gets_its_own(mailroom: Mailroom, smtp: Server) -> None:
    """Two queues behind one address are one reader; another address never sees their tasks."""
    both = await Desk(mailroom, "both", "same@clinic.example", "SAME@clinic.example").opens()
    other = await Desk(mailroom, "other").opens()
    for queue in (0, 1):
        await both.reminded(queue=queue)
    await other.reminded()
    await digests(mailroom, smtp).once()
    assert sorted(smtp.recipients) == ["other@clinic.example", "same@clinic.example"]
    (mine,) = [letter for letter in smtp.letters if "other" in letter["To"]]
    assert "j-both" not in mine.get_content()


async def test_in_the_language_of_the_reader(mailroom: Mailroom, smtp: Server) -> None:
    await mailroom.record.execute(
        "insert into continuum.person (tenant, id, name, email, language)"
        " values ('clinic', 'p-maha', 'مها', 'maha@clinic.example', 'ar')"
    )
    for notice in [await Desk(mailroom, "arabic").reminded() for _ in range(2)]:
        await mailroom.record.execute("update continuum.notice set recipient = 'person:p-maha' where id = $1", notice)
    await digests(mailroom, smtp).once()
    (letter,) = smtp.letters
    assert letter["Subject"] == "عدد المهام التي في انتظاركم: 2"
    assert letter["Content-Language"] == "ar"
    assert letter.get_content_charset() == "utf-8"
    assert letter.get_content().startswith("تحية طيبة إلى مها،")


async def test_a_task_is_listed_once_as_it_stands_now(mailroom: Mailroom, smtp: Server) -> None:
    desk = await Desk(mailroom, "ladder").opens()
    notices = [await desk.reminded(t, ladder="j-2:task:1") for t in ("task_due", "task_escalated")]
    await digests(mailroom, smtp).once()
    (letter,) = smtp.letters
    assert letter["Subject"] == "Overdue: Book the next visit"
    assert {row["status"] for row in await desk.rows(*notices)} == {"sent"}


async def test_it_waits_for_more_and_takes_along_what_came_later(mailroom: Mailroom, smtp: Server) -> None:
    desk = await Desk(mailroom, "waits").opens()
    first = await desk.reminded()
    await digests(mailroom, smtp, after=300).once()
    assert smtp.stored == []
    await mailroom.record.execute(
        "update continuum.notice set recorded_at = now() - interval '301 s' where id = $1", first
    )
    await desk.reminded()
    await digests(mailroom, smtp, after=300).once()
    assert [letter["Subject"] for letter in smtp.letters] == ["2 tasks wait for you"]


async def test_the_post_leaves_them_alone(mailroom: Mailroom, smtp: Server) -> None:
    desk = await Desk(mailroom, "alone").opens()
    notice = await desk.reminded()
    await post_of(mailroom.record, smtp).once()
    assert smtp.stored == []
    assert (await mailroom.row(notice))["status"] == "queued"


async def test_workers_side_by_side_send_none_twice(mailroom: Mailroom, smtp: Server) -> None:
    desks = [await Desk(mailroom, f"side{n}").opens() for n in range(5)]
    notices = [await desk.reminded() for desk in desks for _ in range(4)]
    await asyncio.gather(*(digests(mailroom, smtp).once() for _ in range(6)))
    shown = " ".join(letter.get_content() for letter in smtp.letters)
    for notice in notices:
        assert len(re.findall(rf"{notice.partition(':')[0]}\b", shown)) == 1
    assert set(smtp.copies.values()) == {1}


async def test_what_was_settled_meanwhile_is_not_sent(mailroom: Mailroom, smtp: Server) -> None:
    desk = await Desk(mailroom, "settled").opens()
    await mailroom.record.execute(
        "insert into continuum.task (id, journey, tenant, clinic, kind, subject, label, owner, opened_at, due_at, rung,"
        " settled_at, seq) values ('j-3:task:1', 'j-3', 'clinic', 'c', 'k', 's', 'l', 'o', $1, $1, 0, $1, 1)",
        NOW,
    )
    settled, open_ = await desk.reminded(ladder="j-3:task:1"), await desk.reminded(ladder="j-3:task:2")
    await digests(mailroom, smtp).once()
    assert [row["status"] for row in await desk.rows(settled, open_)] == ["stopped", "sent"]
    assert [letter["Subject"] for letter in smtp.letters] == ["To do: Book the next visit"]


@pytest.mark.parametrize(
    ("script", "status", "stored"),
    [("554 no", "failed", 0), ("rcpt 550 unknown", "failed", 0), ("abort", "uncertain", 1), ("stall", "uncertain", 1)],
)
async def test_how_it_ended_holds_for_all_of_them(
    mailroom: Mailroom, smtp: Server, script: str, status: str, stored: int
) -> None:
    desk = await Desk(mailroom, f"end{next(_numbers)}").opens()
    notices = [await desk.reminded() for _ in range(3)]
    smtp.script[desk.emails[0]] = script
    for _ in range(2):
        await digests(mailroom, smtp).once()
    assert {row["status"] for row in await desk.rows(*notices)} == {status}
    assert len(smtp.stored) == stored, "and it is not sent again"


async def test_a_server_that_puts_off_gets_it_later_and_holds_up_nobody(mailroom: Mailroom, smtp: Server) -> None:
    grey, fine = await Desk(mailroom, "grey").opens(), await Desk(mailroom, "fine").opens()
    first, second = await grey.reminded(), await fine.reminded()
    smtp.script["grey@clinic.example"] = "451 later"
    await digests(mailroom, smtp).once()
    assert [r["status"] for r in await grey.rows(first, second)] == ["queued", "sent"]
    smtp.script.clear()
    await digests(mailroom, smtp, retry=60).once()
    assert (await mailroom.row(first))["status"] == "queued", "it rests before the next attempt"
    await digests(mailroom, smtp).once()
    assert (await mailroom.row(first))["status"] == "sent"
    assert set(smtp.copies.values()) == {1}


async def test_a_mail_server_that_is_down_for_long(mailroom: Mailroom, smtp: Server) -> None:
    """Nothing is lost before three days; then it is not sent late either, and the journeys hear of it."""
    desk = await Desk(mailroom, "down").opens()
    notices = [await desk.reminded() for _ in range(3)]
    down = Server(port=1)
    await digests(mailroom, down).once()
    await digests(mailroom, down).once()
    rows = await desk.rows(*notices)
    assert {(row["status"], row["attempts"]) for row in rows} == {("queued", 2)}
    await mailroom.record.execute(
        "update continuum.notice set recorded_at = now() - make_interval(secs => $2) where id = any($1)",
        notices[:2],
        GIVE_UP_SECONDS,
    )
    await digests(mailroom, smtp).once()
    assert [row["status"] for row in await desk.rows(*notices)] == ["failed", "failed", "sent"]
    assert len(smtp.stored) == 1


async def test_a_worker_that_was_killed_leaves_it_uncertain(mailroom: Mailroom, smtp: Server) -> None:
    desk = await Desk(mailroom, "killed").opens()
    cut_off, under_way = await desk.reminded(), await desk.reminded()
    await mailroom.record.execute(
        "update continuum.notice set status = 'sending', tried_at = now() - make_interval(secs => $2) where id = $1",
        cut_off,
        CUT_OFF_SECONDS,
    )
    await mailroom.record.execute(
        "update continuum.notice set status = 'sending', tried_at = now() where id = $1", under_way
    )
    await digests(mailroom, smtp).once()
    assert [row["status"] for row in await desk.rows(cut_off, under_way)] == ["uncertain", "sending"]
    assert smtp.stored == []


async def test_somebody_without_an_address(mailroom: Mailroom, smtp: Server) -> None:
    notice = await Desk(mailroom, "nobody").reminded()
    await mailroom.record.execute("insert into continuum.person (tenant, id, name) values ('clinic', 'p-none', 'None')")
    await mailroom.record.execute("update continuum.notice set recipient = 'person:p-none' where id = $1", notice)
    await digests(mailroom, smtp).once()
    row = await mailroom.row(notice)
    assert (row["status"], row["reason"]) == ("failed", "no address")


async def test_it_runs_until_stopped_whatever_happens(mailroom: Mailroom) -> None:
    """The mail server comes back while the loop runs."""
    desk = await Desk(mailroom, "loop").opens()
    notice = await desk.reminded()
    server, stop = Server(port=1), asyncio.Event()
    loop = digests(mailroom, server)
    await loop.once()
    async with serving(Server()) as well:
        running = asyncio.create_task(digests(mailroom, well).run(stop))
        while (await mailroom.row(notice))["status"] != "sent":  # noqa: ASYNC110 - the record says when
            await asyncio.sleep(0.05)
        stop.set()
        await running
        assert len(well.stored) == 1
