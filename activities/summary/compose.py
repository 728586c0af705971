"""The discharge summary for the referrer: what the record of a journey says, put into words and tables.

Pure: the same record and the same pathway give the same summary. It tells what is on record and what is not; it adds
no clinical judgement of its own. Thresholds, home programme and follow-ups are those of the journey's pathway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from activities.summary import words as say
from activities.summary.model import Section, Summary, Table
from care.gate import Criterion
from care.pathway import Pathway
from care.plan import Goal, PlanOfCare
from care.rules.follow_up import Schedule, schedule
from care.score import ScoreValue

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


def compose(course: Mapping[str, Any], pathway: Pathway | None) -> Summary:
    """Put a course (see `records.documents.course`) into words. Whatever is missing is said to be missing."""
    return _Course(course, pathway).summary()


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
        self.zone = say.zone(self.head.get("timezone"))
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
            clinic=say.clean(self.head.get("clinic")) or "Clinic not on record",
            patient=f"{patient}, born {born}" if self.head.get("birth_date") else f"{patient}, birth date {born}",
            referral=say.clean(self.head.get("referral_id")) or say.NOT_ON_RECORD,
            about=about,
            sections=tuple(self._sections()),
            signature=self._signed_by(),
            signed=self.signature is not None,
            written_at=latest or datetime(1970, 1, 1, tzinfo=UTC),
        )

    # --- who, which referral, why

    def _about(self) -> Iterator[tuple[str, str]]:
        head = self.head
        name = " ".join(part for part in (say.clean(head.get("given")), say.clean(head.get("family"))) if part)
        yield "Patient", name or "name not on record"
        yield "Born", say.born(head.get("birth_date"))
        yield "Referral", say.clean(head.get("referral_id")) or say.NOT_ON_RECORD
        yield "Received", self._day(head.get("received_at"))
        requester: Mapping[str, Any] = head.get("requester") or {}
        asked = [part for key in ("name", "organisation") if (part := say.clean(requester.get(key)))]
        if asked:
            yield "Referred by", ", ".join(dict.fromkeys(asked))
        if self.pathway:
            yield "Pathway", f"{self.pathway.name}, version {self.pathway.version}"
        elif self.label:
            yield "Pathway", self.label
        else:
            yield "Pathway", "none was chosen"
        if surgery := self._last("surgery_done"):
            yield "Surgery", say.day(say.surgery_date(surgery, self.zone))
        if self.reason is None:
            yield "Discharge", "no discharge is on record"
            return
        yield "Discharge", self._day(self.reason["at"])
        code = str(self.reason["data"].get("reason", ""))
        yield "Reason", REASONS.get(code) or say.clean(code) or say.NOT_ON_RECORD

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
                    items=tuple(say.sentence(item) for item in self.pathway.home_programme),
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
            counts.append(f"{say.count(attended, 'visit')} attended in all")
        if missed := self.visits.get("no_show", 0):
            counts.append(f"{say.count(missed, 'visit')} missed without notice")
        told = (say.sentence("; ".join(counts)) + ".",) if counts else ()
        if not self.plans:
            return Section(heading="Care given", paragraphs=(*told, "No plan of care was made."))
        return Section(
            heading="Care given",
            paragraphs=told,
            table=Table(
                columns=("Discipline", "Plan of care", "Begun", "Attended", "Planned"),
                rows=tuple(
                    (
                        say.plain(plan.discipline),
                        f"{plan.label} (self-care)"
                        if plan.self_care and "self-care" not in plan.label.lower()
                        else plan.label,
                        self._day(plan.started_at),
                        f"{plan.visits_attended} of {say.count(plan.visits_planned.value, 'visit')}",
                        say.count(plan.weeks.value, "week"),
                    )
                    for plan in self.plans
                ),
            ),
            items=tuple(f"{plan.label}: {'; '.join(plan.interventions)}" for plan in self.plans if plan.interventions),
        )

    def _phases(self) -> Section | None:
        """The phases, with the gates that a clinician overrode."""
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
        return Section(heading=f"Phases{' after surgery' if self._last('surgery_done') else ''}", table=table)

    # --- how it went

    def _measured(self) -> Section:
        if not self.scores:
            return Section(heading="Measures", paragraphs=("Nothing was measured.",))
        order = [m.id for m in self.pathway.measures] if self.pathway else []
        ids = [id for id in order if id in self.scores] + [id for id in self.scores if id not in order]  # noqa: A001
        # The day that most scores of a column were taken is told once, above the table; cells name only other days.
        usual = tuple(say.most([self._day(self.scores[id][n][0]) for id in ids]) for n in (0, -1))  # noqa: A001
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
        name = measure.name if measure else say.plain(id)
        days = [self._day(at) for at, _ in taken]
        first, last = taken[0][1], taken[-1][1]
        start = say.value(first, measure) + (f" ({days[0]})" if days[0] != usual[0] else "")
        end = say.value(last, measure) + (f" ({days[-1]})" if days[-1] != usual[1] else "")
        if measure and id in RATINGS_OF_CHANGE and not isinstance(last, str):
            return name, "rates the change itself", end, say.change(measure, 0.0, float(last))
        if len(taken) == 1:
            return name, start, "not measured again", "not known"
        if isinstance(first, str | bool) or isinstance(last, str | bool):
            return name, start, end, "unchanged" if first == last else "changed"
        if measure is None:
            return name, start, end, f"{last - first:+g}"
        return name, start, end, say.change(measure, float(first), float(last))

    def _goals(self) -> Section:
        goals = [(plan, goal) for plan in self.plans for goal in plan.goals]
        if not goals:
            return Section(heading="Goals", paragraphs=("No goals were set in numbers.",))
        met = sum(self._met(goal) for _, goal in goals)
        return Section(
            heading="Goals",
            paragraphs=(f"{met} of {say.count(len(goals), 'goal')} met.",),
            table=Table(
                columns=("Goal", "At the start", "Target", "At the end", "Result"),
                rows=tuple(self._goal_row(goal) for _, goal in goals),
            ),
        )

    def _goal_row(self, goal: Goal) -> tuple[str, ...]:
        measure = self.pathway.measure(goal.measure) if self.pathway else None
        taken = self.scores.get(goal.measure)
        return (
            measure.name if measure else say.plain(goal.measure),
            say.value(goal.baseline, measure),
            OPS[goal.op] + say.value(goal.target, measure),
            say.value(taken[-1][1], measure) if taken else "not measured",
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
        asked = f"Asked {say.times(len(screens))}, {'last ' if screens[1:] else ''}on {self._day(screens[-1]['at'])}"
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
                words = f"{say.plain(outcome)}, {self._day(row['at'])}, {self._person(row)}"
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
            suspected = finding.get("suspected") or (known.suspected if known else say.plain(finding["flag"]))
            urgency = str(finding.get("urgency", ""))
            yield finding["flag"], say.sentence(suspected), URGENCIES.get(urgency, urgency)
        if not findings:
            yield None, say.sentence(str(row["text"]).removeprefix("Red flag: ")), ""

    # --- afterwards

    def _follow_up(self, pathway: Pathway) -> Section:
        plan = pathway.follow_up
        surgery = self._last("surgery_done")
        ended = self.reason["at"] if self.reason else None
        anchor, since = ended, "discharge"
        if plan.anchor == "surgery" and surgery:
            anchor, since = say.surgery_date(surgery, self.zone), "surgery"
        elif plan.anchor == "onset" and self.reason and (onset := self.reason["data"].get("onset_at")):
            anchor, since = datetime.fromisoformat(onset), "the onset"
        if anchor is None or ended is None:
            return Section(heading="Follow-up", paragraphs=("Follow-ups are planned once care has ended.",))
        to_come = schedule(
            Schedule(pathway=pathway.label, occasions=plan.occasions, anchor_at=anchor, discharged_at=ended)
        ).due
        if not to_come:
            return Section(heading="Follow-up", paragraphs=("No follow-up is left to come.",))
        measures = ", ".join(m.name for id in plan.measures if (m := pathway.measure(id)))  # noqa: A001
        return Section(
            heading="Follow-up",
            paragraphs=(f"We ask the patient about: {measures}.",) if measures else (),
            table=Table(
                columns=("When", "About"),
                rows=tuple((_after(due.label, since), self._day(due.at)) for due in to_come),
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
        return say.clean(self.people.get(person)) or person or say.NOT_ON_RECORD

    def _last(self, kind: str) -> Mapping[str, Any] | None:
        return next((row for row in reversed(self.rows) if row["kind"] == kind), None)

    def _day(self, moment: datetime | None) -> str:
        return say.NOT_ON_RECORD if moment is None else say.day(moment.astimezone(self.zone))


# --- words


def _after(label: str, since: str) -> str:
    """`6 weeks after surgery`; a label that says it already stands as it is."""
    return label if " after " in label else f"{label} after {since}"
