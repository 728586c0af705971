"""The command line over the API says what it says over the record, with the same exit codes."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from continuum.commands.common import Mistake
from continuum.commands.remote import checked
from continuum.demo.player import Player
from tests.gateway.staff.conftest import Desk, Served
from tests.integration.tools import command, one_line


async def test_reading_is_the_same(served: Served, begun: Player) -> None:
    row = next(r["seq"] for r in await begun.journal() if r["rule"])
    for arguments in (
        ("show", begun.journey),
        ("show", begun.journey, "--json"),
        ("show", begun.journey, "--why", str(row)),
        ("show", begun.journey, "--why", str(row), "--json"),
        ("tasks", "--mine", "p-front-desk", "--json"),
        ("tasks", "--owner", "intake"),
        ("journeys", "--stage", "intake", "--json"),
        ("journeys",),
    ):
        local, remote = await served.both(*arguments)
        assert local.code == 0, local
        # Where it is in Temporal's UI, the API does not say.
        said = "".join(line for line in local.out.splitlines(True) if "In Temporal" not in line)
        assert (remote.code, remote.out, remote.err) == (0, said, local.err)


async def test_mistakes_are_the_same(served: Served, begun: Player) -> None:
    for arguments in (
        ("show", "j-none"),
        ("show", begun.journey, "--why", "999"),
        ("act", "j-none", "record_death"),
        ("act", begun.journey, "hold", "--data", '{"reason": "odd"}'),
        ("act", begun.journey, "hold", "--data", "[]"),
    ):
        local, remote = await served.both(*arguments)
        one_line(remote)
        assert (remote.code, remote.err) == (local.code, local.err)


async def test_whoever_is_not_in_the_directory_has_no_list(served: Served) -> None:
    for arguments in (("tasks", "--mine", "p-gone"), ("tasks", "--owner", "p-gone")):
        for ran in await served.both(*arguments):
            one_line(ran, "in the directory; there are: ", "p-lead")


async def test_acting_is_who_the_token_says(served: Served, begun: Player) -> None:
    done = await served.over("act", begun.journey, "record_consent", "--data", '{"messages": true}', "--json")
    assert (done.code, done.json["outcome"]) == (0, "done")
    row = (await begun.journal(done.json["seq"] - 1))[0]
    assert (row["person"], row["role"]) == ("p-lead", "coordinator")
    refused = await served.over("act", begun.journey, "accept", "--json")
    assert (refused.code, refused.json["kind"]) == (1, "NotNow")
    local, remote = await served.both("act", begun.journey, "accept")
    assert (remote.code, remote.out) == (local.code, local.out)
    stage = await served.over(
        "act", begun.journey, "record_consent", "--data", '{"messages": true}', "--expect", "therapy"
    )
    assert (stage.code, "now in Intake" in stage.out) == (1, True)
    one_line(await served.over("act", begun.journey, "record_death", "--person", "p-lead"), "the token says who acts")
    one_line(await served.over("act", begun.journey, "note_merge"), "no action of that name")


async def test_tasks_are_claimed_and_given(served: Served, begun: Player) -> None:
    task = (await begun.task("complete_intake"))["id"]
    assert (await served.over("claim", task)).code == 0
    assert (await begun.task("complete_intake"))["owner"] == "person:p-lead"
    assert (await served.over("assign", task, "triage")).code == 0
    assert (await begun.task("complete_intake"))["owner"] == "queue:triage"
    assert (await served.over("assign", task, "p-front-desk")).code == 0
    assert (await begun.task("complete_intake"))["owner"] == "person:p-front-desk"
    gone = await served.over("assign", task, "p-gone", "--json")
    assert (gone.code, gone.json["kind"]) == (1, "UnknownPerson")
    assert "is on it" in (await served.over("acknowledge", task)).out


async def test_a_repeat_under_its_id(served: Served, begun: Player) -> None:
    arguments = ("act", begun.journey, "record_consent", "--data", json.dumps({"messages": True}), "--json")
    first, again = [await served.over(*arguments, "--action-id", f"cli-{begun.journey}") for _ in range(2)]
    assert (first.code, again.code) == (0, 0)
    assert first.json["seq"] == again.json["seq"]


class TestWhere:
    async def test_from_the_environment(self, served: Served, begun: Player, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CONTINUUM_API", served.url)
        one_line(await command("show", begun.journey), "CONTINUUM_TOKEN")
        monkeypatch.setenv("CONTINUUM_TOKEN", served.token.read_text())
        assert begun.journey in (await command("show", begun.journey)).out
        monkeypatch.setenv("CONTINUUM_TOKEN", "nonsense")
        one_line(await command("show", begun.journey), "does not take this token")
        monkeypatch.setenv("CONTINUUM_TOKEN", "two words")
        one_line(await command("show", begun.journey), "no token")

    async def test_who_may_not_is_told(self, served: Served, desk: Desk, begun: Player, tmp_path: Path) -> None:
        file = tmp_path / "author"
        file.write_text(desk.token("author"))
        one_line(await command("show", begun.journey, "--api", served.url, "--token-file", file), "may not do this")
        file.write_text(desk.token("coordinator"))
        acted = await command("act", begun.journey, "sign_screen", "--api", served.url, "--token-file", file, "--json")
        assert (acted.code, acted.json["kind"]) == (1, "NotAllowed")

    async def test_nobody_there(self, served: Served, tmp_path: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            one_line(await command("journeys", "--api", url, "--token-file", served.token), "cannot be reached")
        one_line(await command("journeys", "--api", url, "--token-file", tmp_path / "none"), "cannot be read")
        one_line(await command("journeys", "--api", url, "--dir", tmp_path), "give one")
        one_line(await command("journeys", "--token-file", served.token, "--dir", tmp_path), "goes with --api")

    @pytest.mark.parametrize(
        "url",
        [
            "http://continuum.clinic.example",
            "http://127.0.0.1.example",
            "ftp://localhost",
            "https://",
            "https://user:word@clinic.example",
            "https://clinic.example?a=b",
            "https://clinic.example:99999",
            "clinic.example",
        ],
    )
    def test_a_token_is_sent_to_no_such_address(self, url: str) -> None:
        with pytest.raises(Mistake):
            checked(url)

    @pytest.mark.parametrize("url", ["https://clinic.example", "https://clinic.example/c/", "http://[::1]:8080"])
    def test_a_good_address(self, url: str) -> None:
        assert checked(url) == url.rstrip("/")
