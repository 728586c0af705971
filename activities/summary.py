"""The discharge summary for the referrer: what the record of a journey says, put into words and tables.

Pure: the same record and the same pathway give the same summary. It tells what is on record and what is not; it adds
no clinical judgement of its own. Thresholds, home programme and follow-ups are those of the journey's pathway.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from care.facts import improvement
from care.gate import Criterion
from care.model import Model
from care.pathway import Pathway
from care.plan import Goal, PlanOfCare
from care.rules.follow_up import Schedule, schedule
from care.score import Measure, ScoreValue

WIDTH = 80

REASONS = {
    "GOALS": "The goals of care were met",
    "MMI": "Plateau: no further measurable gain",
    "SELF": "The patient chose to end therapy",
    "NOSHOW": "Visits were missed, and the clinic's no-show policy applied",
    "MEDICAL": "A medical change or a red flag",
    "SURGERY": "The patient goes on to surgery",
    "PAYER": "The benefit that paid for therapy ended",
    "DECLINED": "The patient declined therapy at the evaluation",
}
URGENCIES = {
    "E0": "emergency, now",
    "E1": "same day",
    "E2": "within 5 working days",
    "E3": "within 14 days",
    "N": "note for the next review",
}
OPS = {
    "<=": "at most ",
    "<": "below ",
    ">=": "at least ",
    ">": "above ",
    "==": "",
    "!=": "not ",
}
RATINGS_OF_CHANGE = {"groc"}
"""Measures that ask about the change itself: each answer already compares with the start, so none is subtracted."""

NOT_ON_RECORD = "not on record"


class Table(Model):
    """Rows under column headings."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Section(Model):
    """One part of the summary: a heading, and under it paragraphs, a table, a list; any of them may be missing."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    table: Table | None = None
    items: tuple[str, ...] = ()


class Summary(Model):
    """A discharge summary, ready to be set as text or as PDF."""

    title: str = "Discharge summary"
    clinic: str
    patient: str
    """Name and birth date in one line, for the foot of every page."""
    referral: str
    about: tuple[tuple[str, str], ...]
    """Label and value: who, which referral, why discharged."""
    sections: tuple[Section, ...]
    signature: str
    signed: bool
    written_at: datetime
    """The latest moment on record: signature, else discharge. Never the clock of the machine that writes."""


def compose(course: Mapping[str, Any], pathway: Pathway | None) -> Summary:
    """Put a course (see `records.documents.course`) into words. Whatever is missing is said to be missing."""
    return _Course(course, pathway).summary()


def as_text(summary: Summary) -> str:
    """The summary for reading at 80 columns."""
    lines = [summary.clinic, summary.title.upper(), "=" * WIDTH]
    if not summary.signed:
        lines += ["DRAFT - NOT SIGNED", ""]
    label = max(_width(name) for name, _ in summary.about) + 2
    for name, value in summary.about:
        first, *more = _wrap(value, WIDTH - label)
        lines += [_pad(name, label) + first, *(" " * label + line for line in more)]
    for section in summary.sections:
        lines += ["", section.heading, "-" * _width(section.heading)]
        for n, paragraph in enumerate(section.paragraphs):
            lines += [*([""] if n else []), *_wrap(paragraph, WIDTH)]
        if section.table:
            lines += [*([""] if section.paragraphs else []), *_set_table(section.table)]
        if section.items:
            lines += [""] if section.paragraphs or section.table else []
            for item in section.items:
                first, *more = _wrap(item, WIDTH - 2)
                lines += [f"- {first}", *(f"  {line}" for line in more)]
    lines += ["", "=" * WIDTH, *_wrap(summary.signature, WIDTH)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


@dataclass
class _Flag:
    """A red flag that was found, and what became of it so far."""

    id: str | None
    found: str
    suspected: str
    urgency: str
    handled: list[str] = field(default_factory=list)
    cleared: bool = False


class _Course:
    """One journey's record, read with the eyes of its pathway."""

    def __init__(self, course: Mapping[str, Any], pathway: Pathway | None) -> None:
        self.head: Mapping[str, Any] = course.get("head") or {}
        self.pathway = pathway
        self.label: str | None = pathway.label if pathway else course.get("pathway")
        self.rows: list[Mapping[str, Any]] = list(course.get("rows") or ())
        self.people: Mapping[str, str] = course.get("people") or {}
        self.visits: Mapping[str, int] = course.get("visits") or {}
        self.zone = _zone(self.head.get("timezone"))
        plans = (PlanOfCare.model_validate(body) for body in course.get("plans") or ())
        self.plans = [plan for plan in plans if plan.status != "entered_in_error"]
        self.reason = self._last("discharge_reason")
        self.signature = self._signature()
        # What came after the signature (a follow-up's answers) is no part of what was signed.
        ends = self.signature["at"] if self.signature else None
        self.scores: dict[str, list[tuple[datetime, ScoreValue]]] = {}
        for score in course.get("scores") or ():
            if ends is None or score["at"] <= ends:
                self.scores.setdefault(score["measure"], []).append((score["at"], score["value"]))

    def summary(self) -> Summary:
        about = tuple(self._about())
        patient, born = about[0][1], about[1][1]
        moments = [row["at"] for row in self.rows] + [at for taken in self.scores.values() for at, _ in taken]
        ended = self.signature or self.reason
        latest = ended["at"] if ended else max(moments, default=self.head.get("received_at"))
        return Summary(
            clinic=_clean(self.head.get("clinic")) or "Clinic not on record",
            patient=f"{patient}, born {born}" if self.head.get("birth_date") else f"{patient}, birth date {born}",
            referral=_clean(self.head.get("referral_id")) or NOT_ON_RECORD,
            about=about,
            sections=tuple(self._sections()),
            signature=self._signed_by(),
            signed=self.signature is not None,
            written_at=latest or datetime(1970, 1, 1, tzinfo=UTC),
        )

    # --- who, which referral, why

    def _about(self) -> Iterator[tuple[str, str]]:
        head = self.head
        name = " ".join(part for part in (_clean(head.get("given")), _clean(head.get("family"))) if part)
        yield "Patient", name or "name not on record"
        yield "Born", _born(head.get("birth_date"))
        yield "Referral", _clean(head.get("referral_id")) or NOT_ON_RECORD
        yield "Received", self._day(head.get("received_at"))
        requester: Mapping[str, Any] = head.get("requester") or {}
        asked = [part for key in ("name", "organisation") if (part := _clean(requester.get(key)))]
        if asked:
            yield "Referred by", ", ".join(dict.fromkeys(asked))
        if self.pathway:
            yield "Pathway", f"{self.pathway.name}, version {self.pathway.version}"
        elif self.label:
            yield "Pathway", self.label
        else:
            yield "Pathway", "none was chosen"
        if surgery := self._last("surgery_done"):
            yield "Surgery", _date(_surgery_date(surgery, self.zone))
        if self.reason is None:
            yield "Discharge", "no discharge is on record"
            return
        yield "Discharge", self._day(self.reason["at"])
        code = str(self.reason["data"].get("reason", ""))
        yield "Reason", REASONS.get(code) or _clean(code) or NOT_ON_RECORD

    def _sections(self) -> Iterator[Section]:
        yield self._care()
        if phases := self._phases():
            yield phases
        yield self._measured()
        yield self._goals()
        yield self._red_flags()
        if self.pathway:
            if self.pathway.home_programme and self.plans:
                yield Section(
                    heading="Home programme",
                    paragraphs=("The programme of this pathway:",),
                    items=tuple(_sentence(item) for item in self.pathway.home_programme),
                )
            yield self._follow_up(self.pathway)
        elif self.label:
            yield Section(
                heading="Not in this summary",
                paragraphs=(
                    f"The content of the pathway {self.label} could not be read when this was written: measures are "
                    "named by their ids, and thresholds, home programme and follow-ups are missing.",
                ),
            )

    # --- what was done

    def _care(self) -> Section:
        counts = []
        if attended := self.visits.get("attended", 0):
            counts.append(f"{_count(attended, 'visit')} attended in all")
        if missed := self.visits.get("no_show", 0):
            counts.append(f"{_count(missed, 'visit')} missed without notice")
        told = (_sentence("; ".join(counts)) + ".",) if counts else ()
        if not self.plans:
            return Section(heading="Care given", paragraphs=(*told, "No plan of care was made."))
        return Section(
            heading="Care given",
            paragraphs=told,
            table=Table(
                columns=("Discipline", "Plan of care", "Begun", "Attended", "Planned"),
                rows=tuple(
                    (
                        _words(plan.discipline),
                        f"{plan.label} (self-care)"
                        if plan.self_care and "self-care" not in plan.label.lower()
                        else plan.label,
                        self._day(plan.started_at),
                        f"{plan.visits_attended} of {_count(plan.visits_planned.value, 'visit')}",
                        _count(plan.weeks.value, "week"),
                    )
                    for plan in self.plans
                ),
            ),
            items=tuple(f"{plan.label}: {'; '.join(plan.interventions)}" for plan in self.plans if plan.interventions),
        )

    def _phases(self) -> Section | None:
        """The phases after surgery, with the gates that a clinician overrode."""
        names = {phase.n: phase.name for phase in self.pathway.phases} if self.pathway else {}
        overridden = {row["data"].get("phase"): row for row in self.rows if row["kind"] == "gate_overridden"}
        begun = [row for row in self.rows if row["kind"] == "phase"]
        if not begun:
            return None
        rows = []
        for row in begun:
            n = row["data"].get("phase")
            gate = overridden.get(n - 1) if isinstance(n, int) else None
            how = f"{self._day(row['at'])}, gate overridden by {self._person(gate)}" if gate else self._day(row["at"])
            rows.append((f"{n}", names.get(n, "") if isinstance(n, int) else "", how))
        table = Table(columns=("Phase", "Name", "Begun"), rows=tuple(rows))
        return Section(heading="Phases after surgery", table=table)

    # --- how it went

    def _measured(self) -> Section:
        if not self.scores:
            return Section(heading="Measures", paragraphs=("Nothing was measured.",))
        order = [m.id for m in self.pathway.measures] if self.pathway else []
        ids = [id for id in order if id in self.scores] + [id for id in self.scores if id not in order]  # noqa: A001
        # The day that most scores of a column were taken is told once, above the table; cells name only other days.
        usual = tuple(_most([self._day(self.scores[id][n][0]) for id in ids]) for n in (0, -1))  # noqa: A001
        rows = tuple(self._measure_row(id, usual) for id in ids)  # noqa: A001
        told = f"At the start: {usual[0]}. At the end: {usual[1]}. Where another day stands, it was then."
        return Section(
            heading="Measures",
            paragraphs=(told,),
            table=Table(columns=("Measure", "At the start", "At the end", "Change"), rows=rows),
        )

    def _measure_row(self, id: str, usual: tuple[str, ...]) -> tuple[str, ...]:  # noqa: A002
        taken = self.scores[id]
        measure = self.pathway.measure(id) if self.pathway else None
        name = measure.name if measure else _words(id)
        days = [self._day(at) for at, _ in taken]
        first, last = taken[0][1], taken[-1][1]
        start = _value(first, measure) + (f" ({days[0]})" if days[0] != usual[0] else "")
        end = _value(last, measure) + (f" ({days[-1]})" if days[-1] != usual[1] else "")
        if measure and id in RATINGS_OF_CHANGE and not isinstance(last, str):
            return name, "rates the change itself", end, _change(measure, 0.0, float(last))
        if len(taken) == 1:
            return name, start, "not measured again", "not known"
        if isinstance(first, str | bool) or isinstance(last, str | bool):
            return name, start, end, "unchanged" if first == last else "changed"
        if measure is None:
            return name, start, end, f"{last - first:+g}"
        return name, start, end, _change(measure, float(first), float(last))

    def _goals(self) -> Section:
        goals = [(plan, goal) for plan in self.plans for goal in plan.goals]
        if not goals:
            return Section(heading="Goals", paragraphs=("No goals were set in numbers.",))
        met = sum(self._met(goal) for _, goal in goals)
        return Section(
            heading="Goals",
            paragraphs=(f"{met} of {_count(len(goals), 'goal')} met.",),
            table=Table(
                columns=("Goal", "At the start", "Target", "At the end", "Result"),
                rows=tuple(self._goal_row(goal) for _, goal in goals),
            ),
        )

    def _goal_row(self, goal: Goal) -> tuple[str, ...]:
        measure = self.pathway.measure(goal.measure) if self.pathway else None
        taken = self.scores.get(goal.measure)
        return (
            measure.name if measure else _words(goal.measure),
            _value(goal.baseline, measure),
            OPS[goal.op] + _value(goal.target, measure),
            _value(taken[-1][1], measure) if taken else "not measured",
            "met" if self._met(goal) else "not met",
        )

    def _met(self, goal: Goal) -> bool:
        """By the last score, as the rest of the summary; by the plan's own mark where there is none."""
        taken = self.scores.get(goal.measure)
        if not taken:
            return goal.met
        return Criterion(fact=goal.measure, op=goal.op, value=goal.target).against({goal.measure: taken[-1][1]}).met

    # --- red flags

    def _red_flags(self) -> Section:
        screens = [row for row in self.rows if row["kind"] in ("screened", "red_flag")]
        if not screens:
            return Section(heading="Red flags", paragraphs=("No red-flag screen is on record.",))
        asked = f"Asked {_times(len(screens))}, {'last ' if screens[1:] else ''}on {self._day(screens[-1]['at'])}"
        if not (raised := self._raised()):
            return Section(heading="Red flags", paragraphs=(f"{asked}: none found.",))
        return Section(
            heading="Red flags",
            paragraphs=(f"{asked}.",),
            table=Table(
                columns=("Found", "Suspected", "Urgency", "Handled"),
                rows=tuple(
                    (f.found, f.suspected, f.urgency, "; ".join(f.handled) or "not yet handled") for f in raised
                ),
            ),
        )

    def _raised(self) -> list[_Flag]:
        """Each red flag once, until it is cleared; found again later, it is another row."""
        raised: list[_Flag] = []
        for row in self.rows:
            if row["kind"] == "red_flag":
                for id, suspected, urgency in self._findings(row):  # noqa: A001
                    if not any(f.id == id and not f.cleared for f in raised):
                        raised.append(_Flag(id, self._day(row["at"]), suspected, urgency))
            elif row["kind"] == "red_flag_handled":
                outcome = str(row["data"].get("outcome", ""))
                words = f"{_words(outcome)}, {self._day(row['at'])}, {self._person(row)}"
                for flag in raised:
                    if flag.id == row["data"].get("flag") and not flag.cleared:
                        flag.handled.append(words)
                        flag.cleared = outcome == "cleared"
        return raised

    def _findings(self, row: Mapping[str, Any]) -> Iterator[tuple[str | None, str, str]]:
        outcome: Mapping[str, Any] = row.get("outcome") or {}
        findings = outcome.get("findings") or ()
        for finding in findings:
            known = self.pathway.red_flag(finding["flag"]) if self.pathway else None
            suspected = finding.get("suspected") or (known.suspected if known else _words(finding["flag"]))
            urgency = str(finding.get("urgency", ""))
            yield finding["flag"], _sentence(suspected), URGENCIES.get(urgency, urgency)
        if not findings:
            yield None, _sentence(str(row["text"]).removeprefix("Red flag: ")), ""

    # --- afterwards

    def _follow_up(self, pathway: Pathway) -> Section:
        plan = pathway.follow_up
        surgery = self._last("surgery_done")
        ended = self.reason["at"] if self.reason else None
        anchor = _surgery_date(surgery, self.zone) if plan.anchor == "surgery" and surgery else ended
        if anchor is None or ended is None:
            return Section(heading="Follow-up", paragraphs=("Follow-ups are planned once care has ended.",))
        to_come = schedule(
            Schedule(pathway=pathway.label, occasions=plan.occasions, anchor_at=anchor, discharged_at=ended)
        ).due
        if not to_come:
            return Section(heading="Follow-up", paragraphs=("No follow-up is left to come.",))
        measures = ", ".join(m.name for id in plan.measures if (m := pathway.measure(id)))  # noqa: A001
        since = "surgery" if plan.anchor == "surgery" and surgery else "discharge"
        return Section(
            heading="Follow-up",
            paragraphs=(f"We ask the patient about: {measures}.",) if measures else (),
            table=Table(
                columns=("When", "About"),
                rows=tuple((f"{due.label} after {since}", self._day(due.at)) for due in to_come),
            ),
        )

    def _signature(self) -> Mapping[str, Any] | None:
        """The signature under this discharge; one under an earlier discharge of the same journey does not count."""
        since = 0
        for n, row in enumerate(self.rows):
            if row["kind"] == "discharge_reason":
                since = n
        return next((row for row in self.rows[since:][::-1] if row["kind"] == "summary_signed"), None)

    def _signed_by(self) -> str:
        if self.signature is None:
            return "Draft. This summary has not been signed."
        return f"Signed by {self._person(self.signature)} on {self._day(self.signature['at'])}."

    def _person(self, row: Mapping[str, Any]) -> str:
        person = str(row.get("person") or "")
        return _clean(self.people.get(person)) or person or NOT_ON_RECORD

    def _last(self, kind: str) -> Mapping[str, Any] | None:
        return next((row for row in reversed(self.rows) if row["kind"] == kind), None)

    def _day(self, moment: datetime | None) -> str:
        return NOT_ON_RECORD if moment is None else _date(moment.astimezone(self.zone))


