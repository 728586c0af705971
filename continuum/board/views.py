"""Views of Temporal's list of journeys, as links: the page keeps saved views in each browser, a link works in all.

See docs/cockpit.md. The queries use our search attributes (`workflows/attributes.py`); only open journeys are meant.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

from care.journey import Stage

RUNNING = 'ExecutionStatus = "Running"'
SAVED = "saved-workflow-queries"
SAVED_AS = "continuum-"
MOST_IDS = 50
"""So many journeys fit into the address of one view."""


@dataclass(frozen=True)
class View:
    """One view: its name and its visibility query."""

    name: str
    query: str
    lasting: bool = True
    """Whether it means the same tomorrow: a view with a date or with ids in it does not."""

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
        View("due this week", f'{RUNNING} AND NextDue < "{ends:%Y-%m-%dT%H:%M:%SZ}"', lasting=False),
    ]
    if on_hold:
        ids = ", ".join(f'"{_plain(journey)}"' for journey in on_hold[:MOST_IDS])
        more = f" (the first {MOST_IDS} of {len(on_hold)})" if len(on_hold) > MOST_IDS else ""
        found.append(View(f"on hold{more}", f"{RUNNING} AND WorkflowId IN ({ids})", lasting=False))
    found += [View(f"waiting on {queue}", f'{RUNNING} AND WaitingOn = "{_plain(queue)}"') for queue in queues]
    found += [View(f"stage {stage.label}", f'{RUNNING} AND WorkflowType = "{stage.value}"') for stage in Stage]
    found += [View(f"clinic {clinic}", f'{RUNNING} AND Clinic = "{_plain(clinic)}"') for clinic in clinics]
    return found


def saving(found: Iterable[View], namespace: str) -> str:
    """A line for the browser's console, on Temporal's page: it saves the lasting views there.

    The page has no other way in: it keeps saved views under this key of the browser's storage (seen in UI 2.54.1).
    Those that a person saved stay.
    """
    ours = [
        {"id": f"{SAVED_AS}{n}", "name": view.name.capitalize(), "query": view.query, "type": "user"}
        for n, view in enumerate(view for view in found if view.lasting)
    ]
    at, of, mine = json.dumps(SAVED), json.dumps(namespace), json.dumps(SAVED_AS)
    return (
        f"{{ const all = JSON.parse(localStorage.getItem({at}) || '{{}}'), others = all[{of}] || [];"
        f" all[{of}] = [...others.filter((view) => !view.id.startsWith({mine})), ...{json.dumps(ours)}];"
        f" localStorage.setItem({at}, JSON.stringify(all)); location.reload(); }}"
    )


def _plain(name: str) -> str:
    """Ids of ours hold neither quotes nor backslashes; one that did would change the query."""
    if '"' in name or "\\" in name:
        raise ValueError("an id with a quote in it")
    return name
