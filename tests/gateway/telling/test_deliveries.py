"""Each event reaches its receiver at least once under one id, or its owner hears that it has not."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from activities.retries import SCHEDULE_SECONDS
from channels import signing
from channels.egress import Egress
from channels.webhook import verdict
from continuum.embedded.supervisor import Supervisor
from records import deliveries, subscriptions
from records.deliveries import LEASE_SECONDS
from tests.channels.authority import Authority
from tests.gateway.telling.conftest import BASE, Post
from tests.gateway.telling.receiver import Receiver, receiving

pytestmark = pytest.mark.xdist_group("telling")

ROOT = Path(__file__).parents[3]


async def test_an_answer_is_told_once_and_signed(post: Post, receiver: Receiver) -> None:
    it = await post.subscribe(receiver.url, headers={"Authorization": "Bearer theirs"})
    journey = await post.referral()
    await post.answer(journey)
    loop = post.loop(receiver)
    assert await loop.once() == 1
    assert await loop.once() == 0
    (said,) = receiver.verified(post.secret)
    assert said["type"] == "referral.updated"
    assert said["data"] == {
        "subscription": it,
        "event": 1,
        "reference": f"Task/{journey}",
        "url": f"{BASE}/fhir/Task/{journey}",
    }
    (got,) = receiver.got
    assert got.id == f"msg_{it}_1"
    assert got.headers["authorization"] == "Bearer theirs"
    assert await post.events(it) == [(1, "delivered", 1)]


async def test_what_is_said_again_is_one_event(post: Post, receiver: Receiver) -> None:
    it = await post.subscribe(receiver.url)
    reply = await post.answer(await post.referral())
    await post.record.execute("update continuum.reply set status = 'queued' where id = $1", reply)
    await post.record.execute("update continuum.reply set status = 'ready' where id = $1", reply)
    assert await post.events(it) == [(1, "pending", 0)]


async def test_nobody_hears_of_anothers_referral(post: Post, receiver: Receiver) -> None:
    mine = await post.subscribe(receiver.url)
    other = await post.subscribe(receiver.url, owner="client:other")
    house = await post.subscribe(receiver.url, owner=None)
    off = await post.subscribe(receiver.url, status="off")
    asked = await post.subscribe(receiver.url, status="requested")
    over = await post.subscribe(receiver.url, ends_at=datetime.now(UTC) - timedelta(seconds=1))
    fails, given_up = [await post.subscribe(receiver.url, status="error") for _ in range(2)]
    await post.record.execute(
        "update continuum.subscription set updated_at = now() - interval '31 days' where id = $1", given_up
    )
    await post.answer(await post.referral())
    await post.answer(await post.referral(sender=None))
    await post.answer(await post.referral(sender="client:third"))
    found = [len(await post.events(s)) for s in (mine, other, house, off, asked, over, fails, given_up)]
    assert found == [1, 0, 3, 0, 1, 0, 1, 0]


async def test_filters_hold_together(post: Post, receiver: Receiver) -> None:
    status = [{"name": "status", "values": ["completed", "rejected"]}]
    theirs = [{"name": "requester", "values": ["Organization/hospital"]}]
    others = [{"name": "requester", "values": ["Organization/other"]}]
    unknown = [{"name": "business-status", "values": ["3.0"]}]
    ours = [{"name": "owner:identifier", "values": ["urn:continuum:clinic|main"]}]
    filters = (status, theirs, status + theirs, status + others, unknown, ours)
    subscribed = [await post.subscribe(receiver.url, filters=one) for one in filters]
    journey = await post.referral()
    await post.begin(journey, clinic="main")
    await post.answer(journey, "accepted")
    await post.answer(journey, "completed")
    assert [len(await post.events(s)) for s in subscribed] == [1, 2, 1, 0, 0, 2]


async def test_a_written_summary_is_told(post: Post, receiver: Receiver) -> None:
    notes = await post.subscribe(receiver.url, topic=subscriptions.CONSULT_NOTE)
    tasks = await post.subscribe(receiver.url)
    journey = await post.referral()
    document = await post.discharge(journey)
    await post.discharge(journey)  # written again
    await post.loop(receiver).once()
    assert [len(await post.events(s)) for s in (notes, tasks)] == [1, 0]
    (said,) = receiver.verified(post.secret)
    assert (said["type"], said["data"]["reference"]) == (
        "consult_note.ready",
        f"DocumentReference/{document.replace(':', '.')}",
    )


async def test_three_failures_then_success(post: Post, receiver: Receiver) -> None:
    """One id, signed anew for each attempt; due by the schedule and no earlier."""
    it = await post.subscribe(receiver.url)
    await post.answer(await post.referral())
    receiver.script = ["500", "500", "500"]
    loop = post.loop(receiver)
    await loop.once()
    for attempt in (1, 2, 3):
        wait = SCHEDULE_SECONDS[attempt]
        post.later(seconds=wait - 1)
        assert await loop.once() == 0, "it is not due yet"
        post.later(seconds=1)
        assert await loop.once() == 1
    assert await post.events(it) == [(1, "delivered", 4)]
    assert len({got.id for got in receiver.got}) == 1
    assert len(receiver.verified(post.secret)) == 4
    standing = await post.it(it)
    assert (standing.failures, standing.failing_since) == (0, None)


@pytest.mark.parametrize(("word", "reason"), [("302", "answered 302"), ("cut", "no answer (protocol)")])
async def test_no_success_is_a_failure(post: Post, receiver: Receiver, word: str, reason: str) -> None:
    async with receiving() as elsewhere:
        receiver.location = elsewhere.url
        it = await post.subscribe(receiver.url)
        await post.answer(await post.referral())
        receiver.script = [word]
        await post.loop(receiver, elsewhere).once()
        (event,) = await deliveries.events(post.record, it, 1, None, 10)
        assert (event.status, event.reason, event.attempts) == ("pending", reason, 1)
        assert elsewhere.got == [], "nothing is followed"


async def test_a_receiver_that_hangs_is_left(post: Post, receiver: Receiver) -> None:
    it = await post.subscribe(receiver.url, timeout_seconds=1)
    await post.answer(await post.referral())
    receiver.script = ["hang"]
    await post.loop(receiver).once()
    (event,) = await deliveries.events(post.record, it, 1, None, 10)
    assert event.reason == "no answer (timeout)"


async def test_a_certificate_that_has_expired_gets_nothing(post: Post, tmp_path: object) -> None:
    authority = Authority(tmp_path)  # type: ignore[arg-type]
    async with receiving(tls=authority.server("127.0.0.1", expired=True)) as receiver:
        it = await post.subscribe(receiver.url)
        await post.answer(await post.referral())
        egress = Egress(allowed_private=frozenset({receiver.at}), tls=authority.trusting())
        await post.loop(egress=egress).once()
        assert receiver.got == []
        (event,) = await deliveries.events(post.record, it, 1, None, 10)
        assert (event.status, event.reason) == ("pending", "no answer (tls)")


async def test_gone_is_off_at_once_and_its_owner_hears(post: Post, receiver: Receiver) -> None:
    it = await post.subscribe(receiver.url, contact="it@hospital.example")
    journey = await post.referral()
    await post.answer(journey)
    await post.answer(journey, "completed")
    receiver.script = ["410"]
    loop = post.loop(receiver)
    await loop.once()
    standing = await post.it(it)
    assert (standing.status, standing.trouble) == ("off", "answered 410")
    assert [status for _, status, _ in await post.events(it)] == ["dead", "dead"]
    assert len(receiver.got) == 1
    await loop.once()
    await loop.once()
    (letter,) = post.mail.letters
    assert letter["To"] == "it@hospital.example"
    assert it in letter.get_content()


async def test_a_receiver_that_is_busy_is_left_for_as_long_as_it_says(post: Post, receiver: Receiver) -> None:
    it = await post.subscribe(receiver.url)
    journey = await post.referral()
    await post.answer(journey)
    await post.answer(journey, "completed")
    receiver.script = ["429 120"]
    loop = post.loop(receiver)
    await loop.once()
    assert len(receiver.got) == 1, "nor is anything else tried there"
    post.later(seconds=119)
    assert await loop.once() == 0
    post.later(seconds=1)
    await loop.once()
    assert [got.json["data"]["event"] for got in receiver.got] == [1, 1, 2]
    assert await post.events(it) == [(1, "delivered", 2), (2, "delivered", 1)]


async def test_after_the_whole_schedule_it_is_given_up_and_can_be_sent_again(post: Post, receiver: Receiver) -> None:
    """75 hours of silence, in a moment. What came meanwhile is numbered and kept; each missed one is sent once."""
    it = await post.subscribe(receiver.url)
    journey = await post.referral()
    begun = datetime.now(UTC)
    await post.answer(journey)
    await post.answer(journey, "in-progress")
    receiver.then = "503"
    loop = post.loop(receiver)
    attempts = 0
    while (await post.it(it)).status == "active":
        assert await loop.once() == 1
        attempts += 1
        post.later(seconds=SCHEDULE_SECONDS[min(attempts, 9)])
    assert attempts == len(SCHEDULE_SECONDS)
    await loop.once()
    (letter,) = post.mail.letters
    assert letter["To"] == "operator@clinic.example"
    await post.answer(journey, "completed")
    assert [status for _, status, _ in await post.events(it)] == ["dead"] * 3
    assert await loop.once() == 0

    receiver.then, receiver.got = "204", []
    standing = await post.it(it)
    assert await subscriptions.change(post.record, "clinic", it, standing, "active", version=standing.version)
    again = await deliveries.replay(post.record, "clinic", it, begun, datetime.now(UTC))
    assert again == [f"msg_{it}_{n}" for n in (1, 2, 3)]
    assert await deliveries.replay(post.record, "clinic", it, begun, datetime.now(UTC)) == []
    await loop.once()
    assert [got.id for got in receiver.got] == again
    assert await deliveries.replay(post.record, "clinic", it, begun, datetime.now(UTC)) == []


async def test_what_is_refused_does_not_hold_up_the_rest_for_ever(post: Post, receiver: Receiver) -> None:
    """In order at first; then the others go past it, and it alone is given up in the end."""
    it = await post.subscribe(receiver.url)
    journey = await post.referral()
    await post.answer(journey)
    await post.answer(journey, "completed")
    loop = post.loop(receiver)
    receiver.script = ["400", "400"]
    await loop.once()
    post.later(seconds=5)
    await loop.once()
    assert [got.json["data"]["event"] for got in receiver.got] == [1, 1]
    receiver.script = ["400"]
    post.later(minutes=5)
    await loop.once()
    assert [got.json["data"]["event"] for got in receiver.got] == [1, 1, 1, 2]
    receiver.then = "400"
    for _ in SCHEDULE_SECONDS:
        post.later(hours=25)
        await loop.once()
    assert await post.events(it) == [(1, "dead", 10), (2, "delivered", 1)]
    assert (await post.it(it)).status == "active"
    assert len(post.mail.letters) == 1


async def test_telling_an_owner_is_no_reason_to_try_again_early(post: Post, receiver: Receiver) -> None:
    it = await post.subscribe(receiver.url)
    await post.answer(await post.referral())
    receiver.script = ["503 600"]
    loop = post.loop(receiver)
    await loop.once()
    await post.record.execute("update continuum.subscription set to_tell = true where id = $1", it)
    assert await loop.once() == 1
    assert len(post.mail.letters) == 1
    assert len(receiver.got) == 1


async def test_an_owner_hears_later_when_no_mail_server_is_there(post: Post, receiver: Receiver) -> None:
    await post.subscribe(receiver.url)
    await post.answer(await post.referral())
    receiver.script = ["410"]
    loop = post.loop(receiver)
    port, post.mail.port = post.mail.port, 1
    away = post.loop(receiver)
    await away.once()
    await away.once()
    post.mail.port = port
    assert post.mail.letters == []
    assert await loop.once() == 0, "a mail server that is away is not asked every second"
    post.later(minutes=1)
    await loop.once()
    assert len(post.mail.letters) == 1


async def test_a_mail_of_which_nobody_knows_is_sent_twice_at_most(post: Post) -> None:
    """Under the same Message-ID; a server that refuses it is another matter."""
    it = await post.subscribe("mailto:desk@hospital.example", kind="email")
    refused = await post.subscribe("mailto:nobody@hospital.example", kind="email")
    post.mail.script = {"desk@hospital.example": "abort", "nobody@hospital.example": "550 no such user"}
    await post.answer(await post.referral())
    loop = post.loop()
    for seconds in (5, 300, 0):
        await loop.once()
        post.later(seconds=seconds)
    assert sorted(post.mail.copies.values()) == [2]
    assert await post.events(it) == [(1, "delivered", 2)]
    (event,) = await deliveries.events(post.record, refused, 1, None, 9)
    assert (event.status, event.attempts, event.reason) == ("pending", 3, "refused (550)")


async def test_one_dead_receiver_slows_no_other(post: Post, receiver: Receiver) -> None:
    """Twenty hang, and are still hanging when everybody else has been told."""
    async with receiving(then="hang") as dead:
        hanging = [await post.subscribe(dead.url) for _ in range(20)]
        await post.subscribe(receiver.url)
        await post.answer(await post.referral())
        loop = post.loop(dead, receiver)
        stop = asyncio.Event()
        running = asyncio.create_task(loop.run(stop))
        await receiver.wait_for(1)
        await dead.wait_for(20)
        await post.answer(await post.referral())
        await receiver.wait_for(2)
        assert [got.json["data"]["event"] for got in receiver.got] == [1, 2]
        assert len(dead.got) == 20, "one attempt at a time for each"
        stop.set()
        await running
        assert {s for h in hanging for _, s, _ in await post.events(h)} == {"pending"}


async def test_events_of_one_receiver_come_in_order_one_at_a_time(post: Post, receiver: Receiver) -> None:
    it = await post.subscribe(receiver.url)
    journey = await post.referral()
    for _ in range(10):
        await post.answer(journey)
    await asyncio.gather(*(post.loop(receiver).once() for _ in range(4)))
    assert [got.json["data"]["event"] for got in receiver.got] == list(range(1, 11))
    assert {status for _, status, _ in await post.events(it)} == {"delivered"}


async def test_a_process_that_is_killed_leaves_it_to_the_next(
    post: Post, receiver: Receiver, telling_stack: Supervisor
) -> None:
    """Nobody knows whether the receiver had it: it comes again under the same id."""
    it = await post.subscribe(receiver.url)
    await post.answer(await post.referral())
    receiver.script = ["hang"]
    command = (sys.executable, "-m", "tests.gateway.telling.deliver_process", telling_stack.dsn("app"))
    killed = await asyncio.create_subprocess_exec(*command, str(receiver.port), str(post.mail.port), cwd=ROOT)
    await receiver.wait_for(1)
    killed.kill()
    await killed.wait()
    post.clock = datetime.now(UTC)
    second = post.loop(receiver)
    assert await second.once() == 0, "the lease still runs"
    post.later(seconds=LEASE_SECONDS + 1)
    await second.once()
    assert [got.id for got in receiver.got] == [f"msg_{it}_1"] * 2
    assert await post.events(it) == [(1, "delivered", 1)]


async def test_a_loop_that_is_stopped_gives_back_what_is_under_way(post: Post, receiver: Receiver) -> None:
    it = await post.subscribe(receiver.url)
    await post.answer(await post.referral())
    receiver.script = ["hang"]
    stopped = asyncio.create_task(post.loop(receiver).run(asyncio.Event()))
    await receiver.wait_for(1)
    stopped.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await stopped
    assert await post.loop(receiver).once() == 1, "the next one need not wait"
    assert [got.id for got in receiver.got] == [f"msg_{it}_1"] * 2


async def test_a_loop_whose_subscription_was_changed_stops_there(post: Post, receiver: Receiver) -> None:
    """What was under way is not counted under the new word: it comes again, by whoever takes it up."""
    it = await post.subscribe(receiver.url)
    journey = await post.referral()
    await post.answer(journey)
    await post.answer(journey, "completed")
    receiver.script = ["hang"]
    loop = post.loop(receiver)
    first = asyncio.create_task(loop.once())
    await receiver.wait_for(1)
    standing = await post.it(it)
    assert await subscriptions.change(post.record, "clinic", it, standing, "active", version=standing.version)
    receiver.let_go.set()
    await first
    assert len(receiver.got) == 1
    assert await post.events(it) == [(1, "pending", 0), (2, "pending", 0)]
    await loop.once()
    assert [got.id for got in receiver.got] == [f"msg_{it}_{n}" for n in (1, 1, 2)]


async def test_a_loop_that_slept_says_nothing_of_what_is_not_its_own_any_more(post: Post, receiver: Receiver) -> None:
    it = await post.subscribe(receiver.url)
    await post.answer(await post.referral())
    (mine,) = await deliveries.claim(post.record, "one", post.clock, failing=False, limit=9)
    post.later(seconds=LEASE_SECONDS + 5)
    (_,) = await deliveries.claim(post.record, "two", post.clock, failing=False, limit=9)
    assert not await deliveries.arrived(post.record, mine, "one", post.clock, f"msg_{it}_1")
    assert not await deliveries.stop(post.record, mine, "one", post.clock, standing="off", trouble="x")
    assert await post.events(it) == [(1, "pending", 0)]


async def test_a_new_secret_is_used_at_once_and_the_old_one_still_holds(post: Post, receiver: Receiver) -> None:
    it = await post.subscribe(receiver.url)
    journey = await post.referral()
    loop = post.loop(receiver)
    secrets = signing.rotated((post.secret,))
    await post.answer(journey)
    receiver.script = ["500"]
    await loop.once()
    assert await subscriptions.sign_with(post.record, "clinic", it, secrets)
    post.later(seconds=5)
    await loop.once()
    assert len(receiver.verified(post.secret)) == 2, "whoever has not changed over yet"
    first, second = receiver.got
    assert Webhook(secrets[0]).verify(second.body, second.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secrets[0]).verify(first.body, first.headers)


async def test_an_address_that_became_ours_is_not_reached(post: Post, receiver: Receiver) -> None:
    """Refused when it is sent, however it was taken."""
    it = await post.subscribe(f"https://127.0.0.1:{receiver.port}/")
    await post.answer(await post.referral())
    await post.loop().once()
    (event,) = await deliveries.events(post.record, it, 1, None, 10)
    assert (event.status, event.reason) == ("pending", "the URL's address is not a public one")
    assert receiver.got == []


def test_nothing_of_an_answer_is_kept() -> None:
    assert verdict(418, "call me", datetime.now(UTC)).reason == "answered 418"