# --- words


def _change(measure: Measure, before: float, after: float) -> str:
    """How much, which way, and what that is worth by the measure's own thresholds."""
    gain = improvement(measure, before, after)
    size = abs(gain)
    if not size:
        return "none"
    words = f"{_number(size)} {_change_unit(measure, size)} {'better' if gain > 0 else 'worse'}"
    if measure.mcid_pct is not None and before:
        words += f" ({100 * size / abs(before):.0f}% of the start)"
    worth = [*_against_mcid(measure, size, before)]
    if measure.mdc is not None:
        worth.append(f"{'beyond' if size > measure.mdc else 'within'} measurement error ({measure.mdc:g})")
    return f"{words}, {'; '.join(worth)}" if worth else f"{words}; no threshold is known for this measure"


def _against_mcid(measure: Measure, size: float, before: float) -> Iterator[str]:
    """The smallest change that matters, given in the measure's unit, in per cent of the start, or in both."""
    matters = "the smallest change that matters"
    points = _compared(size, measure.mcid) if measure.mcid is not None else None
    share = _compared(100 * size / abs(before), measure.mcid_pct) if measure.mcid_pct is not None and before else None
    if points and points == share:
        yield f"{points} {matters} ({measure.mcid:g}, and {measure.mcid_pct:g}%)"
    elif points and share:
        yield f"{points} {matters} ({measure.mcid:g}), but {share} it as a share of the start ({measure.mcid_pct:g}%)"
    elif points:
        yield f"{points} {matters} ({measure.mcid:g})"
    elif share:
        yield f"{share} {matters} ({measure.mcid_pct:g}%)"


