"""Takes the pictures of docs/cockpit.md: Temporal's Web UI by the links of `continuum board --links`.

    python docs/take_cockpit_pictures.py [--chromium PATH]

Needs Chromium (Debian: `apt-get install chromium`). Writes docs/pictures/cockpit-*.png at a width of 1280 pixels.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.async_api import Page, async_playwright

from activities.clinics import calendar_of
from care.journey import Stage
from continuum.board.views import View, saving, views
from continuum.demo import referrals, stories
from continuum.demo.player import Player
from continuum.embedded.folder import temporary_folder
from continuum.embedded.supervisor import Options, running
from continuum.site import EXAMPLE_CLINIC, EXAMPLE_DIRECTORY, bring_up_to_date
from records import board, journeys
from records.database import Database
from workflows.connection import connect

PICTURES = Path(__file__).parent / "pictures"
SETTLE_MS = 3500
COLUMNS_KEY = "namespace-workflow-table-columns"
COLUMNS = [
    {"label": label, "pinned": label == "Status"}
    for label in ("Status", "Type", "WaitingOn", "NextDue", "Overdue", "Workflow ID", "Pathway", "Priority")
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


async def unanswered(p: Player) -> None:
    """A referral that nobody answered in three weeks."""
    await p.refer(referrals.knee_replacement())
    await p.act("record_consent", messages=True)
    await p.act("screen", answers=stories.nothing_found("total_knee_replacement"))
    await p.until_stage(Stage.REFERRAL)
    await p.wait(days=21)


async def incomplete(p: Player) -> None:
    """An intake that nobody completed."""
    await p.refer(referrals.back_pain())
    await p.wait(days=9)


async def on_hold(p: Player) -> None:
    """In therapy, and away for two weeks."""
    await p.refer(referrals.back_pain())
    await stories.intake(p, "low_back_pain")
    await stories.evaluate(p, nprs=6, odi=38, psfs=4, start_back="medium")
    back = (await p.now() + timedelta(days=14)).isoformat()
    await p.act("hold", reason="patient_away", review_on=back)


async def on_time(p: Player) -> None:
    """In therapy, and nobody is late."""
    await p.refer(referrals.back_pain())
    await stories.intake(p, "low_back_pain")
    await stories.evaluate(p, nprs=7, odi=44, psfs=3, start_back="high")


CAST: dict[str, Callable[[Player], Awaitable[None]]] = {
    "unanswered": unanswered,
    "incomplete": incomplete,
    "on hold": on_hold,
    "on time": on_time,
}


async def main(chromium: str) -> None:
    """Play, then photograph."""
    PICTURES.mkdir(exist_ok=True)
    with temporary_folder() as folder:
        options = Options(folder=folder, migrate=bring_up_to_date, worker_env={}, time_skipping=True)
        async with running(options, lambda step: print(f"  {step}", file=sys.stderr)) as stack:
            database = await Database.open(stack.dsn("app"), size=4)
            client = await connect(stack.stack.temporal_address)
            calendar = calendar_of(EXAMPLE_CLINIC, datetime.now(UTC).date())
            played = {}
            for name, part in CAST.items():
                player = Player(
                    name, client, database, calendar, tenant=EXAMPLE_CLINIC.tenant, narrate=lambda who, row: None
                )
                await part(player)
                played[name] = player.journey
                print(f"  {name}: {player.journey}", file=sys.stderr)
            held = await journeys.journeys(database, EXAMPLE_CLINIC.tenant, status="on_hold")
            links = views(
                queues=[queue.id for queue in EXAMPLE_DIRECTORY.queues],
                clinics=[EXAMPLE_CLINIC.id],
                on_hold=[row["id"] for row in held],
                now=await board.latest(database, EXAMPLE_CLINIC.tenant) or datetime.now(UTC),
                zone=EXAMPLE_CLINIC.timezone,
            )
            await photograph(chromium, stack.stack.ui_url, played, {view.name: view for view in links})
            await database.close()


async def photograph(chromium: str, ui: str, played: dict[str, str], links: dict[str, View]) -> None:
    """Who is late, why, who is on hold; and a view that is being saved."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 560})
        await page.add_init_script(f"localStorage.setItem('{COLUMNS_KEY}', '{json.dumps({'default': COLUMNS})}')")
        await _picture(page, links["overdue"].link(ui, "default"), "cockpit-overdue")
        await _picture(page, links["on hold"].link(ui, "default"), "cockpit-on-hold")
        where = f"{ui}/namespaces/default/workflows/{played['unanswered']}"
        await page.goto(where)
        await page.wait_for_timeout(SETTLE_MS)
        run = page.url.split("/workflows/")[1].split("/")[1]
        await page.set_viewport_size({"width": 1280, "height": 900})
        await _picture(page, f"{where}/{run}/user-metadata", "cockpit-why")
        await page.set_viewport_size({"width": 1280, "height": 720})
        await page.goto(f"{ui}/namespaces/default/workflows")
        await page.wait_for_timeout(SETTLE_MS)
        await page.evaluate(saving(links.values(), "default"))
        await page.wait_for_timeout(SETTLE_MS)
        await page.get_by_test_id("saved-views-button").click()
        await page.wait_for_timeout(SETTLE_MS)
        await page.screenshot(path=PICTURES / "cockpit-saved.png")
        await browser.close()


async def _picture(page: Page, where: str, name: str) -> None:
    # The page long-polls and never comes to rest: a fixed wait is the only one there is.
    await page.goto(where)
    await page.wait_for_timeout(SETTLE_MS)
    await page.screenshot(path=PICTURES / f"{name}.png")
    print(f"  {name}.png", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("chromium-browser"))
    found = parser.parse_args().chromium
    if not found:
        parser.error("no Chromium found: install it (Debian: apt-get install chromium) or name it with --chromium")
    asyncio.run(main(found))
