"""Acting by the API: every action is there, the journey's own words come out, and nobody passes for somebody else."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

import pytest

from care.action import ACTIONS
from care.draft import Refused
from continuum.demo.player import Player
from gateway.acting import allowed_now, perform
from gateway.staff import acting
from gateway.staff.requests import BODIES
from gateway.staff.who_may import CLINICIANS, WHO_MAY
from records import journeys
from tests.conftest import House
from tests.gateway.staff.conftest import Desk, built, opened
from tests.integration.tools import until
from tests.workflows.cast import stalled_record

ROOM_FOR_ALL = {"coordinator", "therapist", "physician", "patient"}
EMPTY: dict[str, dict[str, Any]] = {}


def of(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    return found


class TestAllOfThem:
    def test_every_action_that_people_ask_for_has_its_route_its_body_and_its_roles(self) -> None:
        said_by_ourselves = {name for name in ACTIONS if name not in WHO_MAY}
        assert said_by_ourselves == {
            "note_amendment",
            "note_cancellation",
            "note_merge",
            "note_message",
            "note_undelivered",
        }
        assert set(BODIES) == set(WHO_MAY)
        assert all(roles <= ROOM_FOR_ALL for roles in WHO_MAY.values())

    async def test_the_journey_answers_each_with_its_own_words(self, desk: Desk, begun: Player) -> None:
        """None is lost on the way, and none but those that need no field is done by an empty body."""
        token, odd = desk.token("coordinator", "therapist", person="p-therapist"), {}
        last = "record_death"
        for name in [*(n for n in WHO_MAY if n != last), last]:
            answer = await desk.act(begun.journey, name, token)
            problem = answer.json()
            if answer.status_code == 422 and problem["code"] == "BadData":
                assert f"fields of {name}" in problem["detail"]
            elif answer.status_code == 422:
                assert problem["detail"], name
                assert problem["action_id"]
                assert isinstance(problem["allowed"], list)
            else:
                odd[name] = answer.status_code
        assert odd == {last: 200}

    async def test_what_a_stage_does_not_know_says_what_it_does(self, desk: Desk, begun: Player, house: House) -> None:
        problem = of(await desk.act(begun.journey, "sign_summary", desk.token("therapist")), 422, "NotNow")
        stage = await allowed_now(house.client.get_workflow_handle(begun.journey))
        assert problem["allowed"] == [name for name in stage if name in WHO_MAY]
        assert "choose_pathway" in problem["allowed"]
        assert "note_merge" not in problem["allowed"]

    async def test_which_may_i_take_now(self, desk: Desk, begun: Player) -> None:
        async def names(token: str) -> set[str]:
            answer = await desk.ask("GET", f"/api/journeys/{begun.journey}/actions", token)
            assert answer.status_code == 200, answer.text
            assert answer.headers["etag"] == f'W/"{answer.json()["seq"]}"'
            for item in answer.json()["items"]:
                schema = await desk.ask("GET", item["schema"])
                assert schema.json()["title"] == BODIES[item["name"]].__name__
                assert item["href"].endswith(f"/actions/{item['name']}")
            return {item["name"] for item in answer.json()["items"]}

        coordinator, therapist = await names(desk.token("coordinator")), await names(desk.token("therapist"))
        assert therapist - coordinator == {n for n in therapist if WHO_MAY[n] == CLINICIANS} != set()
        physician = await names(desk.token("physician", email="quill@surgery.example"))
        assert physician == {"receive_information", "withdraw", "confirm_receipt"} & coordinator
        assert await names(desk.token("auditor")) == set()
        assert (await desk.ask("GET", "/api/schemas/nonsense")).status_code == 404

    @pytest.mark.parametrize("name", sorted(n for n, roles in WHO_MAY.items() if roles == CLINICIANS))
    def test_the_table_says_of_clinicians_what_care_says(self, name: str) -> None:
        """Whoever is let through here is let through there; see `care/steps`."""
        import inspect

        from care import steps
        from care.steps import discharge, editing, migrating, phases, reopening, screening

        modules = (discharge, editing, phases, reopening, screening, steps)
        steps_ = {"migrate_pathway": migrating.check}  # its step is tried before its content is read
        found = steps_.get(name) or next(step for m in modules if (step := getattr(m, name, None)) is not None)
        source = inspect.getsource(found)
        assert "CLINICIANS" in source
        assert issubclass(Refused, Exception)


class TestWhoActs:
    async def test_the_actor_is_who_the_token_says(self, desk: Desk, begun: Player) -> None:
        token = desk.token("therapist", person="p-therapist-2")
        for forged in (
            {"actor": {"person": "p-lead", "role": "clinical_lead", "tenant": "clinic"}},
            {"person": "p-lead"},
        ):
            of(await desk.act(begun.journey, "record_consent", token, messages=True, **forged), 422, "BadData")
        done = await desk.act(begun.journey, "record_consent", token, messages=True)
        row = (await begun.journal(done.json()["seq"] - 1))[0]
        assert (row["person"], row["role"], row["on_behalf_of"]) == ("p-therapist-2", "therapist", None)

    async def test_a_coordinator_may_act_for_somebody_and_it_says_so(self, desk: Desk, begun: Player) -> None:
        path = f"/api/journeys/{begun.journey}/actions/record_consent?on_behalf_of="
        body = {"messages": False}
        done = await desk.ask("POST", path + "p-lead", desk.token("coordinator"), json=body)
        assert done.status_code == 200, done.text
        row = (await begun.journal(done.json()["seq"] - 1))[0]
        assert (row["person"], row["on_behalf_of"]) == ("p-coordinator", "p-lead")
        of(await desk.ask("POST", path + "p-gone", desk.token("coordinator"), json=body), 422, "UnknownPerson")
        of(await desk.ask("POST", path + "p-lead", desk.token("therapist"), json=body), 403, "NotAllowed")

    async def test_who_may_not_is_stopped_before_the_journey_is_asked(self, desk: Desk, begun: Player) -> None:
        physician = desk.token("physician", email="quill@surgery.example")
        for token, name in (
            (desk.token("coordinator"), "sign_screen"),
            (desk.token("auditor"), "hold"),
            (desk.token("author"), "hold"),
            (desk.token("operator"), "hold"),
            (physician, "accept"),
            (desk.patient(begun.journey), "withdraw"),
        ):
            of(await desk.act(begun.journey, name, token), 403, "forbidden")
        of(await desk.act(begun.journey, "hold", "nonsense"), 401, "login")

    async def test_a_link_is_for_one_journey(self, desk: Desk, begun: Player) -> None:
        of(await desk.act(begun.journey, "answer_check", desk.patient("j1")), 404, "NoSuchJourney")
        of(await desk.act(begun.journey, "answer_check", desk.patient(begun.journey)), 422, "NotNow")

    async def test_somebody_of_two_roles_acts_in_the_one_that_may(self, desk: Desk, begun: Player) -> None:
        both = desk.token("coordinator", "therapist", person="p-lead")
        problem = of(
            await desk.act(begun.journey, "handle_red_flag", both, flag="none", outcome="cleared"), 422, "NoSuchFlag"
        )
        assert "open: none" in problem["detail"]


class TestRepeatsAndVersions:
    async def test_a_repeat_gets_the_first_ones_answer_and_changes_nothing(self, desk: Desk, begun: Player) -> None:
        key = {"Idempotency-Key": f'"once-{secrets.token_hex(4)}"'}
        first = await desk.act(begun.journey, "record_consent", headers=key, messages=True)
        again = await desk.act(begun.journey, "record_consent", headers=key, messages=True)
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.json()["seq"] == first.json()["seq"]
        assert f'"{first.json()["action_id"]}"' == key["Idempotency-Key"]
        of(await desk.act(begun.journey, "record_consent", headers=key, messages=False), 409, "ActionReused")
        others = desk.token("therapist")
        of(await desk.act(begun.journey, "record_consent", others, headers=key, messages=True), 409, "ActionReused")

    async def test_what_was_meant_for_an_earlier_version_is_refused(self, desk: Desk, begun: Player) -> None:
        seen = await desk.ask("GET", f"/api/journeys/{begun.journey}", desk.token("coordinator"))
        version = {"If-Match": seen.headers["etag"]}
        done = await desk.act(begun.journey, "record_consent", headers=version, messages=True)
        assert done.status_code == 200, done.text
        of(await desk.act(begun.journey, "record_consent", headers=version, messages=False), 412, "VersionMoved")
        newer = {"If-Match": done.headers["etag"]}
        assert (await desk.act(begun.journey, "record_consent", headers=newer, messages=False)).status_code == 200

    async def test_what_was_meant_for_another_stage_is_refused(self, desk: Desk, begun: Player) -> None:
        path = f"/api/journeys/{begun.journey}/actions/record_consent?expected_stage=Therapy"
        answer = await desk.ask("POST", path, desk.token("coordinator"), json={"messages": True})
        assert "record_consent" in of(answer, 409, "StageMoved")["allowed"]

    @pytest.mark.parametrize("header", [{"If-Match": "12"}, {"If-Match": 'W/"-1"'}, {"Idempotency-Key": "a b"}])
    async def test_a_condition_that_is_none(self, desk: Desk, begun: Player, header: dict[str, str]) -> None:
        of(await desk.act(begun.journey, "record_consent", headers=header, messages=True), 400, "invalid")

    async def test_a_closed_journey_takes_nothing_but_goes_on_when_it_is_reopened(
        self, desk: Desk, begun: Player
    ) -> None:
        assert (await desk.act(begun.journey, "withdraw", reason="duplicate_referral")).status_code == 200
        await begun.until_closed()
        of(await desk.act(begun.journey, "record_consent", messages=True), 409, "Closed")
        possible = await desk.ask("GET", f"/api/journeys/{begun.journey}/actions", desk.token("coordinator"))
        assert possible.json()["items"] == []
        path, token = f"/api/journeys/{begun.journey}/reopening", desk.token("coordinator")
        of(await desk.ask("POST", path, token, json={"reason": "closed_by_mistake"}), 422, "BadData")
        body, key = {"reason": "closed_by_mistake", "note": "Wrong patient was meant."}, {"Idempotency-Key": "again"}
        done = await desk.ask("POST", path, token, json=body, headers=key)
        assert (done.status_code, done.json()["status"]) == (200, "open")
        repeat = await desk.ask("POST", path, token, json=body, headers=key)
        assert repeat.json()["seq"] == done.json()["seq"]
        of(await desk.ask("POST", path, token, json=body), 409, "AlreadyOpen")


class TestBodies:
    @pytest.mark.parametrize(
        ("content", "type_", "status"),
        [
            (b"{not json", "application/json", 400),
            (b"[]", "application/json", 400),
            (b'{"messages": NaN}', "application/json", 400),
            (b'{"messages": true, "messages": false}', "application/json", 400),
            (b'{"messages": true, "note": "\\ud800"}', "application/json", 400),
            (b'{"messages": true, "note": "\\u0000"}', "application/json", 400),
            (b"\xff", "application/json", 400),
            (b"[" * 60_000, "application/json", 400),
            (b"messages=true", "application/x-www-form-urlencoded", 415),
            (b'{"note": "' + b"x" * 70_000 + b'"}', "application/json", 413),
        ],
    )
    async def test_what_is_no_body(self, desk: Desk, begun: Player, content: bytes, type_: str, status: int) -> None:
        path = f"/api/journeys/{begun.journey}/actions/record_consent"
        headers = {"Content-Type": type_}
        answer = await desk.ask("POST", path, desk.token("coordinator"), content=content, headers=headers)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert (await begun.state())["seq"] == (await begun.journal())[-1]["seq"]

    async def test_an_error_never_repeats_what_was_sent(self, desk: Desk, begun: Player) -> None:
        answer = await desk.act(begun.journey, "hold", reason="Canary Zyxwvut", review_on="Zyxwvut", Zyxwvut="Zyxwvut")
        assert answer.status_code == 422
        assert "Zyxwvut" not in answer.text

    async def test_words_go_to_the_record(self, desk: Desk, begun: Player) -> None:
        done = await desk.act(begun.journey, "record_consent", messages=True, note="The sister rang.")
        assert done.status_code == 200, done.text
        record = await desk.ask("GET", f"/api/journeys/{begun.journey}", desk.token("coordinator"))
        assert "The sister rang." in [note["body"] for note in record.json()["notes"]]


class TestAway:
    async def test_not_confirmed_in_time_is_202_and_where_to_ask(
        self, desk: Desk, begun: Player, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def impatient(*args: Any, **named: Any) -> Any:
            return await perform(*args, **named, deadline=timedelta(seconds=0.5))

        key = {"Idempotency-Key": f"late-{secrets.token_hex(4)}"}
        with monkeypatch.context() as patched:
            patched.setattr(acting, "perform", impatient)
            async with stalled_record(house):
                late = await desk.act(begun.journey, "record_consent", headers=key, messages=True)
                assert late.status_code == 202, late.text
                status = await desk.ask("GET", late.headers["location"], desk.token("coordinator"))
                assert (status.status_code, status.json()["state"]) == (200, "not_confirmed")
        assert late.json()["action_id"] == key["Idempotency-Key"]
        assert late.json()["status_url"] == late.headers["location"]

        async def confirmed() -> bool:
            status = await desk.ask("GET", late.headers["location"], desk.token("coordinator"))
            return bool(status.json()["state"] == "done")

        await until(confirmed, seconds=60)
        again = await desk.act(begun.journey, "record_consent", headers=key, messages=True)
        assert again.status_code == 200
        elsewhere = desk.token("coordinator", tenant="elsewhere")
        of(await desk.ask("GET", late.headers["location"], elsewhere), 404, "NoSuchJourney")

    async def test_without_the_workflow_service_503_says_when_to_come_again(
        self, house: House, desk: Desk, begun: Player
    ) -> None:
        from gateway.context import LazyTemporal

        async with opened(built(house, LazyTemporal("127.0.0.1:1"))) as away:
            for method, path in (("POST", "/actions/record_consent"), ("GET", "/actions")):
                answer = await away.request(
                    method,
                    f"/api/journeys/{begun.journey}{path}",
                    json={"messages": True},
                    headers={"Authorization": f"Bearer {desk.token('coordinator')}"},
                )
                of(answer, 503, "transient")
                assert int(answer.headers["retry-after"]) > 0
            read = await away.get(
                f"/api/journeys/{begun.journey}", headers={"Authorization": f"Bearer {desk.token('coordinator')}"}
            )
            assert read.status_code == 200, "reading goes on"

    async def test_without_the_record_503(self, desk: Desk, house: House) -> None:
        from records.database import Database

        gone = await Database.open(house.stack.dsn("app"), size=1)
        await gone.close()
        async with opened(built(house, database=gone)) as away:
            headers = {"Authorization": f"Bearer {desk.token('coordinator')}"}
            for path in ("/api/journeys", "/api/tasks", "/api/journeys/j1/actions", "/api/asks"):
                answer = await away.get(path, headers=headers)
                of(answer, 503, "transient")
                assert int(answer.headers["retry-after"]) > 0


async def test_an_action_of_nobody_is_not_known(desk: Desk, begun: Player) -> None:
    answer = await desk.act(begun.journey, "note_merge")
    assert answer.status_code == 404
    assert await journeys.journal_since(desk.house.database, "clinic", begun.journey, 0)
