"""The columns of a caseload: one journey a row, or one plan of care where a patient has several.

The template, the documentation and the checks all read this one table.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from math import isfinite
from typing import Any, get_args

from care.action import DischargeReason
from care.journey import Stage
from care.pathway import Discipline
from care.referral import ReferralUrgency
from care.score import LARGEST, ScoreValue

STAGES = {
    "intake": Stage.INTAKE,
    "referral": Stage.REFERRAL,
    "therapy": Stage.THERAPY,
    "post_surgery_rehab": Stage.POST_SURGERY_REHAB,
    "discharge": Stage.DISCHARGE,
    "follow_up": Stage.FOLLOW_UP,
}
YES, NO = ("yes", "true", "1", "y"), ("no", "false", "0", "n")
LONGEST = 200
EARLIEST = 1900
MOST_VISITS = 1000


class Wrong(ValueError):  # noqa: N818 - what it is
    """What a cell should have been. Never says what it was."""


Parse = Callable[[Any], Any]


def text(value: Any) -> str:
    """Words of at most 200 characters that PostgreSQL can store."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise Wrong("words are wanted")
    words = str(value).strip()
    if len(words) > LONGEST or not words.isprintable():
        raise Wrong(f"at most {LONGEST} printable characters are wanted")
    return words


def email(value: Any) -> str:
    """A mail address."""
    words = text(value)
    name, at, domain = words.rpartition("@")
    if not (name and at and "." in domain) or " " in words or "," in words:
        raise Wrong("a mail address is wanted, for example name@clinic.example")
    return words


def one_of(*codes: str) -> Parse:
    """One of some words, in capitals or not."""
    by_word = {code.lower(): code for code in codes}

    def parse(value: Any) -> str:
        word = str(value).strip().lower().replace("-", "_").replace(" ", "_")
        if word not in by_word:
            raise Wrong(f"one of these is wanted: {', '.join(codes)}")
        return by_word[word]

    return parse


def ident(value: Any) -> str:
    """An identifier of ours: a pathway, a person, a clinic."""
    word = str(value).strip()
    if not word.replace("_", "").replace("-", "").replace(".", "").isalnum() or len(word) > 64 or word != word.lower():
        raise Wrong("an id is wanted: small letters, digits and . _ -")
    if not word.isascii() or not word[0].isalnum():
        raise Wrong("an id is wanted: small letters, digits and . _ -")
    return word


def day(value: Any) -> date:
    """A day."""
    try:
        found = date.fromisoformat(str(value).strip())
    except ValueError:
        found = date.min
    if found.year < EARLIEST or len(str(value).strip()) != len("2026-03-02"):
        raise Wrong("a day is wanted, year-month-day, for example 2026-03-02")
    return found


def moment(value: Any) -> datetime:
    """A moment; without an offset it is the clinic's own time."""
    try:
        return datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise Wrong("a moment is wanted, for example 2026-03-02T10:30 at the clinic's time") from None


def whole(least: int, most: int) -> Parse:
    """A whole number."""

    def parse(value: Any) -> int:
        words = str(value).strip()
        if not (words.isascii() and words.isdigit()) or not least <= int(words[:9]) <= most:
            raise Wrong(f"a whole number from {least} to {most} is wanted")
        return int(words)

    return parse


def number(value: Any) -> float:
    """A number above nothing, of visits in a week."""
    try:
        found = float(str(value).strip().replace(",", "."))
    except ValueError:
        found = 0.0
    if not 0 < found <= 50:
        raise Wrong("a number above 0 and up to 50 is wanted, for example 1.5")
    return found


def yes_or_no(value: Any) -> bool:
    """Yes or no."""
    word = str(value).strip().lower()
    if word not in YES + NO:
        raise Wrong("yes or no is wanted")
    return word in YES


def scores(value: Any) -> dict[str, ScoreValue]:
    """`measure=value;measure=value`, or a JSON object."""
    wanted = 'measures are wanted as nprs=6;odi=42 or as JSON, {"nprs": 6, "odi": 42}'
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        pairs = [part.partition("=") for part in value.split(";") if part.strip()]
        if not all(sign for _, sign, _ in pairs):
            raise Wrong(wanted)
        found: Any = {name.strip(): _plain(said.strip()) for name, _, said in pairs}
    else:
        try:
            found = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            raise Wrong(wanted) from None
    if not isinstance(found, dict) or not all(isinstance(v, str | int | float) for v in found.values()):
        raise Wrong(wanted)
    kept = {}
    for name, said in found.items():
        if isinstance(said, int | float) and not isinstance(said, bool):
            if not isfinite(said) or abs(said) > LARGEST:
                raise Wrong(wanted)
            said = float(said)
        kept[ident(name)] = said
    return kept


def _plain(said: str) -> ScoreValue:
    try:
        return float(said)
    except ValueError:
        return said


def ids(value: Any) -> tuple[str, ...]:
    """Several ids with semicolons between them, or a JSON list."""
    parts = value if isinstance(value, list) else str(value).split(";")
    return tuple(ident(part) for part in parts if str(part).strip())


