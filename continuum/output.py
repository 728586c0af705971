"""What people see: tables and timelines for the terminal, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from care.directory import Directory
from care.pathway import UNSIGNED, Pathway
from pathways import loader

Row = dict[str, Any]
PIPE_WIDTH = 140
_zone: tzinfo = UTC
console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)


def as_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def use_zone(name: str) -> None:
    """Show times as the clinic's own clock shows them."""
    global _zone
    _zone = ZoneInfo(name)


def when(moment: datetime | str | None) -> str:
    """A moment as people at the clinic write it."""
    if moment is None:
        return ""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return f"{moment.astimezone(_zone):%a %d %b %Y %H:%M}"


def day(moment: datetime) -> str:
    """A day of the clinic's, as programs write it."""
    return f"{moment.astimezone(_zone):%Y-%m-%d}"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """A table, or a line that says why there is none."""
    body = [[escape("" if cell is None else str(cell)) for cell in row] for row in rows]
    if not body:
        console.print(empty)
        return
    drawn = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in body:
        drawn.add_row(*row)
    console.print(drawn)


def count(things: Sequence[Any], word: str) -> str:
    """How many of them, in words."""
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"


def journeys(rows: list[Row]) -> None:
    """The list of journeys."""
    table(
        count(rows, "journey"),
        ("Journey", "Patient", "Stage", "Status", "Pathway", "Priority", "Waiting on", "Next due"),
        (
            (
                r["id"],
                r["patient"] or "to be matched",
                r["stage"],
                f"{r['status']} ({r['outcome']})" if r["outcome"] else r["status"],
                r["pathway"],
                r["priority"],
                r["waiting_on"],
                when(r["next_due_at"]) + (" overdue" if r["overdue"] else ""),
            )
            for r in rows
        ),
        empty="No journeys yet. Send a referral: continuum refer FILE",
    )


def tasks(rows: list[Row]) -> None:
    """What is owed. A task's id begins with its journey's."""
    table(
        count(rows, "open task"),
        ("Due", "Task", "Owner", "Quiet until", "Patient", "Stage", "Task id"),
        (
            (
                when(r["due_at"]),
                r["label"],
                r["owner"].split(":", 1)[-1],
                when(r["quiet_until"]),
                r["patient"],
                r["stage"],
                r["id"],
            )
            for r in rows
        ),
        empty="Nothing is owed.",
    )


def notices(rows: list[Row]) -> None:
    """What was said to whom."""
    table(
        count(rows, "notice"),
        ("Send after", "To", "Message", "Status", "Why", "Journey"),
        ((when(r["send_after"]), r["recipient"], r["template"], r["status"], r["reason"], r["journey"]) for r in rows),
        empty="No notices.",
    )


def journey(record: Row, ui: str | None) -> None:
    """One journey: where it stands, and its journal."""
    head = Text()
    head.append(f"{record['patient'] or 'Patient to be matched'}", style="bold")
    head.append(f"   {record['stage']}, {record['status']}")
    if record["outcome"]:
        head.append(f" ({record['outcome']})")
    console.print(head)
    facts = [
        ("Journey", record["id"]),
        ("Referral", record["referral_id"]),
        ("Received", when(record["received_at"])),
        ("Pathway", _marked(record["pathway"])),
        ("Priority", record["priority"]),
        ("Waiting on", f"{record['waiting_on']} {when(record['next_due_at'])}".strip()),
        ("In Temporal", f"{ui}/namespaces/default/workflows/{record['id']}" if ui else None),
    ]
    for name, value in facts:
        if value:
            console.print(f"  {name:<12}", Text(str(value)), soft_wrap=True)
    console.print()
    for plan in record["plans"]:
        _plan(plan["body"])
    open_tasks = sorted((t for t in record["tasks"] if t["settled_at"] is None), key=lambda t: (t["due_at"], t["id"]))
    _visits(record["visits"])
    if open_tasks:
        table(
            "Owed now",
            ("Due", "Task", "Owner", "About", "Task id"),
            ((when(t["due_at"]), t["label"], t["owner"].split(":", 1)[-1], t["subject"], t["id"]) for t in open_tasks),
            empty="",
        )
        console.print()
    notes = {note["id"]: note["body"] for note in record["notes"]}
    table(
        "Journal",
        ("Row", "When", "What", "By"),
        ((r["seq"], when(r["at"]), _noted(r, notes), f"{r['person']} ({r['role']})") for r in record["journal"]),
        empty="Nothing has happened yet.",
    )
    decided = [str(r["seq"]) for r in record["journal"] if r["rule"]]
    if decided:
        console.print(f"\nDecided by a rule: rows {', '.join(decided)}. Why? continuum show {record['id']} --why ROW")


def _noted(row: Row, notes: Row) -> str:
    return f"{row['text']}\nNote: {notes[row['note']]}" if row["note"] in notes else str(row["text"])


