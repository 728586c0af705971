"""Reading by the API: who sees what, in pages, and in the shapes that the description promises."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from care.action import Expected
from care.actor import Actor
from care.journey import Stage
from continuum.demo.player import Player
from gateway.acting import perform
from gateway.staff import shapes
from gateway.staff.paging import cursor
from records import journeys
from tests.conftest import House
from tests.gateway.staff.conftest import Desk

NOWHERE = "j0000000000000000"


def shaped(kind: type[Any], body: Any) -> Any:
    return TypeAdapter(kind).validate_python(body)


async def whole(desk: Desk, path: str, token: str, page: type[Any], **params: Any) -> list[Any]:
    """All pages: other tests left theirs in the same house."""
    items, after = [], None
    while True:
        asked = {"limit": 500, **params, **({"after": after} if after else {})}
        answer = await desk.ask("GET", path, token, params=asked)
        assert answer.status_code == 200, answer.text
        found = shaped(page, answer.json())
        assert len(found.items) <= asked["limit"]
        items += found.items
        if (after := found.next) is None:
            return items


class TestList:
    async def test_pages_put_together_are_the_whole_list_in_its_order(self, desk: Desk, begun: Player) -> None:
        rows = await whole(desk, "/api/journeys", desk.token("coordinator"), shapes.JourneyPage, limit=2)
        found = [row.id for row in rows]
        assert found == [row["id"] for row in await journeys.journeys(desk.house.database, "clinic")]
        assert begun.journey in found

    async def test_filters(self, desk: Desk, begun: Player) -> None:
        async def ids(**params: Any) -> set[str]:
            rows = await whole(desk, "/api/journeys", desk.token("therapist"), shapes.JourneyPage, **params)
            return {row.id for row in rows}

        assert begun.journey in await ids(stage="Intake", status="open", overdue=False, waiting_on="intake")
        assert begun.journey not in await ids(stage="Therapy")
        assert begun.journey not in await ids(status="closed")
        assert begun.journey not in await ids(overdue=True)
        assert begun.journey not in await ids(waiting_on="triage")

    @pytest.mark.parametrize(
        "params",
        [
            {"after": "rubbish"},
            {"after": cursor(("a", "b"))},
            {"after": cursor((False, True, "0001-01-01T00:00:00+14:00", "j"))},
            {"after": cursor((False, True, "2026-01-01T00:00:00+00:00", "\0"))},
            {"stage": "Nowhere"},
            {"limit": 0},
            {"waiting_on": "\0"},
            {"overdu": "true"},
        ],
    )
    async def test_what_is_no_filter_is_said(self, desk: Desk, params: dict[str, Any]) -> None:
        answer = await desk.ask("GET", "/api/journeys", desk.token("coordinator"), params=params)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
        assert answer.json()["path"].startswith("query")


class TestOne:
    async def test_all_that_belongs_to_it_and_its_version(self, desk: Desk, begun: Player) -> None:
        answer = await desk.ask("GET", f"/api/journeys/{begun.journey}", desk.token("coordinator"))
        found = shaped(shapes.JourneyRecord, answer.json())
        assert (found.patient, found.stage) == ("Ivo Fernsby", Stage.INTAKE)
        assert answer.headers["etag"] == f'W/"{found.seq}"'
        assert found.tasks
        assert found.journal[-1].seq == found.seq

    async def test_the_journal_after_a_row(self, desk: Desk, begun: Player) -> None:
        whole = await desk.ask("GET", f"/api/journeys/{begun.journey}/journal", desk.token("auditor"))
        rest = await desk.ask("GET", f"/api/journeys/{begun.journey}/journal?since=1", desk.token("auditor"))
        assert rest.json()["items"] == whole.json()["items"][1:]
        assert shaped(shapes.Journal, rest.json()).items[0].seq == 2

    async def test_why_a_rule_decided_so_and_that_it_still_does(self, desk: Desk, begun: Player) -> None:
        rows = (await desk.ask("GET", f"/api/journeys/{begun.journey}/journal", desk.token("therapist"))).json()[
            "items"
        ]
        decided = next(row["seq"] for row in rows if row["rule"])
        path = f"/api/journeys/{begun.journey}/journal"
        answer = await desk.ask("GET", f"{path}/{decided}/why", desk.token("therapist"))
        why = shaped(shapes.Why, answer.json())
        assert why.same_today is True
        assert why.rule_version
        plain = next(row["seq"] for row in rows if not row["rule"])
        other = await desk.ask("GET", f"{path}/{plain}/why", desk.token("therapist"))
        assert (other.status_code, other.json()["code"]) == (422, "NotDecidedByRule")
        assert (await desk.ask("GET", f"{path}/999/why", desk.token("therapist"))).json()["code"] == "NoSuchRow"

    @pytest.mark.parametrize("id_", [NOWHERE, "%00", "a b", "'", "x" * 300, "%F0%9F%92%A9"])
    async def test_what_is_not_there(self, desk: Desk, id_: str) -> None:
        for rest in ("", "/journal", "/actions", "/journal/1/why", "/documents/d"):
            answer = await desk.ask("GET", f"/api/journeys/{id_}{rest}", desk.token("coordinator"))
            assert (answer.status_code, answer.json()["code"]) == (404, "NoSuchJourney")


class TestWhoSeesIt:
    async def test_another_providers_journey_is_as_unknown_as_one_that_never_was(
        self, desk: Desk, begun: Player
    ) -> None:
        elsewhere = desk.token("coordinator", tenant="elsewhere")
        for method, rest in (("GET", ""), ("GET", "/journal"), ("GET", "/actions"), ("POST", "/actions/hold")):
            theirs = await desk.ask(method, f"/api/journeys/{begun.journey}{rest}", elsewhere)
            nobodys = await desk.ask(method, f"/api/journeys/{NOWHERE}{rest}", elsewhere)
            assert (theirs.status_code, theirs.content) == (404, nobodys.content)
        listed = await desk.ask("GET", "/api/journeys", elsewhere)
        assert listed.json()["items"] == []

    async def test_a_physician_sees_who_they_sent_without_what_the_clinic_keeps_for_itself(
        self, desk: Desk, begun: Player, house: House
    ) -> None:
        await perform(
            house.client,
            house.database,
            journey=begun.journey,
            name="record_consent",
            data={"messages": True, "note": "The sister rang."},
            actor=Actor(person="p-coordinator", role="coordinator", tenant="clinic"),
            expected=Expected(stage=Stage.INTAKE),
        )
        theirs = desk.token("physician", email="Quill@surgery.example")
        other = desk.token("physician", email="other@surgery.example")
        nobody = desk.token("physician")
        path = f"/api/journeys/{begun.journey}"
        seen = await desk.ask("GET", path, theirs)
        assert seen.status_code == 200
        assert not {"notes", "notices", "tasks", "replies"} & set(seen.json())
        assert "sister" not in seen.text
        assert begun.journey in {r.id for r in await whole(desk, "/api/journeys", theirs, shapes.JourneyPage)}
        for stranger in (other, nobody):
            assert (await desk.ask("GET", path, stranger)).status_code == 404
            assert (await desk.ask("GET", "/api/journeys?limit=500", stranger)).json()["items"] == []

    async def test_a_link_opens_no_record(self, desk: Desk, begun: Player) -> None:
        token = desk.patient(begun.journey)
        for path in ("/api/journeys", f"/api/journeys/{begun.journey}", "/api/tasks", "/api/messages", "/api/asks"):
            assert (await desk.ask("GET", path, token)).status_code == 403


class TestTasks:
    async def test_mine_are_those_of_my_queues(self, desk: Desk, begun: Player, house: House) -> None:
        async def ids(person: str, **params: str) -> set[str]:
            token = desk.token("coordinator", person=person)
            tasks = await whole(desk, "/api/tasks", token, shapes.TaskPage, **params)
            return {task.id for task in tasks if task.journey == begun.journey}

        assert await ids("p-front-desk", mine="me", kind="complete_intake")
        assert await ids("p-surgeon", mine="me") == set()
        assert await ids("p-surgeon", mine="p-front-desk", kind="complete_intake")
        assert await ids("p-surgeon", owner="intake") == await ids("p-surgeon", owner="queue:intake") != set()
        answer = await desk.ask("GET", "/api/tasks?owner=p-gone", desk.token("coordinator"))
        assert (answer.status_code, answer.json()["code"]) == (422, "UnknownOwner")
        assert "p-front-desk" in answer.json()["detail"]

    async def test_pages(self, desk: Desk, begun: Player) -> None:
        token = desk.token("coordinator")
        listed = (await desk.ask("GET", "/api/tasks?limit=500", token)).json()["items"]
        first = (await desk.ask("GET", "/api/tasks?limit=1", token)).json()
        second = (await desk.ask("GET", f"/api/tasks?limit=1&after={first['next']}", token)).json()
        assert [first["items"][0]["id"], second["items"][0]["id"]] == [t["id"] for t in listed[:2]]


async def test_the_record_is_untouched_by_reading(desk: Desk, begun: Player) -> None:
    before = await begun.state()
    await desk.ask("GET", f"/api/journeys/{begun.journey}/actions", desk.token("coordinator"))
    assert await begun.state() == before