def _change_unit(measure: Measure, size: float) -> str:
    if measure.unit in (None, "%"):
        return "point" if size == 1 else "points"
    return "degrees" if measure.unit == "deg" else measure.unit


def _compared(size: float, threshold: float) -> str:
    size, threshold = round(size, 6), round(threshold, 6)
    return "above" if size > threshold else "equal to" if size == threshold else "below"


def _value(value: ScoreValue, measure: Measure | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return _clean(value.replace("_", " "))
    unit = _unit(measure) if measure else ""
    return f"{_number(value)}{'' if unit in ('%', '°') else ' '}{unit}".strip()


def _unit(measure: Measure) -> str:
    return {None: "", "deg": "°"}.get(measure.unit, measure.unit or "")


def _number(value: float) -> str:
    return f"{round(value, 2):g}"


def _count(n: float, what: str) -> str:
    return f"{n:g} {what}{'' if n == 1 else 's'}"


def _most(words: list[str]) -> str:
    """The most frequent; the first of those equally frequent."""
    return max(words, key=words.count)


def _times(n: int) -> str:
    return {1: "once", 2: "twice"}.get(n, f"{n} times")


def _words(id: str) -> str:  # noqa: A002
    return _sentence(_clean(id.replace("_", " ")))


def _sentence(text: str) -> str:
    """A capital at the start; everything else as it is."""
    return text[:1].upper() + text[1:]


def _clean(text: Any) -> str:
    """Text from outside in one line: composed, without control characters or marks that turn the reading direction.

    The two joiners stay: Persian and the scripts of India are not spelled right without them.
    """
    if text is None:
        return ""
    composed = unicodedata.normalize("NFC", str(text).replace("\n", " "))
    unseen = ("Cc", "Cf", "Cs", "Co", "Cn")
    seen = (c for c in composed if c in "\u200c\u200d\t\r" or unicodedata.category(c) not in unseen)
    return " ".join("".join(seen).split())


def _date(moment: date) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _born(text: Any) -> str:
    """FHIR birth dates may be a year, or a year and a month."""
    written = _clean(text)
    for form, words in (("%Y-%m-%d", None), ("%Y-%m", "%B %Y"), ("%Y", "%Y")):
        try:
            found = datetime.strptime(written, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return found.strftime(words) if words else _date(found)
    return written or NOT_ON_RECORD


def _surgery_date(row: Mapping[str, Any], zone: tzinfo) -> datetime:
    """The day of surgery: as data where the row has it, else from its words, else the day it was recorded."""
    if done := row["data"].get("done_at"):
        return datetime.fromisoformat(str(done)).astimezone(zone)
    words = str(row["text"]).partition(";")[0].removeprefix("Surgery took place on ")
    try:
        return datetime.strptime(words, "%d %B %Y").replace(tzinfo=zone)
    except ValueError:
        return _moment(row["at"]).astimezone(zone)


def _moment(at: Any) -> datetime:
    return at if isinstance(at, datetime) else datetime.fromisoformat(str(at))


def _zone(name: Any) -> tzinfo:
    try:
        return ZoneInfo(str(name)) if name else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


# --- setting text


def _set_table(table: Table) -> Iterator[str]:
    gap = 2
    columns = [list(column) for column in zip(table.columns, *table.rows, strict=True)]
    wanted: list[float] = [max(_width(cell) for cell in column) for column in columns]
    least: list[float] = [
        # Headings and dates stay in one line, and no word is broken.
        max(_width(head), min(most, 12), *(_width(word) for cell in column for word in cell.split()))
        for (head, *column), most in zip(columns, wanted, strict=True)
    ]
    widths = [int(width) for width in fitted(wanted, least, WIDTH - gap * (len(columns) - 1))]
    yield from _set_row(table.columns, widths, gap)
    yield "  ".join("-" * w for w in widths)
    tall = any(len(_wrap(cell, w)) > 1 for row in table.rows for cell, w in zip(row, widths, strict=True))
    for n, row in enumerate(table.rows):
        if n and tall:
            yield ""
        yield from _set_row(row, widths, gap)


def fitted(wanted: list[float], least: list[float], room: float) -> list[float]:
    """Column widths that fit a page: long texts break into about as many lines in each column.

    Where even the longest words do not fit, every column gives way alike.
    """
    widths = list(wanted)
    while sum(widths) > room:
        loose = [n for n in range(len(widths)) if widths[n] > least[n]] or list(range(len(widths)))
        widths[min(loose, key=lambda n: (wanted[n] / widths[n], -widths[n]))] -= 1
    return widths


def _set_row(cells: Iterable[str], widths: list[int], gap: int) -> Iterator[str]:
    wrapped = [_wrap(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for n in range(max(len(lines) for lines in wrapped)):
        parts = (lines[n] if n < len(lines) else "" for lines in wrapped)
        yield (" " * gap).join(_pad(part, width) for part, width in zip(parts, widths, strict=True)).rstrip()


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, 1), break_on_hyphens=False) or [""]


def _pad(text: str, width: int) -> str:
    return text + " " * max(0, width - _width(text))


def _width(text: str) -> int:
    """Columns of a terminal: East Asian characters take two, combining marks none."""
    marks = sum(1 for c in text if unicodedata.category(c) in ("Mn", "Me", "Cf"))
    return len(text) - marks + sum(1 for c in text if unicodedata.east_asian_width(c) in "WF")
