"""Commands over tasks, on a running stack: whose they are, take, give, acknowledge, and give all of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from continuum.directory_file import plain
from records import journeys
from tests.integration.conftest import Office
from tests.integration.tools import PATIENT, Ran, message, one_line, order, until


async def owed(office: Office, **named: Any) -> list[dict[str, Any]]:
    return await journeys.tasks(office.town.database, office.tenant, **named)


async def begin(office: Office, name: str = "one", clinic: str | None = None) -> str:
    """A journey in intake: its id. The intake desk owes its completion; that is the task these tests are about."""
    file = office.town.file(f"{office.tenant}-{name}.json", message(order(patient=PATIENT)))
    where = ("--clinic", clinic) if clinic else ()
    ran = await office.run("refer", "--json", file, "--source", name, *where)
    journey = str(ran.lines[0]["journey"])
    await until(lambda: owed_on(office, journey))
    return journey


async def owed_on(office: Office, journey: str) -> list[str]:
    return [t["id"] for t in await owed(office, kind="complete_intake") if t["journey"] == journey]


async def task_of(office: Office, journey: str) -> str:
    (task,) = await owed_on(office, journey)
    return task


async def owner(office: Office, task: str) -> str:
    return str(next(t["owner"] for t in await owed(office) if t["id"] == task))


async def mine(office: Office, person: str) -> set[str]:
    ran = await office.run("tasks", "--mine", person, "--json")
    assert ran.code == 0, ran
    return {t["id"] for t in ran.json if t["kind"] == "complete_intake"}


class TestMine:
    async def test_theirs_those_of_whom_they_stand_in_for_and_those_of_their_queues(self, office: Office) -> None:
        one, two = await task_of(office, await begin(office)), await task_of(office, await begin(office, "two"))
        assert await mine(office, "p-front-desk") == {one, two}, "a member of intake"
        assert await mine(office, "p-therapist") == set()
        assert (await office.run("assign", one, "p-surgeon")).code == 0
        assert await mine(office, "p-surgeon") == {one}
        assert await mine(office, "p-front-desk") == {two}
        await office.run("absence", "add", "p-surgeon", "--from", "2026-01-01", "--delegate", "p-therapist")
        assert await mine(office, "p-therapist") == {one}
        await office.run("absence", "add", "p-therapist", "--from", "2026-01-01")
        assert await mine(office, "p-lead") == {one}, "nobody else is left"

    async def test_a_team_of_one_clinic_has_nothing_of_the_other(self, office: Office) -> None:
        content = plain(await office.load())
        content["clinics"].append({**content["clinics"][0], "id": "north"})
        intake = next(q for q in content["queues"] if q["id"] == "intake")
        content["queues"].append({**intake, "clinic": "north", "members": ["p-surgeon"]})
        assert (await office.apply(content)).code == 0
        here, north = await begin(office, "here"), await begin(office, "north", "north")
        assert await mine(office, "p-front-desk") == {await task_of(office, here)}
        assert await mine(office, "p-surgeon") == {await task_of(office, north)}

    async def test_whoever_is_not_in_the_directory_has_no_list(self, office: Office) -> None:
        one_line(await office.run("tasks", "--mine", "p-gone"), "p-gone is not in the directory", "p-lead")


class TestOne:
    async def test_claim_assign_and_acknowledge(self, office: Office) -> None:
        task = await task_of(office, await begin(office))
        claimed = await office.run("claim", task, "--person", "p-front-desk", "--json")
        assert (claimed.code, claimed.json["outcome"]) == (0, "done")
        assert await owner(office, task) == "person:p-front-desk"
        other = await office.run("claim", task, "--person", "p-coordinator", "--json")
        assert (other.code, other.json["kind"]) == (1, "AlreadyClaimed")
        assert (await office.run("assign", task, "triage")).code == 0
        assert await owner(office, task) == "queue:triage"
        assert (await office.run("assign", task, "person:p-lead")).code == 0
        ran = await office.run("acknowledge", task, "--person", "p-lead")
        assert "is on it" in ran.out
        assert next(t["acknowledged_by"] for t in await owed(office) if t["id"] == task) == "p-lead"
        moved = await office.run("acknowledge", task, "--rung", "7", "--json")
        assert (moved.code, moved.json["kind"]) == (1, "LadderMoved")

    async def test_who_is_not_there_gets_nothing_and_owns_nothing(self, office: Office) -> None:
        task = await task_of(office, await begin(office))
        for arguments, kind, there in (
            (("assign", task, "p-gone"), "UnknownPerson", "p-lead"),
            (("assign", task, "queue:gone"), "UnknownQueue", "front_desk"),
            (("claim", task, "--person", "p-gone"), "UnknownPerson", "p-lead"),
            (("acknowledge", task, "--person", "p-gone"), "UnknownPerson", "p-lead"),
        ):
            ran = await office.run(*arguments, "--json")
            assert (ran.code, ran.json["kind"]) == (1, kind)
            assert there in ran.json["reason"]
        assert await owner(office, task) == "queue:intake"

    async def test_a_task_of_no_journey_is_a_mistake(self, office: Office) -> None:
        one_line(await office.run("claim", "j0:task:1"), "there is no journey of that id")
        journey = await begin(office)
        ran = await office.run("claim", f"{journey}:task:99", "--json")
        assert (ran.code, ran.json["kind"]) == (1, "NoSuchTask")


class TestReassign:
    async def give(self, office: Office, *more: str) -> Ran:
        return await office.run("reassign", "--from", "intake", "--to", "p-lead", "--json", *more)

    async def test_all_of_one_owner_over_all_journeys(self, office: Office) -> None:
        tasks = [await task_of(office, await begin(office, f"all{n}")) for n in range(3)]
        await office.run("assign", tasks[0], "p-surgeon")
        dry = await self.give(office, "--dry-run")
        assert {t["id"] for t in dry.json["tasks"]} == set(tasks[1:])
        assert await owner(office, tasks[1]) == "queue:intake"
        ran = await self.give(office)
        assert (ran.code, ran.json["done"], ran.json["refused"]) == (0, 2, 0)
        assert "2 of 2" in ran.err
        assert [await owner(office, t) for t in tasks] == ["person:p-surgeon", "person:p-lead", "person:p-lead"]
        assert (await self.give(office)).json["done"] == 0, "nothing is left"

    async def test_only_one_kind(self, office: Office) -> None:
        task = await task_of(office, await begin(office))
        assert (await self.give(office, "--kind", "book_visit")).json["tasks"] == []
        assert (await self.give(office, "--kind", "complete_intake")).json["tasks"] == [
            {"task": task, "outcome": "done"}
        ]
        one_line(await self.give(office, "--kind", "no_such"), "--kind is one of")

    async def test_a_run_cut_off_goes_on_and_repeats_nothing(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Killed between the answer and its row in the report: the second run, with all tasks, finds them done."""
        tasks = [await task_of(office, await begin(office, f"cut{n}")) for n in range(2)]
        assert (await self.give(office, "--batch", "monday")).json["done"] == 2
        before = [len((await record(office, t))["journal"]) for t in tasks]
        rows = await owed(office, owner="person:p-lead")

        async def all_of_them(*_: Any, **__: Any) -> list[dict[str, Any]]:
            return rows

        monkeypatch.setattr(journeys, "tasks", all_of_them)
        again = await self.give(office, "--batch", "monday")
        assert (again.code, again.json["done"]) == (0, 2)
        assert [len((await record(office, t))["journal"]) for t in tasks] == before
        other = await self.give(office, "--batch", "tuesday")
        assert (other.code, other.json["refused"]) == (1, 2)
        assert {t["kind"] for t in other.json["tasks"]} == {"SameOwner"}

    async def test_to_nobody_is_a_mistake_and_moves_nothing(self, office: Office) -> None:
        task = await task_of(office, await begin(office))
        one_line(await office.run("reassign", "--from", "intake", "--to", "p-gone"), "--to: p-gone is not in")
        # A slip in --from is not "nothing is owed".
        nobody = await office.run("reassign", "--from", "p-gone", "--to", "intake", "--dry-run")
        one_line(nobody, "--from: p-gone is not in the directory")
        assert await owner(office, task) == "queue:intake"

    async def test_one_that_is_refused_holds_up_no_other(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        journeys_ = [await begin(office, f"mixed{n}") for n in range(3)]
        tasks = [await task_of(office, j) for j in journeys_]
        rows = await owed(office, owner="queue:intake")
        assert (
            await office.run("act", journeys_[1], "withdraw", "--data", '{"reason": "duplicate_referral"}')
        ).code == 0
        assert len(rows) == 3
        monkeypatch.setattr(journeys, "tasks", lambda *_, **__: asyncio.sleep(0, rows))
        ran = await self.give(office)
        assert (ran.code, ran.json["done"], ran.json["refused"]) == (1, 2, 1)
        assert next(t for t in ran.json["tasks"] if t["task"] == tasks[1])["kind"] == "Closed"


async def record(office: Office, task: str) -> dict[str, Any]:
    found = await journeys.journey(office.town.database, office.tenant, task.partition(":")[0])
    assert found is not None
    return found
