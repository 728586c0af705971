"""What a real journey leaves to be told, from the first answer to the signed summary."""

from __future__ import annotations

import secrets
from datetime import timedelta

from care.journey import Stage
from continuum.demo import referrals
from continuum.demo.stories import evaluate, intake
from records import deliveries, subscriptions
from records.database import Database
from records.subscriptions import CONSULT_NOTE, REFERRAL_TASK, Wanted
from tests.conftest import House
from tests.integration.tools import until


async def subscribed(database: Database, topic: str) -> str:
    """Somebody who wants to hear of all referrals; nothing is sent for as long as this test looks."""
    id_ = secrets.token_hex(8)
    wanted = Wanted(kind="rest-hook", topic=topic, url="https://hooks.example.org/")
    assert await subscriptions.add(database, id=id_, tenant="clinic", owner=None, wanted=wanted)
    await database.execute(
        "update continuum.subscription set rests_until = now() + interval '1 day' where id = $1", id_
    )
    return id_


async def test_a_journey_is_told_until_its_summary_is_there(house: House) -> None:
    tasks, notes = await subscribed(house.database, REFERRAL_TASK), await subscribed(house.database, CONSULT_NOTE)
    try:
        player = house.player("telling")
        await player.refer(referrals.back_pain())
        await intake(player, "low_back_pain")
        plan = await evaluate(player, nprs=7, odi=44, psfs=3, start_back="medium")
        recovered = {"nprs": 1, "odi": 12, "psfs": 8, "home_programme": "independent"}
        await player.visit(after=await player.now() + timedelta(days=6), scores=recovered)
        await player.act("review_progress", "therapist", plan=plan, decision="discharge", reason="GOALS")
        await player.until_stage(Stage.DISCHARGE)
        assert await deliveries.events(house.database, notes, 1, None, 9) == [], "it is not signed"
        await player.act("sign_summary", "therapist")

        async def written() -> bool:
            record = await player.record()
            return all(r["status"] == "ready" for r in record["replies"]) and bool(
                await deliveries.events(house.database, notes, 1, None, 9)
            )

        await until(written)
        (note,) = await deliveries.events(house.database, notes, 1, None, 9)
        replies = sorted((await player.record())["replies"], key=lambda r: r["at"])
        events = await deliveries.events(house.database, tasks, 1, None, 99)
        assert {e.focus for e in events} == {f"Task/{player.journey}"}
        assert [e.number for e in events] == list(range(1, len(replies) + 1))
        last = replies[-1]["message"]
        assert last["status"] == "completed"
        references = [o["valueReference"]["reference"] for o in last["output"] if "valueReference" in o]
        assert references == [note.focus], "the Task names the document that is told of"
        assert note.focus.startswith(f"DocumentReference/{player.journey}.document.")
        assert not any("valueReference" in o for r in replies[:-1] for o in r["message"].get("output", []))
        await player.until_stage(Stage.FOLLOW_UP)
        await player.act("withdraw", reason="patient_declined")
    finally:
        await house.database.execute(
            "update continuum.subscription set status = 'off' where id = any($1)", [tasks, notes]
        )