@dataclass(frozen=True)
class Column:
    """One column: its name, what it is, how it is read, and what stands in the template's two examples."""

    name: str
    what: str
    parse: Parse
    examples: tuple[str, str] = ("", "")
    required: bool = False
    of_plan: bool = False


def _plan(name: str, what: str, parse: Parse, *examples: str) -> Column:
    return Column(name, what, parse, (examples[0] if examples else "", ""), of_plan=True)


COLUMNS = (
    Column("external_id", "the patient's journey in your own list; unique", text, ("A-1001", "A-1002"), required=True),
    Column("pathway", "the pathway's id", ident, ("low_back_pain", "low_back_pain"), required=True),
    Column("stage", f"{', '.join(STAGES)}", one_of(*STAGES), ("therapy", "follow_up"), required=True),
    Column("received_on", "the day the referral came", day, ("2026-01-12", "2025-10-06"), required=True),
    Column("family", "family name", text, ("Fernsby", "Ashdown")),
    Column("given", "given names", text, ("Ivo", "Mara")),
    Column("birth_date", "year-month-day", day, ("1980-02-03", "1957-11-30")),
    Column("sex", "male, female, other, unknown", one_of("male", "female", "other", "unknown"), ("male", "female")),
    Column("email", "the patient's mail address", email, ("ivo@mail.example", "")),
    Column("phone", "the patient's telephone", text, ("+44 20 7946 0001", "+44 20 7946 0002")),
    Column("language", "language code, for example en", ident, ("en", "en")),
    Column("referrer_name", "who referred the patient", text, ("Dr Ada Quill", "Dr Ada Quill")),
    Column("referrer_email", "their mail address", email, ("quill@surgery.example", "quill@surgery.example")),
    Column("clinic", "the clinic's id, where there are several", ident),
    Column("urgency", ", ".join(get_args(ReferralUrgency)), one_of(*get_args(ReferralUrgency)), ("routine", "routine")),
    Column("consent_to_messages", "yes or no; empty: not asked, nothing is sent", yes_or_no, ("yes", "no")),
    Column("red_flags_screened", "whether all red flags were asked and cleared, yes or no", yes_or_no, ("yes", "yes")),
    Column("accepted_on", "the day the referral was accepted", day, ("2026-01-13", "2025-10-07")),
    Column("priority", "a level of the pathway's triage", text, ("P2", "")),
    Column("clinician", "who treats, an id of the directory", ident),
    Column("baseline", "first scores: nprs=6;odi=42, or a JSON object", scores, ("nprs=6;odi=42", "nprs=6;odi=38")),
    Column("latest", "latest scores, in the same way", scores, ("nprs=4", "nprs=1;odi=12")),
    Column("surgery_on", "the day of surgery, or for which it is planned (therapy)", day),
    Column("phase", "the phase that the patient is in, its number in the pathway", whole(1, 99)),
    Column("discharged_on", "the day care ended", day, ("", "2025-12-15")),
    Column("discharge_reason", ", ".join(get_args(DischargeReason)), one_of(*get_args(DischargeReason)), ("", "GOALS")),
    Column("summary_signed", "yes or no; needed for discharge and follow_up", yes_or_no, ("", "yes")),
    Column("receipt_confirmed", "whether the referrer confirmed the summary's receipt", yes_or_no, ("", "yes")),
    Column("follow_ups_answered", "follow-ups answered already, by id, with ; between", ids, ("", "week_1")),
    _plan("discipline", ", ".join(get_args(Discipline)), one_of(*get_args(Discipline)), "physiotherapy"),
    _plan("plan_label", "the plan's dose in the pathway, by id; gives what is not said below", ident, "medium_risk"),
    _plan("visits_planned", "visits in all", whole(1, MOST_VISITS), "6"),
    _plan("visits_per_week", "visits in a week", number, "1"),
    _plan("weeks", "weeks", whole(1, 520), "6"),
    _plan("visit_minutes", "minutes of a visit", whole(5, 480), "30"),
    _plan("started_on", "the plan's first day", day, "2026-01-20"),
    _plan("visits_used", "visits attended", whole(0, MOST_VISITS), "3"),
    _plan("visits_missed", "visits missed", whole(0, MOST_VISITS), "0"),
    _plan("last_visit_on", "the day of the last visit attended", day, "2026-02-10"),
    _plan("certified_on", "the day the plan was certified; empty: it is not", day, "2026-01-25"),
    _plan("authorised_visits", "visits that the payer authorised; empty: none needed", whole(1, MOST_VISITS)),
    _plan("authorised_used", "of these, used", whole(0, MOST_VISITS)),
    _plan("authorised_from", "the authorisation's first day", day),
    _plan("authorised_until", "its last day", day),
    _plan("next_visit_at", "the next visit, if booked: 2026-03-02T10:30 at the clinic's time", moment),
    _plan("next_visit_clinician", "its clinician, an id of the directory; empty: the row's clinician", ident),
    _plan("last_review_on", "the day of the last progress review", day),
)
BY_NAME = {column.name: column for column in COLUMNS}


def template() -> str:
    """A CSV header with two example rows."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow([c.name for c in COLUMNS])
    rows.writerows([c.examples[n] for c in COLUMNS] for n in range(2))
    return out.getvalue()
