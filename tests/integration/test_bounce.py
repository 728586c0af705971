"""What did not arrive becomes a person's task, also when the news comes long after the mail has left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from records import journeys
from tests.integration.conftest import Town
from tests.integration.tools import one_line, process, until

REPORT = (Path(__file__).parents[1] / "fixtures" / "bounces" / "postfix-unknown-user.eml").read_bytes()
DELAYED = (Path(__file__).parents[1] / "fixtures" / "bounces" / "postfix-delayed.eml").read_bytes()
THEIRS = b"<0123456789abcdef0123456789abcdef@clinic.example>"


def about(message_id: str, report: bytes = REPORT) -> bytes:
    return report.replace(THEIRS, message_id.encode())


async def told(town: Town) -> tuple[str, dict[str, Any]]:
    """A journey whose referrer has been written to, and the notice."""
    journey = await town.begin()
    assert (await town.act(journey, "ask_referrer", about="imaging")).code == 0

    async def sent() -> dict[str, Any] | None:
        rows = await journeys.notices(town.database, "clinic", journey_id=journey)
        return next((r for r in rows if r["recipient"] == "referrer" and r["status"] == "sent"), None)

    notice = await until(sent)
    assert notice is not None
    return journey, notice


async def record(town: Town, journey: str) -> dict[str, Any]:
    found = await journeys.journey(town.database, "clinic", journey)
    assert found is not None
    return found


async def heard(town: Town, journey: str, notice: str) -> dict[str, Any]:
    """The journal's row about a message that did not arrive."""

    async def noted() -> dict[str, Any] | None:
        rows = (await record(town, journey))["journal"]
        return next((r for r in rows if r["kind"] == "undelivered" and r["data"]["notice"] == notice), None)

    found: dict[str, Any] | None = await until(noted)
    assert found is not None
    return found


async def owed(town: Town, journey: str) -> list[str]:
    tasks = (await record(town, journey))["tasks"]
    return [t["subject"] for t in tasks if t["kind"] == "deliver_notice" and t["settled_at"] is None]


async def test_a_bounce_becomes_a_persons_task_once(town: Town) -> None:
    journey, notice = await told(town)
    file = town.file("bounce.eml", about(notice["message_id"]))
    first = await town.run("bounce", file)
    assert (first.code, first.out) == (0, "marked: 1 of 1 notices did not arrive (5.1.1)\n")
    assert (await heard(town, journey, notice["id"]))["role"] == "system"
    assert await owed(town, journey) == ["referrer"]
    again = await town.run("bounce", "--json", file)
    assert (again.code, again.json["outcome"]) == (0, "known")
    (row,) = [n for n in (await record(town, journey))["notices"] if n["id"] == notice["id"]]
    assert (row["status"], row["reason"]) == ("failed", "bounced (5.1.1)")
    assert len([r for r in (await record(town, journey))["journal"] if r["kind"] == "undelivered"]) == 1


async def test_a_mail_server_pipes_it_in(town: Town) -> None:
    journey, notice = await told(town)
    ran = await process("bounce", "--dir", town.folder, stdin=about(notice["message_id"]).replace(b"\n", b"\r\n"))
    assert (ran.code, ran.err) == (0, "")
    await heard(town, journey, notice["id"])


async def test_what_is_only_late_changes_nothing(town: Town) -> None:
    _, notice = await told(town)
    ran = await town.run("bounce", "--json", town.file("late.eml", about(notice["message_id"], DELAYED)))
    assert (ran.code, ran.json) == (0, {"outcome": "ignored", "status": "4.4.1"})
    rows = await journeys.notices(town.database, "clinic", journey_id=notice["journey"])
    assert "failed" not in {r["status"] for r in rows}


async def test_somebody_elses_bounce(town: Town) -> None:
    ran = await town.run("bounce", "--json", town.file("theirs.eml", REPORT))
    assert (ran.code, ran.json["outcome"]) == (1, "unknown")


async def test_what_is_no_bounce_is_one_line(town: Town) -> None:
    one_line(await town.run("bounce", town.file("mail.eml", b"Subject: Hello\n\nwords")), "this is no bounce")
    one_line(await town.run("bounce", town.inbox / "nowhere.eml"), "cannot be read")
    one_line(await process("bounce", "--dir", town.folder, stdin=b""), "this is no bounce")


async def test_a_mail_server_is_asked_to_come_again(tmp_path: Path, town: Town) -> None:
    """Nothing runs here: the bounce itself is fine, and must not be lost."""
    ran = await process("bounce", "--dir", tmp_path, stdin=REPORT)
    assert ran.code == 75
    assert ran.err.count("\n") == 1


async def test_reminders_that_reach_nobody_are_one_task(town: Town) -> None:
    """A digest that fails for good: its journeys hear of it, once for each who was not reached."""
    journey = await town.begin()
    await town.database.execute(
        "insert into continuum.person (tenant, id, name) values ('clinic', 'p-unreachable', 'Nobody knows where')"
    )
    ids = [f"{journey}:task:9:rung:{n}" for n in range(3)]
    for notice in ids:
        await town.database.execute(
            "insert into continuum.notice (id, journey, tenant, recipient, template, facts, send_after, hash, digest)"
            " values ($1, $2, 'clinic', 'person:p-unreachable', 'task_due', '{}', now(), '', true)",
            notice,
            journey,
        )
    for notice in ids:
        await heard(town, journey, notice)
    assert await owed(town, journey) == ["person:p-unreachable"]
