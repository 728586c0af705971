"""Endpoints from the command line: added with a secret, changed over, switched off and on, sent again."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from continuum import settings
from continuum.embedded.supervisor import Supervisor
from gateway.access.settings import AccessSettings
from records import clients
from records.clients import RegisteredClient
from tests.gateway.telling.conftest import CLIENT, Post
from tests.gateway.telling.receiver import Receiver
from tests.integration.tools import Ran, command, one_line

pytestmark = pytest.mark.xdist_group("telling")


class Desk:
    """The command line of one stack."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def run(self, name: str, *arguments: str) -> Ran:
        return await command("endpoints", name, "--dir", self.folder, *arguments)

    async def json(self, name: str, *arguments: str) -> dict[str, object]:
        ran = await self.run(name, "--json", *arguments)
        assert ran.code == 0, ran
        found: dict[str, object] = ran.json
        return found


@pytest.fixture
def desk(telling_stack: Supervisor, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """It trusts the receiver, as an installation may."""
    access = AccessSettings(allowed_private=frozenset({receiver.at}))
    monkeypatch.setattr(settings.Settings, "access", lambda self: access)
    return Desk(telling_stack.folder.root)


async def test_a_webhook_is_added_changed_over_and_told(post: Post, desk: Desk, receiver: Receiver) -> None:
    name = f"c-{secrets.token_hex(4)}"
    await clients.add(post.record, RegisteredClient(tenant="clinic", id=name, name="Example"))
    added = await desk.json("add", receiver.url, "--client", name, "--contact", "it@hospital.example")
    it, first = str(added["id"]), str(added["secret"])
    journey = await post.referral(f"client:{name}")
    loop = post.loop(receiver)
    await post.answer(journey)
    await loop.once()
    assert Webhook(first).verify(receiver.got[0].body, receiver.got[0].headers)

    second = str((await desk.json("rotate", it))["secret"])
    await post.answer(journey, "in-progress")
    await loop.once()
    for secret in (first, second):
        assert Webhook(secret).verify(receiver.got[1].body, receiver.got[1].headers)
    assert (await desk.json("rotate", it, "--end"))["secrets"] == 1
    await post.answer(journey, "completed")
    await loop.once()
    assert receiver.got[2].headers["webhook-signature"].count("v1,") == 1
    assert Webhook(second).verify(receiver.got[2].body, receiver.got[2].headers)

    for ran in (await desk.run("list", "--json"), await desk.run("list"), await desk.run("show", it)):
        assert it in ran.out
        assert "whsec_" not in ran.said


async def test_what_was_given_up_is_shown_and_sent_again(post: Post, desk: Desk, receiver: Receiver) -> None:
    it = await post.subscribe(receiver.url, owner=CLIENT)
    journey = await post.referral()
    await post.answer(journey)
    assert (await desk.json("disable", it))["status"] == "off"
    shown = await desk.json("show", it)
    assert (shown["status"], shown["dead"]) == ("off", 1)
    assert f"Task/{journey}" in str(shown["dead_letters"])
    one_line(await desk.run("replay", it, "--since", "2026-01-01"), "enable")
    assert (await desk.json("enable", it))["status"] == "active"
    assert (await desk.json("enable", it))["outcome"] == "unchanged"
    one_line(await desk.run("replay", it, "--since", "yesterday"), "moment")
    early = await desk.json("replay", it, "--since", "2026-01-01", "--until", "2026-01-02")
    assert early["events"] == []
    again = await desk.json("replay", it, "--since", "2026-01-01")
    assert again["events"] == [f"msg_{it}_1"]
    loop = post.loop(receiver)
    await loop.once()
    assert [got.id for got in receiver.got] == [f"msg_{it}_1"]
    assert (await desk.json("replay", it, "--since", "2026-01-01"))["events"] == []


async def test_mistakes_are_one_line(desk: Desk, receiver: Receiver) -> None:
    one_line(await desk.run("add", receiver.url), "--client ID, or --all")
    one_line(await desk.run("add", receiver.url, "--client", "nobody"), "no client")
    one_line(await desk.run("add", receiver.url, "--all", "--topic", "x"), "consult-notes")
    one_line(await desk.run("add", receiver.url, "--all", "--contact", "x"), "mail address")
    one_line(await desk.run("add", "https://10.0.0.1/", "--all"), "not a public one")
    one_line(await desk.run("add", "http://hooks.example.org/", "--all"), "https://")
    for name in ("show", "disable", "enable", "rotate"):
        one_line(await desk.run(name, "nothing"), "continuum endpoints list")
