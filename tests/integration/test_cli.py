"""The command line: exit codes, one line for a mistake, JSON that parses, and never a traceback."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
from pathlib import Path

import pytest

from continuum.demo import referrals
from continuum.demo.play import perform
from continuum.demo.repertoire import STORIES
from continuum.demo.stories import COURSES, intake
from tests.integration.conftest import Town
from tests.integration.tools import PATIENT, Ran, command, is_calm, message, one_line, order, process

LISTS = ("journeys", "tasks", "notices", "mail")


@pytest.fixture(scope="module")
async def journey(town: Town) -> str:
    """One journey in therapy, with decisions, notices and mail; and one in which things are owed."""
    await town.begin("owed.json")
    player = town.player("cli")
    await player.refer(referrals.back_pain())
    await intake(player, "low_back_pain")
    await player.act("book_visit", clinician="p-cli", starts_at=await player.slot(after=await player.now()))
    return player.journey


class TestAnswers:
    @pytest.mark.parametrize("name", LISTS)
    async def test_lists_for_people_and_for_programs(self, town: Town, journey: str, name: str) -> None:
        plain, as_json = await town.run(name), await town.run(name, "--json")
        assert (plain.code, plain.err, as_json.code, as_json.err) == (0, "", 0, "")
        assert isinstance(as_json.json, list)
        assert as_json.json
        assert plain.out.splitlines()
        assert "\x1b[" not in plain.out

    async def test_the_filters_filter(self, town: Town, journey: str) -> None:
        other = await town.begin("filters.json")
        by_stage = (await town.run("journeys", "--json", "--stage", "therapy")).json
        assert journey in [row["id"] for row in by_stage]
        assert other not in [row["id"] for row in by_stage]
        assert (await town.run("journeys", "--json", "--status", "closed")).json == []
        owners = {row["owner"] for row in (await town.run("tasks", "--json", "--owner", "therapists")).json}
        assert owners <= {"queue:therapists"}
        mine = (await town.run("notices", "--json", "--journey", journey)).json
        assert {row["journey"] for row in mine} == {journey}

    async def test_show(self, town: Town, journey: str) -> None:
        record = (await town.run("show", "--json", journey)).json
        assert [row["seq"] for row in record["journal"]] == list(range(1, len(record["journal"]) + 1))
        plain = await town.run("show", journey)
        assert plain.code == 0
        assert "Daniel Okafor" in plain.out
        assert "Journal" in plain.out
        assert f"continuum show {journey} --why ROW" in plain.out

    async def test_why_of_every_decision(self, town: Town, journey: str) -> None:
        record = (await town.run("show", "--json", journey)).json
        decided = [row for row in record["journal"] if row["rule"]]
        assert len(decided) >= 3
        for row in decided:
            plain = await town.run("show", journey, "--why", str(row["seq"]))
            assert plain.code == 0
            assert f"{row['rule']}, version {row['rule_version']}" in plain.out
            assert "the same decision" in plain.out
            assert "Inputs" in plain.out
            why = (await town.run("show", journey, "--why", str(row["seq"]), "--json")).json
            assert why["same_today"] is True
            assert why["inputs"]

    async def test_mail_shows_one_letter_whole(self, town: Town, journey: str) -> None:
        (number, *_) = [letter["number"] for letter in (await town.run("mail", "--json")).json]
        plain = await town.run("mail", str(number))
        assert plain.code == 0
        assert plain.out.startswith("To: ")
        assert [letter["number"] for letter in (await town.run("mail", str(number), "--json")).json] == [number]

    async def test_help_of_every_command(self, town: Town) -> None:
        every = (*LISTS, "up", "demo", "refer", "show", "act", "worker", "migrate")
        for name in every:
            ran = await command(name, "--help")
            assert ran.code == 0
            assert "Usage:" in ran.out


class TestMistakes:
    async def test_ids_and_rows_that_are_not_there(self, town: Town, journey: str) -> None:
        one_line(await town.run("show", "j0"), "there is no journey 'j0'", "continuum journeys")
        one_line(await town.run("show", journey, "--why", "9999"), "the journal has no row 9999; it has 1 to")
        record = (await town.run("show", "--json", journey)).json
        undecided = next(row["seq"] for row in record["journal"] if not row["rule"])
        one_line(await town.run("show", journey, "--why", str(undecided)), "was not decided by a rule; these were:")
        one_line(await town.run("mail", "99999"), "there is no message 99999")
        one_line(await town.run("mail", "two"), "'number'", "--help says how")
        one_line(await town.run("show"), "Missing argument 'ID'")
        one_line(await town.run("cure"), "No such command 'cure'")
        one_line(await town.run("notices", "--journey", "j0"), "there is no journey of that id")
        one_line(await town.run("tasks", "--owner", "p-gone"), "--owner: p-gone is not in the directory")
        one_line(await town.act(journey, "resume", "--person", "p-gone"), "--person: p-gone is not in the directory")
        one_line(await town.act(journey, "hold", reason="patient_ill", review_on="2026-12-01"), "a moment with its")
        one_line(await town.act(journey, "request_help", task="x", of="triage"), "person:ID or queue:NAME is wanted")
        one_line(await town.act("j0", "resume"), "there is no journey of that id")

    async def test_actions_that_make_no_sense(self, town: Town, journey: str) -> None:
        one_line(await town.act(journey, "cure"), "there is no action of that name; there are: accept,")
        one_line(await town.act(journey, "hold"), "Field required", "fields of hold: reason, review_on")
        one_line(await town.act(journey, "hold", reason="bored", review_on="tomorrow"), "reason")
        one_line(await town.act(journey, "resume", surprise=1), "data: Extra inputs are not permitted")
        one_line(await town.act(journey, "resume", note=" "), "note: words are wanted")
        one_line(await town.act(journey, "resume", note="nul \0"), "note: words are wanted")
        one_line(await town.act(journey, "resume", note="half \ud800"), "note: words are wanted")
        one_line(await town.act(journey, "resume", note=7), "note: words are wanted")
        one_line(await town.act(journey, "resume", "--action-id", "no id"), "action_id")
        one_line(await town.act(journey, "resume", "--person", "Dr. Who"), "--person is an id of the directory")
        one_line(await town.act(journey, "resume", "--role", "king"), "--role is one of: referrer,")
        one_line(await town.act(journey, "resume", "--expect", "limbo"), "--expect is one of: Intake,")

    @pytest.mark.parametrize("data", ["", "{", "[]", "null", "7", '"x"', "{'a': 1}"])
    async def test_data_that_is_no_object(self, town: Town, journey: str, data: str) -> None:
        ran = await town.run("act", journey, "resume", "--data", data)
        one_line(ran, "--data is a JSON object")

    async def test_folders_that_are_none(self, town: Town, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_text("x")
        for name in (*LISTS, "show"):
            more = ("j0",) if name == "show" else ()
            one_line(await command(name, "--dir", tmp_path / "none", *more), "nothing runs in", "continuum up")
            one_line(await command(name, "--dir", tmp_path, *more), "nothing runs in")
            one_line(await command(name, "--dir", file, *more), "Not a directory")

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("CONTINUUM_DATABASE_CONNECTIONS", "many", "CONTINUUM_DATABASE_CONNECTIONS is set wrongly"),
            ("CONTINUUM_SMTP_TLS", "maybe", "CONTINUUM_SMTP_TLS is set wrongly"),
            ("CONTINUUM_DATABASE_URL", "no url", "PostgreSQL cannot be reached"),
            ("CONTINUUM_DIR", "nowhere", "nothing runs in"),
        ],
    )
    async def test_an_environment_that_is_wrong(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
    ) -> None:
        monkeypatch.setenv(name, value)
        one_line(await command("journeys"), words)

    async def test_a_password_file_that_is_not_there(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("CONTINUUM_DATABASE_URL", "postgresql://app@127.0.0.1:1/continuum")
        monkeypatch.setenv("CONTINUUM_DATABASE_PASSWORD_FILE", str(tmp_path / "none"))
        one_line(await command("journeys"), "CONTINUUM_DATABASE_PASSWORD_FILE cannot be read")

    async def test_migrate_without_a_database(self, tmp_path: Path) -> None:
        url = "postgresql://owner@127.0.0.1:1/continuum"
        one_line(await command("migrate", "--owner-url", url), "PostgreSQL cannot be reached as the database's owner")
        one_line(await command("migrate", "--owner-url", "no url"), "PostgreSQL cannot be reached")
        one_line(
            await command("migrate", "--owner-url", url, "--owner-password-file", tmp_path / "none"), "cannot be read"
        )

    async def test_up_where_it_cannot(self, town: Town, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            taken = await process("up", "--dir", town.inbox.parent / "new", "--smtp-port", str(port))
        refused(taken, f"port {port} (mail, asked for) is in use")
        refused(await process("up", "--dir", town.folder), "is in use by process")
        (tmp_path / "thesis.txt").write_text("mine")
        refused(await process("up", "--dir", tmp_path), "is not empty and not a Continuum folder")
        refused(await process("up", "--dir", tmp_path / "thesis.txt"), "Not a directory")

    async def test_ports_that_are_none(self) -> None:
        for port in ("0", "65536", "x"):
            ran = await command("up", "--ui-port", port)
            assert ran.code == 2
            is_calm(Ran(2, ran.out, ""))
            assert "--ui-port" in ran.err


def refused(ran: Ran, words: str) -> None:
    """As `one_line`, after what `up` says of its progress."""
    *progress, last = ran.err.splitlines()
    assert all(line.startswith("  ") for line in progress), ran.err
    one_line(Ran(ran.code, ran.out, f"{last}\n"), words)


class TestRefusals:
    async def refused(self, town: Town, kind: str, journey: str, action: str, *options: str, **data: object) -> str:
        as_json = await town.act(journey, action, *options, **data)
        assert (as_json.code, as_json.err) == (1, ""), as_json
        assert (as_json.json["outcome"], as_json.json["kind"]) == ("refused", kind), as_json
        plain = await town.run("act", journey, action, "--data", json.dumps(data), *options)
        assert (plain.code, plain.out) == (1, f"refused: {as_json.json['reason']}\n")
        return str(as_json.json["reason"])

    async def test_each_says_why_and_what_is_right(self, town: Town, journey: str) -> None:
        why = await self.refused(town, "NotNow", journey, "accept")
        assert why.startswith("accept cannot be done in this stage; possible now: accept_handover, acknowledge_task,")
        why = await self.refused(town, "StageMoved", journey, "hold", "--expect", "intake", **HOLD)
        assert why == "this was meant for Intake; the journey is now in Therapy"
        await self.refused(town, "NotOnHold", journey, "resume")
        await self.refused(town, "BadDate", journey, "hold", reason="patient_ill", review_on="2020-01-01T00:00:00Z")
        await self.refused(town, "NoSuchVisit", journey, "cancel_visit", visit="v", reason="patient")
        await self.refused(town, "NoSuchFlag", journey, "handle_red_flag", flag="ces", outcome="cleared")
        await self.refused(town, "NoSuchScore", journey, "enter_in_error", what="score", id="s")
        await self.refused(town, "NoSummary", journey, "confirm_receipt")
        await self.refused(town, "NoAmendment", journey, "review_amendment", decision="taken_over")
        await self.refused(town, "NoSuchTask", journey, "settle_notice", task="t", outcome="not_needed")
        await self.refused(town, "UnknownSign", journey, "screen", answers={"x": True})
        assert "it uses: " in await self.refused(town, "UnknownMeasure", journey, "record_scores", scores={"x": 1})
        await self.refused(town, "BadScore", journey, "record_scores", scores={"nprs": 11})
        await self.refused(town, "NoScores", journey, "record_scores", scores={})

    async def test_an_action_id_means_one_action(self, town: Town) -> None:
        journey = await town.begin("one-action.json")
        first = await town.act(journey, "record_consent", "--action-id", "a1", messages=True)
        assert (first.code, first.json["text"]) == (0, "The patient agrees to be written to")
        again = await town.act(journey, "record_consent", "--action-id", "a1", messages=True)
        assert (again.code, again.json["seq"]) == (0, first.json["seq"])
        assert len((await town.run("show", "--json", journey)).json["journal"]) == first.json["seq"]
        await self.refused(town, "ActionReused", journey, "record_consent", "--action-id", "a1", messages=False)
        await self.refused(town, "ActionReused", journey, "match_patient", "--action-id", "a1")

    async def test_a_repeat_with_a_note_is_the_same_action(self, town: Town) -> None:
        journey = await town.begin("note.json")
        for _ in range(2):
            ran = await town.act(journey, "hold", "--action-id", "a2", note="away until spring", **HOLD)
            assert ran.json["outcome"] == "done"
        await self.refused(town, "ActionReused", journey, "hold", "--action-id", "a2", note="other words", **HOLD)
        notes = await town.database.fetch("select body from continuum.note where journey = $1", journey)
        assert [row["body"] for row in notes] == ["away until spring"]

    async def test_a_repeat_in_a_later_stage_has_the_first_answer(self, town: Town) -> None:
        player = town.player("later")
        await player.refer(referrals.back_pain())
        first = await town.act(player.journey, "record_consent", "--action-id", "a3", messages=True)
        await intake(player, "low_back_pain")
        again = await town.act(player.journey, "record_consent", "--action-id", "a3", messages=True)
        assert (again.code, again.json["seq"], again.json["text"]) == (0, first.json["seq"], "done before")
        await self.refused(town, "ActionReused", player.journey, "record_consent", "--action-id", "a3", messages=False)
        await self.refused(town, "ActionReused", player.journey, "resume", "--action-id", "a3")

    async def test_what_is_closed_stays_closed(self, town: Town) -> None:
        journey = await town.begin("closed.json")
        done = await town.act(journey, "withdraw", "--action-id", "a4", reason="patient_declined")
        assert done.json["status"] == "closed"
        assert "closed" in await self.refused(town, "Closed", journey, "record_consent", messages=True)
        again = await town.act(journey, "withdraw", "--action-id", "a4", reason="patient_declined")
        assert (again.code, again.json["seq"]) == (0, done.json["seq"])


HOLD = {"reason": "patient_away", "review_on": "2031-01-01T08:00:00Z"}


class TestAsAProcess:
    """The entry point itself, with its own logging and its own standard error."""

    async def test_it_answers_and_is_quiet(self, town: Town, journey: str) -> None:
        ran = await process("act", "--dir", town.folder, "--json", journey, "resume")
        assert (ran.code, ran.err, ran.json["kind"]) == (1, "", "NotOnHold")
        one_line(await process("act", "--dir", town.folder, journey, "cure"))
        one_line(await process("show", "--dir", town.folder, "nobody"))

    async def test_a_reader_that_goes_away_is_no_fault(self, town: Town) -> None:
        ran = await process("journeys", "--dir", town.folder, "--json")
        assert ran.json

    async def test_without_temporal_an_action_is_refused_in_one_line(self, town: Town, journey: str) -> None:
        ran = await process("act", journey, "resume", env=await elsewhere(town, temporal="127.0.0.1:1"))
        one_line(ran, "Temporal cannot be reached")


async def elsewhere(town: Town, *, temporal: str) -> dict[str, str]:
    """The environment of a larger site: this PostgreSQL, and some Temporal."""
    return {"CONTINUUM_DATABASE_URL": town.stack.dsn("app"), "TEMPORAL_ADDRESS": temporal}


@pytest.mark.timeout(180)
class TestDemo:
    async def test_in_json_with_a_referral_brought_along(self, tmp_path: Path) -> None:
        good, bad = tmp_path / "good.json", tmp_path / "bad.json"
        good.write_bytes(message(order(patient=PATIENT)))
        bad.write_bytes(b"{}")
        ran = await process("demo", "--json", "--referral", good, "--referral", bad)
        assert (ran.code, ran.err) == (0, "")
        rows = {row["story"]: row for row in ran.json}
        assert set(rows) == {*(story.name for story in STORIES), "good.json", "bad.json"}
        assert all(row["as_written"] for row in rows.values())
        assert rows["knee"]["stages"][-1] == "FollowUp"
        assert rows["knee"]["days"] > 300
        assert rows["red flag"]["outcome"] == "emergency"
        assert (rows["good.json"]["status"], rows["good.json"]["stages"]) == ("open", ["Intake"])
        assert rows["bad.json"]["outcome"] == "refused"

    async def test_for_people_in_a_folder_of_their_own(self, town: Town, capsys: pytest.CaptureFixture[str]) -> None:
        folder = town.inbox.parent / "demo"
        short = (COURSES[-1], dataclasses.replace(COURSES[-1], outcome="completed"))
        for story, code, word in zip(short, (0, 1), ("yes", "NO"), strict=True):
            ended = await perform(folder=folder, keep=False, referrals=[], json_=False, stories=(story,))
            out = capsys.readouterr().out
            assert ended == code
            assert "How the journeys ended" in out
            assert re.search(rf"\b{word}\b", out)
            assert "Mail: the last" in out

    async def test_a_referral_that_is_not_there(self, tmp_path: Path) -> None:
        one_line(await command("demo", "--referral", tmp_path / "none.json"), "cannot be read")
