"""Views of Temporal's list of journeys, as links: the page keeps saved views in each browser, a link works in all.

See docs/cockpit.md. The queries use our search attributes (`workflows/attributes.py`); only open journeys are meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

from care.journey import Stage

RUNNING = 'ExecutionStatus = "Running"'
MOST_IDS = 50
"""So many journeys fit into the address of one view."""


@dataclass(frozen=True)
class View:
    """One view: its name and its visibility query."""

    name: str
    query: str

    def link(self, ui: str, namespace: str) -> str:
        """Where to find it."""
        return f"{ui.rstrip('/')}/namespaces/{quote(namespace, safe='')}/workflows?query={quote(self.query, safe='')}"


def views(
    *, queues: Iterable[str], clinics: Iterable[str], on_hold: Sequence[str], now: datetime, zone: str
) -> list[View]:
    """The views of a site: late, due until Sunday, on hold, each queue, each stage, each clinic.

    Journeys on hold go by their ids: Temporal knows no attribute for it. `now` gives the week, in the
    clinic's time zone.
    """
    local = now.astimezone(ZoneInfo(zone))
    monday = local.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=local.weekday())
    ends = (monday + timedelta(days=7)).astimezone(ZoneInfo("UTC"))
    found = [
        View("overdue", f"{RUNNING} AND Overdue = true"),
        View("due this week", f'{RUNNING} AND NextDue < "{ends:%Y-%m-%dT%H:%M:%SZ}"'),
    ]
    if on_hold:
        ids = ", ".join(f'"{_plain(journey)}"' for journey in on_hold[:MOST_IDS])
        more = f" (the first {MOST_IDS} of {len(on_hold)})" if len(on_hold) > MOST_IDS else ""
        found.append(View(f"on hold{more}", f"{RUNNING} AND WorkflowId IN ({ids})"))
    found += [View(f"waiting on {queue}", f'{RUNNING} AND WaitingOn = "{_plain(queue)}"') for queue in queues]
    found += [View(f"stage {stage.label}", f'{RUNNING} AND WorkflowType = "{stage.value}"') for stage in Stage]
    found += [View(f"clinic {clinic}", f'{RUNNING} AND Clinic = "{_plain(clinic)}"') for clinic in clinics]
    return found


def _plain(name: str) -> str:
    """Ids of ours hold neither quotes nor backslashes; one that did would change the query."""
    if '"' in name or "\\" in name:
        raise ValueError("an id with a quote in it")
    return name
