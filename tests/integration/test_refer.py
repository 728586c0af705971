"""`continuum refer`: acknowledged means stored, one referral is one journey, and every refusal says why."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.referring import receive
from records.database import DatabaseAway
from tests.gateway.test_fhir_referral import BAD, GOOD, INPUTS, needs_inputs, qualifies
from tests.integration.conftest import Town
from tests.integration.tools import PATIENT, command, is_calm, message, one_line, order, process, until

FIELDS = {"file", "outcome", "journey", "reason", "path"}
TWENTY = 20


async def test_every_fixture_is_accepted_or_refused_with_a_reason(town: Town) -> None:
    ran = await town.run("refer", "--json", *GOOD, *BAD)
    is_calm(ran)
    assert ran.code == 1
    assert [line["file"] for line in ran.lines] == [str(file) for file in (*GOOD, *BAD)]
    assert all(set(line) == FIELDS for line in ran.lines)
    for line in ran.lines[: len(GOOD)]:
        assert line["outcome"] == "accepted", line
        assert line["journey"].startswith("j")
    for line in ran.lines[len(GOOD) :]:
        assert (line["outcome"], line["journey"]) == ("refused", None), line
        assert line["reason"]
        assert line["path"]
    await asyncio.gather(*(town.begun(line["journey"]) for line in ran.lines[: len(GOOD)]))
    again = await town.run("refer", *GOOD)
    assert again.code == 0
    assert [row.split()[1] for row in again.out.splitlines()] == ["duplicate"] * len(GOOD)


@needs_inputs
@pytest.mark.timeout(180)
async def test_every_public_order_is_taken(town: Town) -> None:
    files = sorted(INPUTS.rglob("*.json"))
    wanted = [str(file) for file in files if qualifies(file.read_bytes())]
    ran = await town.run("refer", "--json", *files)
    is_calm(ran)
    assert ran.code == 1
    assert ran.err == ""
    lines = {line["file"]: line for line in ran.lines}
    assert len(lines) == len(ran.lines) == len(files)
    assert all(set(line) == FIELDS for line in ran.lines)
    assert len(wanted) >= 30
    not_taken = [lines[file] for file in wanted if lines[file]["outcome"] == "refused"]
    # Several of these files use one delivery id for different content: that is refused, and says so.
    assert [line for line in not_taken if "delivery's id was used before" not in line["reason"]] == []
    assert all(line["reason"] for line in ran.lines if line["outcome"] == "refused")
    stored = await town.database.value("select count(*) from continuum.inbound")
    assert stored >= len(files)


async def test_one_file_by_twenty_senders_at_once_is_one_journey(town: Town) -> None:
    raw = message(order(patient=PATIENT))
    now = datetime.now(UTC)
    answers = await asyncio.gather(
        *(receive(town.database, raw, tenant="clinic", source="race", now=now) for _ in range(TWENTY))
    )
    assert Counter(answer.outcome for answer in answers) == {"accepted": 1, "duplicate": TWENTY - 1}
    (journey,) = {answer.journey for answer in answers}
    assert journey is not None
    await town.begun(journey)
    by_command = await asyncio.gather(
        *(process("refer", "--dir", town.folder, "--json", town.file("race.json", raw)) for _ in range(2))
    )
    assert {ran.lines[0]["journey"] for ran in by_command} == {journey} or {
        ran.lines[0]["outcome"] for ran in by_command
    } == {"accepted", "duplicate"}, "another door, another source"
    runs = [run async for run in town.client.list_workflows(f"WorkflowId = '{journey}'")]
    assert len(runs) == 1


async def test_one_delivery_id_with_twenty_contents_is_taken_once(town: Town) -> None:
    now = datetime.now(UTC)
    raws = [message(order(patient=PATIENT), id="one-delivery") for _ in range(TWENTY)]
    answers = await asyncio.gather(
        *(receive(town.database, raw, tenant="clinic", source="race", now=now) for raw in raws)
    )
    assert Counter(answer.outcome for answer in answers) == {"accepted": 1, "refused": TWENTY - 1}
    assert {a.reason for a in answers if a.outcome == "refused"} == {
        "this delivery's id was used before for other content: give every delivery an id of its own"
    }
    known = await town.database.value(
        "select count(*) from continuum.referral r join continuum.inbound i on i.id = r.inbound"
        " where i.transport_key = 'Bundle/one-delivery'"
    )
    assert known == 1


async def test_the_same_delivery_with_other_content_is_refused_and_kept(town: Town) -> None:
    first = town.file("first.json", message(order(patient=PATIENT), id="delivery-7"))
    other = town.file("other.json", message(order(patient=PATIENT), id="delivery-7"))
    ran = await town.run("refer", "--json", first, other)
    assert ran.code == 1
    assert [line["outcome"] for line in ran.lines] == ["accepted", "refused"]
    assert "this delivery's id was used before for other content" in ran.lines[1]["reason"]
    assert ran.lines[1]["journey"] is None
    kept = await town.database.value("select count(*) from continuum.inbound where raw = $1", other.read_bytes())
    assert kept == 1


async def test_referrals_that_cannot_be_started_hold_up_none(town: Town) -> None:
    """A whole page of them, older than the one that can."""
    bad = [f"j-unreadable-{n}" for n in range(60)]
    await town.database.execute(
        "with i as (insert into continuum.inbound (tenant, source, transport_key, sha256, raw, media_type, outcome)"
        " values ('clinic', 'bad', 'k', 'h', '', '', 'accepted') returning id)"
        " insert into continuum.referral (journey, tenant, source, referral_id, sha256, inbound, facts, received_at)"
        " select bad, 'clinic', 'bad', bad, 'h', i.id, '{}', '2020-01-01' from i, unnest($1::text[]) as bad",
        bad,
    )
    await town.begin("after-the-bad.json")
    tried = await town.database.value(
        "select count(*) from continuum.referral where journey = any($1) and start_attempts > 0", bad
    )
    assert tried >= 50
    await town.database.execute("update continuum.referral set started_at = now() where journey = any($1)", bad)


async def test_an_amendment_waits_for_a_person(town: Town) -> None:
    resource = order(patient=PATIENT)
    journey = await town.begin("original.json", message(resource))
    changed = town.file("changed.json", message({**resource, "note": [{"text": "not before noon"}]}))
    for outcome in ("amendment", "duplicate"):
        ran = await town.run("refer", "--json", changed)
        assert (ran.code, ran.lines[0]["outcome"], ran.lines[0]["journey"]) == (0, outcome, journey)

    async def owed() -> bool:
        tasks = (await town.run("tasks", "--json")).json
        return [t["kind"] for t in tasks if t["journey"] == journey].count("review_amendment") == 1

    await until(owed)
    done = await town.act(journey, "review_amendment", decision="taken_over")
    assert done.json["outcome"] == "done"


async def test_a_patient_by_reference_is_taken_and_matched_by_a_person(town: Town) -> None:
    journey = await town.begin("reference.json", message(order()))
    record = (await town.run("show", "--json", journey)).json
    assert "match_patient" in [t["kind"] for t in record["tasks"] if t["settled_at"] is None]
    assert (await town.act(journey, "match_patient")).json["outcome"] == "done"
    again = await town.act(journey, "match_patient")
    assert (again.code, again.json["kind"]) == (1, "AlreadyMatched")


LOW_BACK = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "M54.50"}]}
KNEE_OR_REPLACEMENT = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "M17.11"}]}


async def matched(town: Town, name: str, **fields: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """A referral with these fields: the journal row of its matching, and the whole record."""
    journey = await town.begin(name, message({**order(patient=PATIENT), **fields}))
    record = (await town.run("show", "--json", journey)).json
    (row,) = [r for r in record["journal"] if r["kind"] == "matching"]
    return row, record


def owed(record: dict[str, Any]) -> set[str]:
    return {t["kind"] for t in record["tasks"] if t["settled_at"] is None}


async def test_codes_settle_the_pathway_and_the_journal_says_why(town: Town) -> None:
    row, record = await matched(town, "settled.json", reasonCode=[LOW_BACK])
    assert record["pathway"].startswith("low_back_pain@")
    assert "choose_pathway" not in owed(record)
    assert "the codes name one pathway" in row["text"]
    assert "M54" not in json.dumps([row["text"], row["inputs"], row["outcome"]]), "codes stay where they were stored"
    chosen = next(r for r in record["journal"] if r["kind"] == "pathway")
    assert "DRAFT, not signed by a clinician" in chosen["text"]
    shown = await town.run("show", record["id"])
    assert "DRAFT, not signed by a clinician" in shown.out


async def test_unsure_is_a_task_with_the_candidates(town: Town) -> None:
    row, record = await matched(town, "unsure.json", reasonCode=[KNEE_OR_REPLACEMENT])
    assert record["pathway"] is None
    assert "choose_pathway" in owed(record)
    assert row["data"]["candidates"].split(", ")[:2] == ["knee_osteoarthritis", "total_knee_replacement"]
    done = await town.act(record["id"], "choose_pathway", pathway="knee_osteoarthritis")
    assert done.json["outcome"] == "done"


async def test_words_raise_a_question_and_never_enter_the_workflow(town: Town) -> None:
    words = "no saddle numbness that she knows of"
    row, record = await matched(town, "question.json", reasonCode=[{**LOW_BACK, "text": words}])
    assert record["pathway"].startswith("low_back_pain@")
    assert "saddle_numb" in row["outcome"]["questions"]
    said = await town.act(record["id"], "screen", others_absent=True)
    assert (said.code, said.json["outcome"]) == (0, "done"), "what was answered counts at once"
    asked = await town.run("show", record["id"], "--json")
    assert "finish_screen" in owed(asked.json), "a hinted question needs an answer of its own"
    history = await town.client.get_workflow_handle(record["id"]).fetch_history()
    assert history.events
    assert not any(b"saddle numbness" in event.SerializeToString() for event in history.events)
    assert any(b"saddle_numb" in event.SerializeToString() for event in history.events), "ids may"


async def test_while_temporal_is_down_it_is_taken_and_begins_later(town: Town) -> None:
    temporal = town.stack.child("temporal")
    temporal.send(signal.SIGSTOP)  # silent rather than gone: the supervisor does not bring it back
    try:
        ran = await process("refer", "--dir", town.folder, "--json", town.file("early.json", message(order())))
        assert (ran.code, ran.lines[0]["outcome"], ran.err) == (0, "accepted", "")
        journey = ran.lines[0]["journey"]
        listed = await town.run("journeys")
        assert "stored and begin in a moment" in listed.out
        row = await town.database.row("select started_at from continuum.referral where journey = $1", journey)
        assert row is not None
        assert row["started_at"] is None
    finally:
        temporal.send(signal.SIGCONT)
    await town.begun(journey)


@pytest.mark.parametrize("way", ["silent", "gone"])
async def test_while_postgresql_is_down_nothing_is_acknowledged(town: Town, way: str) -> None:
    file = town.file(f"refused-{way}.json", message(order()))
    if way == "gone":
        one_line(await process("refer", file, env={"CONTINUUM_DATABASE_URL": "postgresql://app@127.0.0.1:1/continuum"}))
    else:
        postgres = town.stack.child("postgres")
        postgres.send(signal.SIGSTOP)
        try:
            one_line(await process("refer", "--dir", town.folder, "--json", file), "PostgreSQL cannot be reached")
        finally:
            postgres.send(signal.SIGCONT)
    assert await town.database.value("select count(*) from continuum.inbound where raw = $1", file.read_bytes()) == 0
    ran = await town.run("refer", "--json", file)
    assert ran.lines[0]["outcome"] == "accepted", "the same file, sent again"


async def test_a_postgresql_that_dies_halfway_acknowledges_only_what_it_stored(town: Town) -> None:
    """Some backends are killed while twenty are taken in: whoever was answered is stored."""
    raws = [message(order()) for _ in range(TWENTY)]
    now = datetime.now(UTC)

    async def one(raw: bytes) -> str | None:
        try:
            return (await receive(town.database, raw, tenant="clinic", source="halfway", now=now)).journey
        except DatabaseAway:
            return None

    async def strike() -> None:
        connection = await asyncpg.connect(town.stack.dsn("postgres"))
        for _ in range(5):
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app' limit 2"
            )
            await asyncio.sleep(0.005)
        await connection.close()

    *answers, _ = await asyncio.gather(*(one(raw) for raw in raws), strike())
    for raw, journey in zip(raws, answers, strict=True):
        found = await until_stored(town, raw)
        if journey is not None:
            assert found == journey, "acknowledged means stored"


async def until_stored(town: Town, raw: bytes) -> str | None:
    row = await town.database.row("select journey from continuum.inbound where raw = $1", raw)
    return row["journey"] if row else None


async def test_a_file_that_cannot_be_read_is_a_mistake(town: Town, tmp_path: Path) -> None:
    one_line(await town.run("refer", tmp_path / "nowhere.json"), "cannot be read (No such file or directory)")
    one_line(await town.run("refer", tmp_path), "cannot be read")


async def test_a_file_with_an_odd_name_and_an_empty_one(town: Town) -> None:
    odd = town.inbox / "a\nb \udcff.json"
    odd.write_bytes(b"")
    ran = await process("refer", "--dir", town.folder, "--json", odd)
    is_calm(ran)
    assert ran.code == 1
    assert ran.lines[0]["reason"] == "the message is empty; send a FHIR R4 resource as JSON"
    plain = await process("refer", "--dir", town.folder, odd, env={"PYTHONIOENCODING": "utf-8:strict"})
    is_calm(plain)
    assert plain.code == 1
    assert plain.out.count("\n") == 1


async def test_without_a_stack_nothing_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(json.dumps(order()).encode())
    one_line(await command("refer", "--dir", tmp_path / "none", file), "nothing runs in", "continuum up")
