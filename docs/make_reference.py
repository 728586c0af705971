"""Writes docs/reference/: actions, clocks, notices, the directory's file and the settings, as the code has them.

    python docs/make_reference.py

A test (`tests/test_reference.py`) fails when a page and the code disagree.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

from care.action import ACTIONS, Action
from care.clock import ANY_HOLD, EVENTS
from care.directory import StaffRole
from care.directory.check import NEEDED
from care.journey import Stage
from care.notice import NOTICES
from care.operating_rules import KINDS, RANK
from care.task import TASKS, Rung
from channels.templates.words import CODED, LANGUAGES, words
from continuum.directory_file import EXAMPLE
from continuum.settings import Settings
from gateway.caseload.row import COLUMNS
from pathways.loader import rulebook
from workflows.connection import STAGES

REFERENCE = Path(__file__).parent / "reference"
WRITTEN = "This page is written by `docs/make_reference.py`. Do not edit it by hand.\n"

WORDS = {
    "about": "a word of ours: `hospital_discharge`",
    "authorised_visits": "whole number of visits",
    "conditions": "a list of conditions' ids",
    "dose": "`{visits, weeks, visits_per_week, visit_minutes}`, any of them",
    "doses": "`{discipline: {visits, weeks, visits_per_week, visit_minutes}}`",
    "clinician": "a person's id",
    "days_since_onset": "whole number of days",
    "items": "`{measure: [answers in order, null for none]}`",
    "document": "a document's id",
    "from_version": "whole number of the version it has",
    "first_day": "a date, `2026-12-01`",
    "giver": "a person's id",
    "id": "a score's or a visit's id",
    "last_day": "a date, `2026-12-01`",
    "notice": "a notice's id",
    "of": "`person:ID` or `queue:NAME`",
    "rung": "whole number of steps taken",
    "to": "`person:ID` or `queue:NAME`; `hand_over`: a person's id",
    "to_version": "whole number of the version it is to have",
    "visits": "whole number of visits",
    "flag": "a red flag's id",
    "message": "the id of what a message asks",
    "minutes": "whole number of minutes",
    "modalities": "a list of treatments' ids",
    "pathway": "a pathway's id",
    "plan": "a plan's id",
    "score": "a score's id",
    "task": "a task's id",
    "visit": "a visit's id",
}
"""What a field without codes of its own wants."""

SETTINGS = {
    "environment": "`production` refuses to start with what is not safe for patients' data, and names it; see "
    "`deploy/README.md`",
    "plaintext_hosts": "hosts (`host host`) that are reached on a network of this machine alone: a production site may "
    "go there without TLS",
    "database_url": "where PostgreSQL is, and as which role; without a password",
    "database_password_file": "a file with that role's password",
    "database_connections": "the most connections that one worker or gateway opens",
    "worker_cached_journeys": "open journeys that a worker keeps in memory, 0.45 MB each; acting on others is dearer",
    "smtp_host": "the mail server",
    "smtp_port": "its port",
    "smtp_from": "the sender of every message; its domain is that of the Message-IDs",
    "smtp_username": "the name to sign in with, where the mail server wants one",
    "smtp_password_file": "a file with the password for that name",
    "smtp_tls": "whether the connection to the mail server is encrypted, and how",
    "alarm_address": "where a red flag's alarm goes when the directory cannot be read",
    "sent_log": "a file that keeps which messages left, should the database be restored; without one nothing is kept",
    "digest_seconds": "so many seconds a reminder to staff waits for others, to go out in one mail with them",
    "pathways_must_be_signed": "whether only pathways that a clinician has signed may be suggested and chosen; "
    "`continuum up` and `continuum demo` work with drafts and mark them",
    "http_host": "where the gateway listens for FHIR and the staff API: an address of this machine, `0.0.0.0` for all",
    "http_port": "its port",
    "http_shared": "whether several gateways of one user listen on this port of one machine, and share what comes in",
    "public_url": "where callers reach the gateway, as it stands in links and tokens (none: where it listens)",
    "tls_certificate_file": "a PEM file with the gateway's certificate and its chain (none: HTTP without TLS, for "
    "behind a proxy)",
    "tls_key_file": "a PEM file with its key, without a password",
    "hl7_host": "where the gateway listens for HL7 v2",
    "hl7_port": "its port (none: no HL7 v2)",
    "hl7_tls": "whether HL7 v2 needs TLS too, with the same certificate",
    "hl7_client_ca_file": "a PEM file with the authorities of senders' certificates; a sender without one is refused",
    "hl7_unknown_senders": "whether HL7 v2 is taken from senders that are no registered client; `continuum up` does",
    "gateway_key_file": "the file with the keys that sign access tokens and patients' links, shared by all gateways of "
    "one address; `continuum signing-key FILE` makes and rotates it (none: keys that end with the process)",
    "gateway_requests_per_minute": "so many requests a minute each caller has, over all gateways; as many may come at "
    "once",
    "gateway_failures_per_minute": "so many failed sign-ins a minute of one source are answered before it has to wait",
    "private_addresses": "hosts and ports (`host:port host:port`) of integrators' keys and webhooks to which we go "
    "although they are at no public address, and without TLS if their URL says so",
    "oidc_issuer": "the identity provider of the clinic's people, as it stands in its tokens (none: people cannot sign "
    "in)",
    "oidc_audience": "what has to stand in `aud` of its tokens: our client id there, or the name of our API",
    "oidc_person_claim": "the claim that says who it is: `email` (verified, and of one person in the directory), or "
    "one that holds the person's id in the directory",
    "oidc_algorithms": "how its tokens may be signed",
    "tenant": "which provider this is; a name in every row",
    "metrics_address": "`host:port` where Prometheus finds the metrics of this process ([how](../monitoring.md))",
    "traces_endpoint": "the URL to which this process posts its traces, as `http://127.0.0.1:4318/v1/traces` (none: no "
    "traces; [how](../monitoring.md#tracing))",
    "backup_folder": "a folder of backups whose age the worker's metrics say",
    "log_level": "what is logged",
}
"""What each setting is for. One that is missing here fails the test."""


ELSEWHERE = (
    ("`CONTINUUM_DIR`", "commands that use a running stack", "its folder, where `--dir` is not given"),
    (
        "`CONTINUUM_API`",
        "`journeys`, `show`, `tasks`, `act`, `claim`, `assign`, `acknowledge`",
        "the gateway whose staff API they use, where neither `--api` nor `--dir` is given",
    ),
    ("`CONTINUUM_TOKEN`", "the same", "the token for it, where `--token-file` is not given"),
    (
        "`CONTINUUM_POSTGRES_USER`",
        "`up` and `demo`, when root starts them",
        "the user of PostgreSQL (default `nobody`)",
    ),
    (
        "`CONTINUUM_READY_FILE`",
        "worker, gateway",
        "a file that is there while they are ready, for a container's health check; it must not outlive them",
    ),
    ("`TEMPORAL_CLI_PATH`", "`up` and `demo`", "another binary of Temporal's command line"),
    ("`CONTINUUM_OWNER_DATABASE_URL`", "`migrate`", "the database address of the role that owns the schema"),
    ("`CONTINUUM_OWNER_DATABASE_PASSWORD_FILE`", "`migrate`", "a file with that role's password"),
    (
        "`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, ...",
        "worker, command line",
        "Temporal's own; `temporal.toml` works too",
    ),
)

ABOUT_ACTIONS = """\
`continuum act ID ACTION --data '{...}'` does one. The fields go into `--data` as one JSON object; a field in brackets
may be left out. Every action also takes `"note"`, free text: it is kept in PostgreSQL, and Temporal sees only its id.
A moment is written with its time zone, for example `2026-12-01T10:00:00+04:00`. Signs and measures are named by their
ids in `pathways/content/library/`.
"""

ABOUT_CLOCKS = """\
A clock is started by an event, paused only for a reason named here, and never reset by an edit. Code, documentation
and tests read the same two tables (`care/task.py`, `care/clock.py`).

