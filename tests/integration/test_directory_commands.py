"""The directory against a real PostgreSQL, by the command line, and by the mail that comes of it."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from activities.messages import MailMessages
from care.actor import Actor
from care.directory import Directory, resolve
from care.notice import Notice
from channels.mail import Mail, MailSettings
from continuum.directory_file import example, plain
from continuum.embedded.mail import read_mail
from gateway.acting import ActionRefused, perform
from records import directory as stored
from records import migrate as migrations
from records.database import Database, DatabaseRefused
from tests.integration.conftest import Office, Town
from tests.integration.tools import PATIENT, command, message, one_line, order, until

MONDAY = datetime(2027, 2, 1, 8, tzinfo=UTC)


def two_clinics() -> dict[str, Any]:
    """The example with a second clinic in Paris, a triage of its own, and a lead of its own."""
    content = plain(example("t"))
    north = {**content["clinics"][0], "id": "north", "name": "North", "lead": "p-surgeon", "country": "FR"}
    content["clinics"].append({**north, "timezone": "Europe/Paris", "hours": {"tue": ["09:00-12:00"]}})
    own = {"id": "triage", "clinic": "north", "name": "Triage North", "mailbox": "triage@north.example"}
    content["queues"].append({**own, "supervisor": "p-therapist-2", "members": []})
    return content


class TestApply:
    async def test_what_is_exported_applies_to_no_change(self, office: Office) -> None:
        begins = "2027-02-01"
        await office.apply(two_clinics())
        await office.run("absence", "add", "p-therapist", "--from", begins, "--until", begins, "--delegate", "p-lead")
        await office.run("on-call", "add", "p-on-call", "--from", begins, "--until", "2027-02-02 08:00:30")
        before = await office.load()
        written = (await office.run("directory", "export")).out
        for text in (written, (await office.run("directory", "export", "--json")).out):
            ran = await office.apply(text, "--json")
            assert (ran.code, ran.json["changes"]) == (0, [])
        assert await office.load() == before
        assert [c.id for c in before.clinics] == ["main", "north"]

    async def test_a_dry_run_says_the_same_and_writes_nothing(self, office: Office) -> None:
        before = await office.load()
        dry = await office.apply(two_clinics(), "--dry-run", "--json")
        assert await office.load() == before
        wet = await office.apply(two_clinics(), "--json")
        assert dry.json["changes"] == wet.json["changes"] != []
        assert (dry.json["dry_run"], wet.json["dry_run"]) == (True, False)
        assert {c["id"] for c in wet.json["changes"]} == {"north", "triage/north"}

    async def test_who_changed_what_is_kept_and_no_value_of_it(self, office: Office) -> None:
        content = plain(await office.load())
        carla = next(person for person in content["people"] if person["id"] == "p-coordinator")
        carla.update(name="Zq Secret", email="zq@secret.example")
        assert (await office.apply(content, "--as", "p-lead")).out.count(
            "changed people p-coordinator: name, email"
        ) == 1
        last = (await stored.history(office.town.database, office.tenant))[-1]
        assert (last["changed_by"], last["what"], last["part"]) == ("p-lead", "changed", "people")
        assert (last["subject"], last["fields"]) == ("p-coordinator", ["name", "email"])
        assert "ecret" not in str(last)

    async def test_the_audit_cannot_be_changed_by_the_application(self, office: Office) -> None:
        for sql in ("update continuum.directory_change set what = 'added'", "delete from continuum.directory_change"):
            with pytest.raises(DatabaseRefused):
                await office.town.database.execute(sql)

    async def test_who_is_not_in_the_file_any_more_is_gone_and_may_come_back(self, office: Office) -> None:
        content = plain(await office.load())
        left = next(p for p in content["people"] if p["id"] == "p-surgeon")
        content["people"].remove(left)
        assert "removed people p-surgeon" in (await office.apply(content)).out
        assert (await office.load()).person("p-surgeon") is None
        content["people"].append(left)
        assert "added people p-surgeon" in (await office.apply(content)).out
        assert (await office.load()).person("p-surgeon") is not None

    async def test_absences_stay_where_the_file_has_none_and_go_where_it_has_an_empty_list(
        self, office: Office
    ) -> None:
        await office.run("absence", "add", "p-therapist", "--from", "2027-02-01")
        content = plain(await office.load())
        without = {k: v for k, v in content.items() if k != "absences"}
        assert (await office.apply(without)).out == "nothing to change\n" or len((await office.load()).absences) == 1
        assert len((await office.load()).absences) == 1
        assert "removed absences p-therapist" in (await office.apply({**content, "absences": []})).out
        assert (await office.load()).absences == ()

    @pytest.mark.parametrize(
        ("wrong", "right", "place"),
        [
            ("lead: p-lead", "lead: p-gone", "clinics[0].lead: p-gone is not among the people"),
            ("supervisor: p-lead", "supervisor: null", "queues[2].supervisor: queue on_call has no supervisor"),
            ("country: AE", "country: ZZ", "clinics[0].country: no public holidays are known"),
            ("mon:", "monday:", "clinics[0].hours: opening hours by day are wanted"),
            ("mailbox: intake@clinic.example", "mailbox: intake", "queues[1].mailbox: this is no mail address"),
            ("id: p-lead", "id: P Lead", "people[4].id: an id is wanted"),
            ("name: Triage", "nome: Triage", "queues[5].name: this is missing"),
            ("clinics:", "clinic:", "clinic: there is no such part"),
            ("clinics:", "clinics: [", "expected"),
            ("clinics:", "clinics: []\nclinics:", "written twice"),
        ],
    )
    async def test_a_mistake_is_one_line_that_says_where(
        self, office: Office, wrong: str, right: str, place: str
    ) -> None:
        before = await office.load()
        text = (await office.run("directory", "export")).out
        assert wrong in text
        ran = await office.apply(text.replace(wrong, right, 1))
        one_line(ran, "clinic.yaml, line ", place)
        assert await office.load() == before

    async def test_check_lists_all_without_a_site(self, office: Office, tmp_path: Path) -> None:
        text = (await office.run("directory", "export")).out
        good = await command("directory", "check", office.file(text))
        assert (good.code, good.out.endswith("no mistake found\n")) == (0, True)
        text = text.replace("supervisor: p-lead", "supervisor: p-gone")
        bad = await command("directory", "check", office.file(text))
        assert (bad.code, bad.out.count("error: ")) == (1, 2)
        as_json = await command("directory", "check", "--json", office.file(text))
        assert [p["where"] for p in as_json.json] == ["queues[2].supervisor", "queues[3].supervisor"]
        one_line(await command("directory", "check", tmp_path / "none.yaml"), "cannot be read")
        binary = tmp_path / "binary.yaml"
        binary.write_bytes(b"\xff\xfe")
        one_line(await command("directory", "check", binary), "not text in UTF-8")

    async def test_show_has_everybody(self, office: Office) -> None:
        shown = (await office.run("directory", "show")).out
        assert all(p.id in shown for p in (await office.load()).people)
        assert (await office.run("directory", "show", "--json")).json == plain(await office.load())


class TestAbsenceAndOnCall:
    async def test_who_is_away_is_stood_in_for_until_they_are_back(self, office: Office) -> None:
        added = await office.run(
            *("absence", "add", "p-senior-therapist", "--from", "2027-02-01", "--until", "2027-02-05"),
            *("--delegate", "p-lead", "--as", "p-senior-therapist", "--json"),
        )
        assert (added.code, [c["what"] for c in added.json["changes"]]) == (0, ["added"])
        midnight = datetime(2027, 1, 31, 20, tzinfo=UTC)  # of the clinic, in Dubai
        assert await office.told("supervisor:triage", midnight - timedelta(seconds=1)) == "person:p-senior-therapist"
        assert await office.told("supervisor:triage", midnight) == "person:p-lead"
        assert await office.told("supervisor:triage", midnight + timedelta(days=4, hours=23)) == "person:p-lead"
        assert await office.told("supervisor:triage", midnight + timedelta(days=5)) == "person:p-senior-therapist"
        ended = await office.run(
            "absence", "end", "p-senior-therapist", "--from", "2027-02-01", "--until", "2027-02-02 12:00"
        )
        assert ended.code == 0, ended
        assert await office.told("supervisor:triage", midnight + timedelta(hours=35)) == "person:p-lead"
        assert await office.told("supervisor:triage", midnight + timedelta(hours=36)) == "person:p-senior-therapist"

    async def test_an_absence_that_will_not_be_is_taken_back(self, office: Office) -> None:
        await office.run("absence", "add", "p-lead", "--from", "2027-02-01")
        one_line(await office.run("absence", "end", "p-lead"), "p-lead is not away now", "Mon 01 Feb 2027")
        ran = await office.run("absence", "end", "p-lead", "--from", "2027-02-01", "--until", "2027-01-20")
        assert "removed absences p-lead" in ran.out
        assert (await office.load()).absences == ()

    async def test_who_is_away_now_is_back_now(self, office: Office) -> None:
        await office.run("absence", "add", "p-lead", "--from", "2026-01-01")
        assert (await office.run("absence", "end", "p-lead")).code == 0
        (absence,) = (await office.load()).absences
        assert absence.ends is not None
        assert abs(datetime.now(UTC) - absence.ends) < timedelta(minutes=5)

    async def test_whoever_is_on_call_is_told(self, office: Office) -> None:
        turn = ("--from", "2027-02-01 18:00", "--until", "2027-02-02 08:00")
        assert (await office.run("on-call", "add", "p-on-call", *turn)).code == 0
        begins = datetime(2027, 2, 1, 14, tzinfo=UTC)
        assert await office.told("queue:on_call", begins) == "person:p-on-call"
        assert await office.told("queue:on_call", begins + timedelta(hours=14)) == "queue:on_call"
        assert (
            await office.run("on-call", "end", "p-on-call", turn[0], turn[1], "--until", "2027-02-01 20:00")
        ).code == 0
        assert await office.told("queue:on_call", begins + timedelta(hours=2)) == "queue:on_call"

    async def test_a_gap_is_told_and_kept(self, office: Office) -> None:
        for day in ("2027-02-01", "2027-02-03"):
            ran = await office.run("on-call", "add", "p-on-call", "--from", day, "--until", day)
        assert ran.code == 0
        assert "warning: on_call: nobody is on call from" in ran.out
        assert len((await office.load()).on_call) == 2

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("absence", "add", "p-gone", "--from", "2027-02-01"), "p-gone is not among the people; there are"),
            (("absence", "add", "p-lead", "--from", "2027-02-01", "--delegate", "p-lead"), "in a circle"),
            (("absence", "add", "p-lead", "--from", "soon"), "--from: a moment is wanted"),
            (
                ("absence", "add", "p-lead", "--from", "2027-02-02", "--until", "2027-02-01"),
                "it has to end after it begins",
            ),
            (("absence", "add", "p-lead", "--from", "2027-02-02", "--as", "p-ghost"), "--as: p-ghost is not in"),
            (("absence", "add", "p-lead", "--from", "2027-02-02", "--as", "A B"), "--as is an id"),
            (
                ("on-call", "add", "p-lead", "--from", "2027-02-02", "--until", "2027-02-03", "--clinic", "x"),
                "not among",
            ),
            (("on-call", "end", "p-lead"), "p-lead is not on call now"),
        ],
    )
    async def test_a_mistake_changes_nothing(self, office: Office, arguments: tuple[str, ...], words: str) -> None:
        before = await office.load()
        one_line(await office.run(*arguments), words)
        assert await office.load() == before

    async def test_changes_at_once_are_all_kept(self, office: Office) -> None:
        def away(person: str) -> Any:
            new = Directory.model_validate({"absences": [{"person": person, "begins": MONDAY}]}).absences
            return lambda found: found.model_copy(update={"absences": (*found.absences, *new)})

        people = [p.id for p in (await office.load()).people]
        await asyncio.gather(*(stored.change(office.town.database, office.tenant, "x", away(p)) for p in people))
        assert {a.person for a in (await office.load()).absences} == set(people)


class TestDelivery:
    """What is told to whom is decided when it is sent, by the care time of the notice."""

    @pytest.fixture
    def alarms(self, town: Town) -> MailMessages:
        stack = town.stack.stack
        settings = MailSettings(host=stack.smtp_host, port=stack.smtp_port, sender="continuum@clinic.example")
        return MailMessages(town.database, Mail(settings), domain="clinic.example", alarm_address="last@clinic.example")

    async def sent(
        self, office: Office, audience: str, at: datetime, clinic: str = "main"
    ) -> tuple[dict[str, Any], list[str]]:
        """The notice's row after it was sent, and to which addresses."""
        journey = f"j{secrets.token_hex(6)}"
        notice = f"{journey}:notice:1"
        await office.town.database.execute(
            "insert into continuum.journey (id, tenant, clinic, stage, status, waiting_on, overdue, seq, at)"
            " values ($1, $2, $3, 'Referral', 'open', 'triage', false, 1, $4)",
            *(journey, office.tenant, clinic, at),
        )
        await office.town.database.execute(
            "insert into continuum.notice (id, journey, tenant, recipient, template, facts, send_after, hash)"
            " values ($1, $2, $3, $4, 'task_due', $5, $6, '')",
            *(notice, journey, office.tenant, audience, {"task": "answer_referral", "due": "2027-02-01T10:00"}, at),
        )

        async def ended() -> dict[str, Any] | None:
            row = await office.town.database.row("select * from continuum.notice where id = $1", notice)
            return dict(row) if row is not None and row["status"] not in ("queued", "sending") else None

        row: dict[str, Any] | None = await until(ended)
        assert row is not None
        return row, self.letters(office, journey)

    def letters(self, office: Office, journey: str) -> list[str]:
        return [to for m in read_mail(office.town.stack.folder.mail) if journey in m.body for to in m.to]

    async def test_a_mailbox_a_delegate_one_on_call_and_a_clinics_own_team(self, office: Office) -> None:
        await office.apply(two_clinics())
        await office.run("absence", "add", "p-supervisor", "--from", "2027-02-01", "--delegate", "p-front-desk")
        await office.run("on-call", "add", "p-on-call", "--from", "2027-02-01", "--until", "2027-02-01")
        for audience, days, clinic, address, to, why in (
            ("queue:triage", 0, "main", "triage@clinic.example", "queue:triage", "mailbox of the queue"),
            ("queue:triage", 0, "north", "triage@north.example", "queue:triage", "mailbox of the queue"),
            (
                *("supervisor:intake", 0, "main", "farid@clinic.example", "person:p-front-desk"),
                "supervisor of intake; delegate of p-supervisor",
            ),
            (
                *("supervisor:intake", -2, "main", "supervisor@clinic.example", "person:p-supervisor"),
                "supervisor of intake",
            ),
            ("queue:on_call", 0, "main", "omar@clinic.example", "person:p-on-call", "on call"),
            ("queue:on_call", 2, "main", "on-call@clinic.example", "queue:on_call", "mailbox of the queue"),
            (
                *("person:p-gone", 0, "north", "surgeon@clinic.example", "person:p-surgeon"),
                "p-gone is not in the directory: the clinic's lead",
            ),
        ):
            row, letters = await self.sent(office, audience, MONDAY + timedelta(days=days), clinic)
            assert letters == [address], (audience, row)
            assert (row["status"], row["resolved_to"], row["resolved_why"]) == ("sent", to, why)

    async def test_without_any_directory_it_fails_with_a_reason(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        office.tenant = f"nobody_{secrets.token_hex(4)}"
        row, letters = await self.sent(office, "queue:triage", MONDAY)
        assert (row["status"], row["reason"], row["resolved_to"], letters) == ("failed", "no address", None, [])

    async def test_an_alarm_goes_to_whoever_is_on_call(self, office: Office, alarms: MailMessages) -> None:
        await office.run("on-call", "add", "p-on-call", "--from", "2027-02-01", "--until", "2027-02-01")
        for hours, address, to in (
            (0, "omar@clinic.example", "person:p-on-call"),
            (48, "on-call@clinic.example", "queue:on_call"),
        ):
            journey = f"j{secrets.token_hex(6)}"
            alarm = Notice(
                id=f"{journey}:alarm:cauda:1",
                to="queue:on_call",
                template="red_flag_alarm",
                facts={"urgency": "E0", "stage": "Therapy"},
                send_after=MONDAY + timedelta(hours=hours),
            )
            assert await alarms.alarm(alarm, office.tenant) == "sent"
            assert self.letters(office, journey) == [address]
            row = await office.town.database.row("select * from continuum.notice where id = $1", alarm.id)
            assert row is not None
            assert row["resolved_to"] == to


async def test_a_referral_for_one_of_two_clinics_lives_by_its_hours(office: Office) -> None:
    await office.apply(two_clinics())
    file = office.town.file(f"{office.tenant}.json", message(order(patient=PATIENT)))
    one_line(await office.run("refer", file, "--clinic", "south"), "--clinic is one of: main, north")
    ran = await office.run("refer", "--json", file, "--clinic", "north")
    journey = str(ran.lines[0]["journey"])
    database = office.town.database

    async def begun() -> bool:
        return bool(await database.value("select count(*) from continuum.journey where id = $1", journey))

    await until(begun)
    assert await database.value("select clinic from continuum.journey where id = $1", journey) == "north"
    due = await database.value("select min(due_at) from continuum.task where journey = $1", journey)
    assert (due.weekday(), due.hour in (10, 11)) == (1, True), "it is open on Tuesdays until noon, in Paris"


class TestActions:
    async def test_a_clinician_who_is_not_there_is_refused_and_those_who_are_named(self, town: Town) -> None:
        journey = await town.begin("directory.json")
        ran = await town.act(journey, "evaluate", clinician="p-gone", scores={"odi": 20})
        assert (ran.code, ran.json["kind"]) == (1, "UnknownPerson")
        assert "p-therapist" in ran.json["reason"]
        ran = await town.act(journey, "evaluate", clinician="p-therapist", scores={"odi": 20})
        assert ran.json["kind"] == "NotNow"

    async def test_a_repeat_is_answered_also_when_the_person_has_left(self, town: Town) -> None:
        """What was done before is done; who left since does not undo it."""
        in_referral = ("select 1 from continuum.journey where stage = 'Referral' and id = $1",)
        player = town.player("left")
        await player.refer(message(order(patient=PATIENT)))
        await player.act("choose_pathway", pathway="low_back_pain")
        await player.act("record_consent", messages=False)
        await player.act("screen", others_absent=True)
        await until(lambda: town.database.value(*in_referral, player.journey))
        actor = Actor(person="p-therapist", role="therapist", tenant="clinic")
        action: dict[str, Any] = {"journey": player.journey, "name": "accept", "actor": actor}

        async def accept(action_id: str) -> Any:
            data = {"clinician": "p-cli"}
            return await perform(town.client, town.database, data=data, action_id=action_id, **action)

        first = await accept("once")
        everybody = (await stored.load(town.database, "clinic")).people

        async def people(those: Any) -> None:
            await stored.change(
                town.database, "clinic", "tests", lambda found: found.model_copy(update={"people": those})
            )

        await people(tuple(p for p in everybody if p.id != "p-cli"))
        try:
            assert (await accept("once")).seq == first.seq
            with pytest.raises(ActionRefused, match="nobody of that id"):
                await accept("again")
        finally:
            await people(everybody)


async def test_a_site_that_is_at_work_keeps_its_mailboxes(town: Town) -> None:
    """Its people and queues come from what stood there; the lead supervises until somebody says otherwise."""
    name = f"old_{secrets.token_hex(4)}"
    superuser = await asyncpg.connect(town.stack.dsn("postgres"))
    await superuser.execute(f"create database {name} owner owner")
    await superuser.close()
    dsn = town.stack.dsn("owner").replace("/continuum?", f"/{name}?")
    if dsn == town.stack.dsn("owner"):
        dsn = f"{dsn.rpartition('/')[0]}/{name}"
    owner = await asyncpg.connect(dsn)
    for number, _, sql in migrations.migrations():
        if number == 3:
            await owner.execute(
                "insert into continuum.clinic (tenant, id, name, lead, timezone, country, week)"
                " values ('old', 'main', 'Old', 'p-chief', 'Asia/Dubai', 'AE', $1)",
                '[[["08:00","18:00"]],[],[],[],[],[],[]]',
            )
            await owner.executemany(
                "insert into continuum.contact (tenant, id, name, email) values ('old', $1, $2, $3)",
                [
                    ("queue:triage", "Triage", "triage@old.example"),
                    ("queue:on_call", "On call", "on-call@old.example"),
                    ("person:p-anna", "Anna", "anna@old.example"),
                    ("person:NOT AN ID", "Odd", "odd@old.example"),
                ],
            )
            await owner.execute(
                "insert into continuum.visit (id, journey, tenant, clinic, clinician, starts_at, ends_at, status, seq)"
                " values ('v', 'j', 'old', 'main', 'p-booked', now(), now() + interval '1 hour', 'booked', 1)"
            )
        await owner.execute(sql)
    await owner.close()
    database = await Database.open(dsn, size=1)
    try:
        found = await stored.load(database, "old")
    finally:
        await database.close()
    assert resolve(found, "queue:triage", MONDAY).email == "triage@old.example"
    assert resolve(found, "queue:on_call", MONDAY).email == "on-call@old.example"
    assert resolve(found, "person:p-anna", MONDAY).email == "anna@old.example"
    assert resolve(found, "supervisor:triage", MONDAY).id == "person:p-chief"
    assert {p.id for p in found.people} == {"p-anna", "p-chief", "p-booked"}
    assert found.clinics[0].quiet_from.hour == 20