def _visits(visits: list[Row]) -> None:
    if not visits:
        return
    table(
        "Visits",
        ("When", "Clinician", "Status", "Visit id"),
        ((when(v["starts_at"]), v["clinician"], v["status"].replace("_", "-"), v["id"]) for v in visits),
        empty="",
    )
    console.print()


def _plan(plan: Row) -> None:
    console.print(
        f"[bold]Plan of care[/] {escape(plan['label'])}, {plan['discipline']}, {plan['status']}", highlight=False
    )
    console.print(f"  {plan['id']}", highlight=False)
    values = [
        (name.replace("_", " "), plan[name]) for name in ("visits_planned", "visits_per_week", "weeks", "visit_minutes")
    ]
    rows = [(name, f"{v['value']:g}", _origin(v["origin"])) for name, v in values]
    rows += [
        (
            f"goal: {g['measure']}",
            f"{g['op']} {g['target']:g} from {g['baseline']:g}{' (met)' if g['met'] else ''}",
            _origin(g["origin"]),
        )
        for g in plan["goals"]
    ]
    # Values of one rule stand together: its origin is told once.
    rows = [
        (name, value, "as above" if n and origin and origin == rows[n - 1][2] else origin)
        for n, (name, value, origin) in enumerate(rows)
    ]
    rows.append(("visits attended", str(plan["visits_attended"]), ""))
    table("", ("", "Value", "Where it comes from"), rows, empty="")
    console.print()


def _origin(origin: Row) -> str:
    inputs = ", ".join(f"{k} {v}" for k, v in origin["inputs"].items())
    return f"{origin['rule']}{f' with {inputs}' if inputs else ''} [{origin['basis']}: {origin['source']}]"


def why(row: Row, same: bool | None) -> None:
    """One decision: rule, version, inputs, outcome, and whether the rule says the same today."""
    console.print(f"[bold]{escape(row['text'])}[/]")
    console.print(f"  at           {when(row['at'])}, by {row['person']} ({row['role']})")
    console.print(f"  rule         {row['rule']}, version {row['rule_version']}")
    console.print(f"  pathway      {row['pathway']}")
    console.print(
        "  run again    " + {True: "the same decision", False: "ANOTHER decision", None: "the rule is gone"}[same]
    )
    for name in ("inputs", "outcome"):
        console.print(f"\n[bold]{name.capitalize()}[/]")
        console.print_json(json.dumps(row[name], default=_plain))


def directory(found: Directory, now: datetime) -> None:
    """Clinics, people and queues, who is away and who is on call."""
    for clinic in found.clinics:
        holidays = ", ".join(f"{day} {reason or 'open'}" for day, reason in sorted(clinic.overrides.items()))
        console.print(f"[bold]{escape(clinic.name)}[/] ({clinic.id})", highlight=False)
        place = "-".join(part for part in (clinic.country, clinic.subdivision) if part)
        console.print(f"  {clinic.timezone}, holidays of {place}", highlight=False)
        console.print(f"  lead {clinic.lead}; days of its own: {holidays or 'none'}\n", highlight=False)
    table(
        count(found.people, "person").replace("persons", "people"),
        ("Id", "Name", "Address", "Language", "Roles", "Now"),
        ((p.id, p.name, p.email, p.language, ", ".join(p.roles), _away(found, p.id, now)) for p in found.people),
        empty="Nobody is there.",
    )
    table(
        f"\n{count(found.queues, 'queue')}",
        ("Id", "Clinic", "Mailbox", "Supervisor", "Members"),
        ((q.id, q.clinic or "all", q.mailbox, q.supervisor, ", ".join(q.members)) for q in found.queues),
        empty="There are no queues.",
    )
    table(
        f"\n{count(found.absences, 'absence')}",
        ("Person", "From", "Until", "Stands in"),
        ((a.person, when(a.begins), when(a.ends), a.delegate) for a in found.absences),
        empty="Nobody is away, now or later.",
    )
    table(
        f"\n{count(found.on_call, 'turn')} on call",
        ("Person", "Clinic", "From", "Until"),
        ((d.person, d.clinic or "all", when(d.begins), when(d.ends)) for d in found.on_call),
        empty="Nobody is on call: what goes there goes to the queue's mailbox.",
    )


def _away(found: Directory, person: str, now: datetime) -> str:
    absence = found.absence(person, now)
    return "" if absence is None else f"away{f'; {absence.delegate} stands in' if absence.delegate else ''}"


def _marked(label: str | None) -> str | None:
    """A pathway's id and version, and that nobody has signed it."""
    known = {p.label: p for p in loader.load_all().values()}
    pathway = known.get(label or "")
    return f"{label} ({UNSIGNED})" if pathway is not None and pathway.status != "signed_off" else label


def questions(pathway: Pathway) -> None:
    """The red-flag questions of a pathway, by flag."""
    rows = [(f.suspected if n == 0 else "", s.text, s.id) for f in pathway.red_flags for n, s in enumerate(f.signs)]
    table(f"Red flags of {pathway.name}", ("Suspected", "Ask or look for", "Sign id"), rows, empty="No red flags.")