A **task** is something that a person owes. Its ladder counts from the due time; `open h` are hours of opening time, a
step before the due time has a minus. After the last step the clinic's named lead is told again every open day (every
24 hours where the ladder runs round the clock) until the task is settled. Whoever acknowledges a task keeps its ladder
silent for the hours given, once for each acknowledgement. An outage is followed by one step, and the next keeps its
distance to it.

*Taken over* says what becomes of a clock that had run out before a caseload was imported: `skip` nothing, `do now` its
first step at once, `spread` its first step within the next 40 opening hours, at an hour of each journey's own.
"""

ABOUT_CASELOAD = """\
For `continuum import` ([how](../integrators/caseload.md)). A name in brackets may be left out, or its cell empty. In
JSON lines the names are the same, and those of the plan stand in a list `plans` where there are several.
"""

ABOUT_EVENTS = """\
What happens by itself when its time comes; nobody owes anything before.
"""

ABOUT_DIRECTORY = """\
Who is there, and who is told what: a YAML file for `continuum directory apply`
([operators.md](../operators.md#setting-up-a-clinic)). Every clinic needs a named lead and a team behind each of the
queues below, with a mailbox and a supervisor; more queues may be added. A person may act as:
{roles}.
""".format(roles=", ".join(f"`{role}`" for role in get_args(StaffRole)))

ABOUT_RULES = """\
What a payer or a regulator asks, or the house. The payer's rule goes before the regulator's, and that before the
house's; what began before a rule changed keeps its deadline ([how to write one](../authors/rules.md)). A clinic names
its regulator in the directory, a referral its payer with `continuum refer --payer`.
"""

ABOUT_NOTICES = """\
A notice is one message to one person. Each has a class, and the class says what happens on its way:

- **Needs consent**: it is not even queued without the patient's consent to messages.
- **In a digest**: it may wait for `CONTINUUM_DIGEST_SECONDS`, to go out in one mail with others for the same address.
- **Nobody knows whether it left** (the connection broke after the message was handed over, or the worker was killed):
  *resend* once, under the same Message-ID, since two are better than none; *task*: a person makes sure; *leave*:
  nothing happens, for what it is about is chased by itself.
- **It did not arrive** (refused, bounced, not taken in three days): *task*: a person gets `deliver_notice`; *leave*:
  nothing happens.

These are design choices, not clinically reviewed.
"""

ABOUT_WORDS = """\
No clinical content and no patient's name in a subject or a first line: the record has it. Words in braces are filled
in.
**The Arabic has not been reviewed by a native speaker yet.**
"""

ABOUT_SETTINGS = """\
Read from the environment by the worker, and by the command line where no folder is named. `continuum up` needs none of
them: it tells its own worker where PostgreSQL, Temporal and the mail sink are, and passes none of these on.
"""


def caseload() -> str:
    """The columns of `continuum import`."""
    rows = (
        (
            f"`{c.name}`" if c.required else f"[`{c.name}`]",
            "the plan" if c.of_plan else "the journey",
            c.what,
            f"`{example}`" if (example := c.examples[0] or c.examples[1]) else "",
        )
        for c in COLUMNS
    )
    columns = _table(("Column", "Says something of", "What it is", "Example"), rows)
    return "\n".join(["# Columns of a caseload\n", WRITTEN, ABOUT_CASELOAD, columns])


def pages() -> dict[str, str]:
    """Every page of the reference: its file name and its text."""
    return {
        "actions.md": actions(),
        "caseload.md": caseload(),
        "clocks.md": clocks(),
        "notices.md": notices(),
        "settings.md": settings(),
        "directory.md": directory(),
        "rules.md": operating_rules(),
    }


def actions() -> str:
    """What people can do, stage by stage."""
    by_stage = {Stage(stage.__name__): {a for a in ACTIONS if hasattr(stage, a)} for stage in STAGES}
    everywhere = set.intersection(*by_stage.values())
    parts = ["# Actions, stage by stage\n", WRITTEN, ABOUT_ACTIONS, "## At every stage\n", _actions(everywhere)]
    for stage, names in by_stage.items():
        parts += [f"## {stage.label}\n", _actions(names - everywhere)]
    return "\n".join(parts)


def _actions(names: Iterable[str]) -> str:
    in_order = [name for name in ACTIONS if name in set(names)]
    rows = ((f"`{name}`", _says(ACTIONS[name]), _fields(ACTIONS[name])) for name in in_order)
    return _table(("Action", "What it does", "Fields"), rows)


def _says(kind: type[Action]) -> str:
    return " ".join((kind.__doc__ or "").split())


def _fields(kind: type[Action]) -> str:
    schema = kind.model_json_schema()
    required = schema.get("required", ())
    fields = [(name, of) for name, of in schema["properties"].items() if name not in Action.model_fields]
    return "<br>".join(
        f"{f'`{name}`' if name in required else f'[`{name}`]'}: {_type(name, of)}" for name, of in fields
    )


def _type(name: str, schema: dict[str, Any]) -> str:
    """What a field takes, from its JSON schema."""
    options = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if options:
        schema = options[0]
    if "enum" in schema:
        return ", ".join(f"`{code}`" for code in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "object" and name not in WORDS:
        return "`{sign: true, false or null}`" if name == "answers" else "`{measure: value}`"
    if schema.get("format") == "date-time":
        return "a moment"
    if schema.get("type") == "boolean":
        return "`true` or `false`"
    return WORDS[name]


def clocks() -> str:
    """What people owe, and what happens by itself."""
    tasks = (
        (
            f"{rule.label} (`{kind}`)",
            rule.starts,
            rule.owner,
            rule.when + (". No visit is booked beyond it" if rule.stops_booking else ""),
            _ladder(rule.ladder, round_the_clock=rule.round_the_clock),
            f"{rule.acknowledged_hours:g} {'h' if rule.round_the_clock else 'open h'}",
            _holds(rule.pauses_for),
            _either(", ".join(f"`{action}`" for action in rule.actions), rule.ends),
            rule.backdated.replace("_", " "),
            f"{rule.basis}: {rule.source}",
        )
        for kind, rule in TASKS.items()
    )
    events = (
        (
            f"{event.label} (`{kind}`)",
            event.starts,
            event.due,
            event.then,
            event.ends,
            _holds(event.pauses_for),
            event.backdated.replace("_", " "),
            f"{event.basis}: {event.source}",
        )
        for kind, event in EVENTS.items()
    )
    task_columns = (
        "Task",
        "Starts when",
        "Queue that owes it",
        "Due",
        "Ladder",
        "Acknowledged for",
        "Paused by a hold for",
        "Ends with",
        "Taken over",
        "Basis and source",
    )
    event_columns = (
        "Event",
        "Starts when",
        "Due",
        "Then",
        "Ends with",
        "Paused by a hold for",
        "Taken over",
        "Basis and source",
    )
    return "\n".join(
        [
            "# Clocks\n",
            WRITTEN,
            ABOUT_CLOCKS,
            "## Tasks\n",
            _table(task_columns, tasks),
            "## Events\n",
            ABOUT_EVENTS,
            _table(event_columns, events),
        ]
    )


def _holds(reasons: Sequence[str]) -> str:
    return "any reason" if tuple(reasons) == ANY_HOLD else ", ".join(f"`{r}`" for r in reasons) or "nothing"


def _either(*ways: str) -> str:
    return "; or ".join(way for way in ways if way)


def _ladder(ladder: Sequence[Rung], *, round_the_clock: bool) -> str:
    unit = "h" if round_the_clock else "open h"
    return "; ".join(
        f"{'at once' if rung.after_hours == 0 else f'{rung.after_hours:g} {unit}'}: {rung.tell.replace('_', ' ')}"
        for rung in ladder
    )


def directory() -> str:
    """The file that sets up a clinic: what must be in it, and the example."""
    owed = {queue: [rule.label for rule in TASKS.values() if rule.owner == queue] for queue in NEEDED}
    rows = ((f"`{queue}`", "; ".join(labels)) for queue, labels in owed.items())
    example = (files("continuum") / EXAMPLE).read_text("utf-8")
    return "\n".join(
        [
            "# The directory\n",
            WRITTEN,
            ABOUT_DIRECTORY,
            _table(("Queue", "Tasks that it owes"), rows),
            f"## The example clinic\n\n```yaml\n{example}```\n",
        ]
    )


def operating_rules() -> str:
    """What a rule can set, and the rules of each profile."""
    kinds = (
        (f"`{name}`", kind.label, kind.unit, "there to be read" if kind.usual is None else _said(kind.usual))
        for name, kind in KINDS.items()
    )
    columns = ("Sets", "What it is", "Unit", "For journeys from before there were rules")
    book = rulebook()
    parts = ["# Operating rules\n", WRITTEN, ABOUT_RULES, "## What a rule can set\n", _table(columns, kinds)]
    for profile in sorted(book.profiles, key=lambda p: (RANK[p.of], p.id)):
        rows = (
            (
                f"`{rule.id}`",
                f"`{rule.sets}`",
                _said(rule.value),
                f"{rule.begins or 'ever'}",
                f"{rule.until or 'further notice'}",
                f"{rule.basis}: {rule.source}" + (f". {rule.note}" if rule.note else ""),
            )
            for rule in book.rules
            if profile.id in rule.scope
        )
        head = ("Rule", "Sets", "Value", "From", "Until", "Basis and source")
        parts += [f"## {profile.name} (`{profile.id}`, {profile.of})\n", _table(head, rows)]
    return "\n".join(parts)


def _said(value: float | bool) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else f"{value:g}"


def notices() -> str:
    """What is said to whom, and how it is treated on its way."""
    rows = (
        (
            f"`{template}`",
            rule.kind,
            "yes" if rule.needs_consent else "no",
            "yes" if rule.digest else "no",
            rule.uncertain,
            rule.undelivered,
        )
        for template, rule in NOTICES.items()
    )
    columns = (
        "Notice",
        "Class",
        "Needs consent",
        "In a digest",
        "Nobody knows whether it left",
        "It did not arrive",
    )
    parts = ["# Notices\n", WRITTEN, ABOUT_NOTICES, _table(columns, rows), "## What they say\n", ABOUT_WORDS]
    spoken = [words(language) for language in LANGUAGES]
    head = [of.language for of in spoken]
    texts = (
        (
            f"`{template}`",
            *(_cell(f"**{of.templates[template].subject}**\n{of.templates[template].body}") for of in spoken),
        )
        for template in NOTICES
    )
    parts.append(_table(("Notice", *head), texts))
    for fact in CODED:
        codes = getattr(spoken[0], fact)
        said = ((f"`{code}`", *(_cell(getattr(of, fact)[code]) for of in spoken)) for code in codes)
        parts += [f"### `{{{fact}}}`\n", _table(("Code", *head), said)]
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("\n", "<br>")


def settings() -> str:
    """What the environment says."""
    properties = Settings.model_json_schema()["properties"]
    rows = (
        (f"`CONTINUUM_{name.upper()}`", _default(schema.get("default")), SETTINGS[name], _choices(schema))
        for name, schema in properties.items()
    )
    return "\n".join(
        [
            "# Settings\n",
            WRITTEN,
            ABOUT_SETTINGS,
            _table(("Variable", "Default", "What it is", "Choices"), rows),
            "## Read elsewhere\n",
            _table(("Variable", "Who reads it", "What it is"), ELSEWHERE),
        ]
    )


def _default(value: object) -> str:
    return "none" if value is None else f"`{value}`"


def _choices(schema: dict[str, Any]) -> str:
    return ", ".join(f"`{code}`" for code in schema.get("enum", ()))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(re.sub(r'[|]', chr(92) + '|', cell) for cell in line)} |\n" for line in lines)


def main() -> int:
    """Write the pages."""
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, "utf-8")
        print(f"docs/reference/{name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
