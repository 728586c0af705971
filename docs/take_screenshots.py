"""Takes the pictures of the documentation: Temporal's Web UI on a stack with journeys in every stage.

    python docs/take_screenshots.py [--chromium PATH]

Needs Chromium (Debian: `apt-get install chromium`). Writes docs/pictures/*.png at a width of 1280 pixels.
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
from continuum.demo import referrals, stories
from continuum.demo.player import Player
from continuum.embedded.folder import temporary_folder
from continuum.embedded.supervisor import Options, running
from continuum.site import EXAMPLE_CLINIC, bring_up_to_date
from records.database import Database
from workflows.connection import connect

PICTURES = Path(__file__).parent / "pictures"
SETTLE_MS = 3500
# The list's columns are a person's own setting, kept by the browser; these are those that the guide recommends.
COLUMNS_KEY = "namespace-workflow-table-columns"
COLUMNS = [
    {"label": label, "pinned": label == "Status"}
    for label in ("Status", "Type", "WaitingOn", "NextDue", "Overdue", "Workflow ID", "Pathway", "Priority")
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


async def in_intake(p: Player) -> None:
    """Waits for consent and the red-flag screen."""
    await p.refer(referrals.back_pain())


async def in_referral(p: Player) -> None:
    """Waits for an answer."""
    await p.refer(referrals.knee_replacement())
    await p.act("record_consent", messages=True)
    await p.act("screen", answers=stories.nothing_found("total_knee_replacement"))
    await p.until_stage(Stage.REFERRAL)


async def in_therapy(p: Player) -> None:
    """Half-way through a plan of care."""
    await p.refer(referrals.back_pain())
    await stories.intake(p, "low_back_pain")
    await stories.evaluate(p, nprs=7, odi=44, psfs=3, start_back="high")
    await p.visit(after=await p.now() + timedelta(days=6), scores={"nprs": 5, "odi": 36})
    await p.visit(after=await p.now() + timedelta(days=6), scores={"nprs": 4, "odi": 30, "psfs": 5})
    await p.act("book_visit", clinician="p-therapist", starts_at=await p.slot(after=await p.now() + timedelta(days=6)))


async def in_rehab(p: Player) -> None:
    """Six days after surgery."""
    await p.refer(referrals.knee_replacement())
    await stories.intake(p, "total_knee_replacement")
    await stories.evaluate(p, koos_jr=47.5, promis10=38, tug=14, sts30=8, knee_flex=108, nprs=6)
    surgery = await p.slot(after=await p.now() + timedelta(days=10), hour=8)
    await p.act("plan_surgery", planned_for=surgery)
    await p.wait(until=surgery + timedelta(hours=8))
    await p.act("record_surgery", "surgeon", done_at=surgery)
    await p.until_stage(Stage.POST_SURGERY_REHAB)
    await stories.in_hospital(p)
    await p.certify_active_plan()
    await p.visit(after=await p.now() + timedelta(days=3), scores={"nprs": 5, "knee_flex": 92, "knee_ext_deficit": 5})


async def in_discharge(p: Player) -> None:
    """Waits for the signature."""
    await p.refer(referrals.back_pain())
    await stories.intake(p, "low_back_pain")
    plan = await stories.evaluate(p, nprs=6, odi=38, psfs=4, start_back="medium")
    end = {"nprs": 1, "odi": 10, "psfs": 9, "home_programme": "independent"}
    await p.visit(after=await p.now() + timedelta(days=6), scores=end)
    await p.act("review_progress", "therapist", plan=plan, decision="discharge", reason="GOALS")
    await p.until_stage(Stage.DISCHARGE)


async def in_follow_up(p: Player) -> None:
    """Between two follow-ups."""
    await in_discharge(p)
    await stories.discharge(p)
    await p.wait(days=6)
    await p.act("answer_follow_up", "patient", scores={"nprs": 1, "odi": 10, "groc": 6, "hep_adherence": 80})


CAST: dict[str, Callable[[Player], Awaitable[None]]] = {
    "intake": in_intake,
    "referral": in_referral,
    "therapy": in_therapy,
    "rehab": in_rehab,
    "discharge": in_discharge,
    "follow up": in_follow_up,
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
            await photograph(chromium, stack.stack.ui_url, played)
            await database.close()


async def photograph(chromium: str, ui: str, played: dict[str, str]) -> None:
    """The list, a timeline and two cards."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 640})
        await page.add_init_script(f"localStorage.setItem('{COLUMNS_KEY}', '{json.dumps({'default': COLUMNS})}')")
        await _picture(page, f"{ui}/namespaces/default/workflows?query=ExecutionStatus%3D%22Running%22", "list")
        for name in ("therapy", "rehab"):
            where = f"{ui}/namespaces/default/workflows/{played[name]}"
            await page.goto(where)
            await page.wait_for_timeout(SETTLE_MS)
            run = page.url.split("/workflows/")[1].split("/")[1]
            await page.set_viewport_size({"width": 1280, "height": 1500})
            await _picture(page, f"{where}/{run}/timeline", f"timeline-{name}")
            await page.set_viewport_size({"width": 1280, "height": 1000})
            await _picture(page, f"{where}/{run}/user-metadata", f"card-{name}")
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
