"""`python -m bench.caseload`: how long a clinic waits on its first Monday, from `continuum import` to the last journey.

Here rather than in a test: there is no threshold. It also counts the messages of the first hour.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

from continuum.embedded.folder import temporary_folder
from continuum.embedded.supervisor import Options, running
from continuum.site import EXAMPLE_CLINIC, bring_up_to_date
from gateway.caseload import Import, check, read, store
from records.database import Database

LOOK_EVERY = 0.25


def row(n: int, today: date) -> dict[str, Any]:
    """One of a caseload as a clinic has it: most in therapy, everything a little late."""

    def ago(days: int) -> str:
        return (today - timedelta(days=max(days, 0))).isoformat()

    days = 20 + n % 60
    cells = {
        "external_id": f"bench-{n}",
        "pathway": "low_back_pain",
        "received_on": ago(days + 10),
        "consent_to_messages": "yes",
        "red_flags_screened": "yes",
    }
    plan = {
        "discipline": "physiotherapy",
        "plan_label": "medium_risk",
        "started_on": ago(days),
        "visits_used": 1 + n % 5,
        "last_visit_on": ago(days // 2),
        "certified_on": ago(days - 3),
    }
    match n % 8:
        case 0:
            return {**cells, "stage": "intake", "red_flags_screened": "no"}
        case 1:
            return {
                **cells,
                "stage": "follow_up",
                "discharged_on": ago(9),
                "discharge_reason": "GOALS",
                "summary_signed": "yes",
            }
        case _:
            return {**cells, "stage": "therapy", **plan}


async def measure(journeys: int) -> dict[str, Any]:
    """Seconds to check, to store, and until the last has begun; and what was said by then."""
    now = datetime.now(UTC)
    lines = "".join(json.dumps(row(n, now.date())) + "\n" for n in range(journeys))
    with temporary_folder() as folder:
        async with running(Options(folder=folder, migrate=bring_up_to_date, worker_env={})) as stack:
            database = await Database.open(stack.dsn("app"), size=4)
            began = time.monotonic()
            what = Import(tenant=EXAMPLE_CLINIC.tenant, source="bench", by=None, now=now, must_be_signed=False)
            checked = await check(database, read(lines.encode()), what)
            tried = time.monotonic()
            outcomes = await store(database, checked)
            stored = time.monotonic()
            while await database.value("select count(*) from continuum.journey") < journeys:  # noqa: ASYNC110 - another process writes
                await asyncio.sleep(LOOK_EVERY)
            begun = time.monotonic()
            told = await database.fetch("select recipient, count(*) as n from continuum.notice group by 1 order by 1")
            await database.close()
            return {
                "journeys": journeys,
                "accepted": sum(o.status == "accepted" for o in outcomes),
                "seconds": {
                    "to_check": round(tried - began, 1),
                    "to_store": round(stored - tried, 1),
                    "until_all_begun": round(begun - began, 1),
                },
                "notices": {r["recipient"]: r["n"] for r in told},
            }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journeys", type=int, default=400)
    print(json.dumps(asyncio.run(measure(parser.parse_args().journeys)), indent=2))


if __name__ == "__main__":
    main()
