"""A patient's link, the questions behind it, and the page that shows them."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta

import pytest
from pydantic import TypeAdapter

from care.journey import Stage
from continuum.demo.player import Player
from gateway.staff import shapes
from gateway.staff.pages.words import words
from tests.conftest import House
from tests.gateway.staff.conftest import BASE, Desk
from tests.workflows.cast import to_follow_up

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def a_follow_up_is_due(house: House) -> Player:
    """A journey whose first follow-up is due."""
    player = house.player(f"asked {secrets.token_hex(4)}")
    await to_follow_up(player)
    await player.wait(until=await player.entered(Stage.FOLLOW_UP) + timedelta(days=7, hours=2))
    assert (await player.journal())[-1]["kind"] == "follow_up_due"
    return player


@pytest.fixture(scope="module")
async def asked(house: House) -> Player:
    """One for all tests of this page."""
    return await a_follow_up_is_due(house)


async def test_a_link_is_made_by_staff_and_lives_as_long_as_it_says(desk: Desk, begun: Player) -> None:
    path = f"/api/journeys/{begun.journey}/patient-links"
    made = await desk.ask("POST", path, desk.token("therapist"), json={"days": 3})
    assert made.status_code == 201, made.text
    link = TypeAdapter(shapes.PatientLink).validate_python(made.json())
    assert link.link == f"{BASE}/answer#{link.token}"
    assert begun.journey not in link.link
    seen = await desk.ask("GET", "/api/patient/questionnaire", link.token)
    assert (seen.status_code, seen.json()["action"], seen.json()["asked"]) == (200, None, [])
    for token, status in ((desk.token("auditor"), 403), (link.token, 403), (None, 401)):
        assert (await desk.ask("POST", path, token, json={})).status_code == status
    for body in ({"days": 0}, {"days": 61}, {"days": "3"}, {"forever": True}):
        assert (await desk.ask("POST", path, desk.token("therapist"), json=body)).json()["code"] == "BadData"


@pytest.mark.parametrize("change", ["over", "cut", "other"])
async def test_a_link_that_is_over_or_changed_opens_nothing(desk: Desk, begun: Player, change: str) -> None:
    token = desk.patient(begun.journey, days=-1 if change == "over" else 1)
    if change == "cut":
        token = token[:-4]
    if change == "other":
        token = token[:40] + ("A" if token[40] != "A" else "B") + token[41:]
    assert (await desk.ask("GET", "/api/patient/questionnaire", token)).status_code in (401, 429)


async def test_nothing_is_asked_of_who_has_nothing_to_answer(desk: Desk, begun: Player) -> None:
    token = desk.patient(begun.journey)
    answer = await desk.ask("POST", "/api/patient/questionnaire", token, json={"scores": {"nprs": 1}})
    assert (answer.status_code, answer.json()["code"]) == (409, "NothingAsked")
    page = await desk.ask("GET", "/answer/questions", token)
    assert words("en").nothing_title in page.text
    assert "<form" not in page.text


async def test_the_questions_are_asked_and_answered_once(desk: Desk, asked: Player) -> None:
    """On the page: what is shown, what is wrong with an answer, the answer, its repeat, and that no more is asked."""
    token = desk.patient(asked.journey)
    listed = TypeAdapter(shapes.Questionnaire).validate_python(
        (await desk.ask("GET", "/api/patient/questionnaire", token)).json()
    )
    assert listed.action == "answer_follow_up"
    measures = [a.measure for a in listed.asked]
    assert "nprs" in measures
    other = await desk.ask("POST", "/api/patient/questionnaire", token, json={"scores": {"tug": 9.5}})
    assert (other.status_code, other.json()["code"]) == (422, "NotAsked")

    page = await desk.ask("GET", "/answer/questions", token)
    assert page.status_code == 200
    assert set(re.findall(r'name="m\.([a-z0-9_]+)"', page.text)) == set(measures)
    key = re.findall(r'name="key" value="([^"]+)"', page.text)[0]
    before = (await asked.state())["seq"]
    for filled, said in (
        ({}, words("en").none_given),
        ({"m.nprs": "11"}, words("en").wrong),
        ({"m.nprs": "much"}, words("en").wrong),
        ({"m.nprs": "nan"}, words("en").wrong),
    ):
        wrong = await desk.ask("POST", "/answer/questions", token, data={"key": key, **filled}, headers=FORM)
        assert (wrong.status_code, said in wrong.text) == (422, True), wrong.text
    assert (await asked.state())["seq"] == before
    filled = {"key": key, "m.nprs": "٢", "note": 'All well <script>alert("x")</script>'}
    sent = await desk.ask("POST", "/answer/questions", token, data=filled, headers=FORM)
    assert (sent.status_code, words("en").sent_title in sent.text) == (200, True), sent.text
    after = (await asked.state())["seq"]
    again = await desk.ask("POST", "/answer/questions", token, data=filled, headers=FORM)
    assert (again.status_code, words("en").sent_title in again.text) == (200, True)
    assert (await asked.state())["seq"] == after > before
    row = next(r for r in await asked.journal(before) if r["kind"] == "follow_up_answered")
    assert (row["person"], row["role"]) == ("patient", "patient")
    scores = [s for s in await asked.part("scores") if s["measure"] == "nprs"]
    assert scores[-1]["value"] == 2
    assert words("en").nothing_title in (await desk.ask("GET", "/answer/questions", token)).text


async def test_in_the_patients_own_language(desk: Desk, asked: Player) -> None:
    await desk.house.database.execute(
        "update continuum.patient set languages = '[\"ar-AE\"]'::jsonb where id ="
        " (select patient from continuum.referral where journey = $1)",
        asked.journey,
    )
    page = await desk.ask("GET", "/answer/questions", desk.patient(asked.journey))
    assert 'data-lang="ar" data-dir="rtl"' in page.text
    assert words("ar").urgent in page.text


class TestPages:
    async def test_nothing_runs_but_what_is_named(self, desk: Desk) -> None:
        for path in ("/", "/answer"):
            page = await desk.ask("GET", path)
            assert page.status_code == 200
            policy = page.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert not re.findall(r'(?:src|href)="(?!/|data:)', page.text), "nothing from anywhere else"
            assert page.headers["referrer-policy"] == "no-referrer"

    async def test_the_frame_is_the_same_for_everybody(self, desk: Desk, begun: Player) -> None:
        token = desk.patient(begun.journey)
        assert (await desk.ask("GET", "/answer", token)).content == (await desk.ask("GET", "/answer")).content
        arabic = await desk.ask("GET", "/answer", headers={"Accept-Language": "ar-AE,en;q=0.5"})
        assert '<html lang="ar" dir="rtl">' in arabic.text

    async def test_a_form_that_is_none(self, desk: Desk, begun: Player) -> None:
        token = desk.patient(begun.journey)
        for content, headers, status in (
            (b"key=page-1", {"Content-Type": "text/plain"}, 415),
            (b"key=nonsense", FORM, 400),
            (b"&".join(b"a=%d" % n for n in range(200)), FORM, 400),
            (b"note=" + b"x" * 70_000, FORM, 413),
            (b"key=page-1&note=%00", FORM, 400),
            (b"\xff", FORM, 400),
        ):
            answer = await desk.ask("POST", "/answer/questions", token, content=content, headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")

    def test_both_languages_ask_the_same(self) -> None:
        english, arabic = words("en"), words("ar")
        assert set(english.questions) == set(arabic.questions)
        for name, question in english.questions.items():
            assert question.scale == arabic.questions[name].scale
