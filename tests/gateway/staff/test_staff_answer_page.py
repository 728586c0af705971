"""The patient's page in a real browser: what the policy lets run, and where the link's token goes."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright

from continuum.demo.player import Player
from gateway.staff.pages.words import words
from tests.gateway.staff.conftest import Desk, Served
from tests.gateway.staff.test_staff_patients import a_follow_up_is_due

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        await opened.close()


async def opened(browser: Browser, **how: Any) -> tuple[Page, list[str], list[str]]:
    """A page of a phone, what its console complains of, and where it goes."""
    context = await browser.new_context(viewport={"width": 360, "height": 740}, **how)
    page = await context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    page.on("request", lambda request: asked.append(request.url))
    return page, complaints, asked


async def test_a_patient_answers(browser: Browser, served: Served, desk: Desk) -> None:
    player = await a_follow_up_is_due(served.house)
    token = desk.patient(player.journey)
    page, complaints, asked = await opened(browser, locale="en")
    await page.goto(f"{served.url}/answer#{token}")
    await page.get_by_role("heading", name=words("en").title).wait_for()
    assert page.url == f"{served.url}/answer", "the token is out of the address bar"
    await page.get_by_role("button").click()
    await page.get_by_text(words("en").none_given).wait_for()
    await page.reload()
    await page.get_by_role("radio", name="2", exact=True).first.wait_for(state="attached")
    await page.locator('input[name="m.nprs"][value="2"]').check(force=True)
    await page.get_by_label(words("en").note).fill("Walking again.")
    await page.get_by_role("button").click()
    await page.get_by_role("heading", name=words("en").sent_title).wait_for()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing stands out at the side"
    assert complaints == []
    assert all(token not in url and url.startswith(served.url) for url in asked), asked
    assert any(row["kind"] == "follow_up_answered" for row in await player.journal())


async def test_a_link_that_is_over_says_so_in_the_browsers_language(
    browser: Browser, served: Served, desk: Desk, begun: Player
) -> None:
    page, complaints, _ = await opened(browser, locale="ar")
    await page.goto(f"{served.url}/answer#{desk.patient(begun.journey, days=-1)}")
    await page.get_by_role("heading", name=words("ar").over).wait_for()
    assert await page.evaluate("document.documentElement.dir") == "rtl"
    assert complaints == []
