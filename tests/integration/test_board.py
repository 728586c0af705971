"""The board: each number is what comes out on paper for a small record, and the views agree with the model."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, get_args

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from care.journey import Outcome
from care.score import Measure
from continuum.board.page import definitions
from continuum.board.views import MOST_IDS, views
from continuum.embedded.folder import Stack
from records import decisions
from records.board import BY, Asked, By, counted
from records.numbers import (
    BY_NAME,
    CLOSED,
    CONVERSIONS,
    NO_SHOWS,
    NUMBERS,
    OVERDUE,
    RESPONDERS,
    RESPONSES,
    UNANSWERED,
    WAITS,
    Number,
)
from tests.care.driver import Driver
from tests.care.test_care_always import Walk
from tests.conftest import House
from tests.integration.planted_record import Planter, day, planted, turn
from tests.integration.tools import Ran, command, one_line

ODI = Measure(
    id="odi", name="ODI", direction="lower_better", mcid=10, mdc=10.5, basis="proposed", source="of this test"
)
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
async def record(quiet_house: House) -> Planter:
    return await planted(quiet_house.database)


async def rows(
    p: Planter, number: Number, *, as_of: float = 20, since: float | None = None, by: tuple[By, ...] = ()
) -> list[dict[str, Any]]:
    asked = Asked(p.tenant, day(as_of), None if since is None else day(since), by=by)
    return await counted(p.database, number, asked, lambda pathway, measure: ODI if measure == "odi" else None)


def wait(what: str, n: int, median: float | None, waiting: int = 0, longest: float | None = None) -> dict[str, Any]:
    return {"what": what, "n": n, "median": median, "p90": None, "waiting": waiting, "longest": longest}


EXPECTED: dict[Number, list[dict[str, Any]]] = {
    WAITS: [
        wait("Discharge", 5, 1, 1, 11),  # who waits: taken over, in discharge since day 9
        wait("FollowUp", 0, None, 5, 4),
        wait("Intake", 7, 2, 1, 1),  # 1, 2, 3-1 held, 4, 5-2 closed, 3, 1; on hold since its first day
        wait("Referral", 6, 1),
        wait("Therapy", 5, 11),  # 13, 12, 11, 10, 9; of the one taken over it began elsewhere
        wait("answer", 6, 3.5, 2, 16),  # 2, 3, 4 (a hold does not pause it), 5, 6-2, and 2 for the no
        wait("first visit", 5, 5, 2, 1),  # 4, 5, 6-1, 7, 8-2; those that wait: held after a day, and received yesterday
    ],
    UNANSWERED: [
        {"what": "Intake", "n": 1, "late": 1, "longest": 16},
        {"what": "not begun", "n": 1, "late": 0, "longest": 1},
    ],
    OVERDUE: [
        {"what": "person:p-anna", "n": 1, "median": None, "longest": 2},
        {"what": "queue:triage", "n": 1, "median": None, "longest": 14},
    ],
    NO_SHOWS: [{"what": "before a plan", "n": 6, "missed": 1, "share": 0.167, "cancelled": 1, "unrecorded": 0}],
    RESPONSES: [
        {"what": "one_month", "n": 0, "answered": 0, "share": None, "open": 1},
        {"what": "one_week", "n": 5, "answered": 3, "share": 0.6, "open": 0},
    ],
    RESPONDERS: [{"what": "odi", "n": 5, "improved": 3, "share": 0.6, "unclear": 1, "deteriorated": 1}],
    CONVERSIONS: [
        {"what": "referrals", "n": 9, "accepted": 5, "came": 5, "lost": 2, "open": 2, "share": 0.714, "settled": 7}
    ],
    CLOSED: [{"what": "entered_in_error", "n": 1}, {"what": "refused", "n": 1}, {"what": "withdrawn", "n": 1}],
}


@pytest.mark.parametrize("number", NUMBERS, ids=lambda n: n.name)
async def test_a_number_is_what_comes_out_on_paper(record: Planter, number: Number) -> None:
    assert await rows(record, number) == EXPECTED[number]


async def test_as_of_an_earlier_day_what_came_later_is_not_known(record: Planter) -> None:
    """On day 3, at its beginning: the closing of the fifth stands still, and nobody has come yet."""
    assert await rows(record, CLOSED, as_of=3) == [
        {"what": "entered_in_error", "n": 1},
        {"what": "refused", "n": 1},
        {"what": "withdrawn", "n": 1},
    ]
    (referrals,) = await rows(record, CONVERSIONS, as_of=3)
    assert (referrals["came"], referrals["share"]) == (0, None)
    assert await rows(record, CLOSED, as_of=5, since=2.5) == [{"what": "withdrawn", "n": 1}], "the other's was undone"
    answers = next(row for row in await rows(record, WAITS, as_of=20, since=5) if row["what"] == "answer")
    assert answers["n"] == 2, "those of day 5 and 6"


async def test_rows_split_by_clinic_pathway_and_month(record: Planter) -> None:
    found = await rows(record, CONVERSIONS, by=("clinic", "pathway", "month"))
    assert [(r["clinic"], r["pathway"], r["month"], r["n"], r["share"]) for r in found] == [
        ("north", "low_back_pain", "2026-01", 5, 1.0),
        ("south", "low_back_pain", "2026-01", 2, None),
        ("south", "neck", "2026-01", 1, None),
        ("unassigned", "none", "2026-01", 1, None),
    ]
    assert [(r["clinic"], r["improved"]) for r in await rows(record, RESPONDERS, by=("clinic",))] == [("north", 3)]


async def test_a_90_per_cent_needs_ten(quiet_house: House) -> None:
    p = Planter(quiet_house.database, "planted-ten")
    for n in range(1, 11):
        assert next((r["p90"] for r in await rows(p, WAITS) if r["what"] == "answer"), None) is None
        await p.referral(str(n), 0)
        await p.journey(
            str(n), "north", [turn(0, "Intake", "entered"), turn(n, "Intake", "declined")], outcome="refused"
        )
    answer = next(r for r in await rows(p, WAITS) if r["what"] == "answer")
    assert (answer["n"], answer["median"], answer["p90"]) == (10, 5.5, 9.1)


async def test_every_number_answers_in_every_split(record: Planter) -> None:
    for number in NUMBERS:
        for row in await rows(record, number, by=BY):
            assert set(row) == {*BY, "what", *(column.name for column in number.columns)}


# --- the views and the model

WALKS = 12


class Played(Walk):
    """A walk whose journal is read by the views."""

    dsn: ClassVar[str]
    compared: ClassVar[int] = 0

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "driver"):
            asyncio.run(agrees(self.dsn, self.driver))
            Played.compared += 1


async def agrees(dsn: str, driver: Driver) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    try:
        transaction = connection.transaction()
        await transaction.start()
        for commit in driver.commits:
            await connection.execute("select continuum.commit_decision($1)", decisions.rows(commit))
        journey = driver.journey
        ends = await connection.fetch(
            "select outcome from continuum.board_end where journey = $1 and undone_at is null", journey.id
        )
        assert [end["outcome"] for end in ends] == ([journey.outcome] if journey.status == "closed" else [])
        still = await connection.fetch(
            "select why, reason from continuum.board_pause where journey = $1 and until_at is null", journey.id
        )
        now = {"open": [], "on_hold": [("hold", journey.hold_reason)]}
        if journey.status != "closed":
            assert [(pause["why"], pause["reason"]) for pause in still] == now[journey.status]
        await transaction.rollback()
    finally:
        await connection.close()


async def test_the_views_close_and_pause_as_the_model_does(quiet_house: House) -> None:
    Played.dsn = quiet_house.stack.dsn("app")
    limits = settings(
        max_examples=WALKS,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )
    await asyncio.to_thread(run_state_machine_as_test, Played, settings=limits)
    assert Played.compared >= WALKS


async def test_every_outcome_has_its_row_of_the_journal(quiet_house: House) -> None:
    """A new way of closing needs a line in the view; else its journeys wait for ever."""
    view = await quiet_house.database.value("select pg_get_viewdef('continuum.board_turn'::regclass)")
    assert all(f"'{outcome}'::text" in view for outcome in get_args(Outcome))


# --- the command


async def board(stack: House, *arguments: str) -> Ran:
    return await command("board", "--dir", str(stack.stack.folder.root), *arguments)


async def test_the_command_answers_people_and_programs(quiet_house: House) -> None:
    ran = await board(quiet_house, "--json", "--from", "2026-01-01", "--by", "clinic")
    assert ran.code == 0, ran
    assert [number["name"] for number in ran.json["numbers"]] == list(BY_NAME)
    assert all(number["start"] and number["stop"] and number["pause"] for number in ran.json["numbers"])
    table = await board(quiet_house, "no-shows", "--csv", "--by", "month")
    assert next(csv.reader(io.StringIO(table.out))) == ["month", "what", *(c.name for c in NO_SHOWS.columns)]
    read = await board(quiet_house)
    assert read.code == 0
    assert all(number.title in read.out for number in NUMBERS)
    assert "start: The referral was received." in read.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("wait",), ("waits", "no-shows")),
        (("--csv",), ("name one",)),
        (("waits", "--csv", "--json"), ("give one",)),
        (("--from", "yesterday"), ("--from", "2026-12-01")),
        (("--from", "2026-12-02", "--to", "2026-12-02"), ("--from", "before")),
        (("--by", "patient"), ("patient", "clinic")),
    ],
)
async def test_a_mistake_is_one_line(quiet_house: House, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    one_line(await board(quiet_house, *arguments), *words)


async def test_links_are_queries_that_temporal_answers(quiet_house: House) -> None:
    ran = await board(quiet_house, "--links", "--json")
    assert ran.code == 0, ran
    stack: Stack = quiet_house.stack.stack
    names = {view["name"] for view in ran.json}
    assert {"overdue", "due this week", "waiting on triage", "stage therapy", "clinic main"} <= {
        n.lower() for n in names
    }
    held = views(queues=(), clinics=(), on_hold=["j1", "j2"], now=day(0), zone="Asia/Dubai")
    for query in [view["query"] for view in ran.json] + [view.query for view in held]:
        await quiet_house.client.count_workflows(query)
    assert all(view["link"].startswith(f"{stack.ui_url}/namespaces/default/workflows?query=") for view in ran.json)


async def test_views_that_last_are_saved_in_a_browser_by_one_line(quiet_house: House) -> None:
    ran = await board(quiet_house, "--links", "--console")
    (line,) = ran.out.splitlines()
    assert '"query": "ExecutionStatus = \\"Running\\" AND Overdue = true"' in line
    assert "Waiting on triage" in line
    assert "NextDue" not in line, "what has a date in it is old tomorrow"
    one_line(await board(quiet_house, "--console"), "--links")


def test_a_week_ends_on_sunday_night_at_the_clinic() -> None:
    """1 January 2026 is a Thursday; Dubai is four hours ahead."""
    made = {v.name: v.query for v in views(queues=(), clinics=(), on_hold=(), now=day(0), zone="Asia/Dubai")}
    assert '"2026-01-04T20:00:00Z"' in made["due this week"]
    late = {v.name for v in views(queues=(), clinics=(), on_hold=["j"] * 60, now=day(0) + timedelta(), zone="UTC")}
    assert f"on hold (the first {MOST_IDS} of 60)" in late


def test_the_page_of_definitions_is_what_the_board_says() -> None:
    assert (DOCS / "board.md").read_text("utf-8") == definitions(), "run: continuum board --definitions > docs/board.md"
