"""What is wrong with a pathway beyond its form: mistakes that the schema cannot see and a patient would feel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from care.gate import Criterion
from care.pathway import DoseRule, Pathway, Phase
from care.score import Measure, ScoreValue, Sourced
from pathways.linting_flags import lint_flags
from pathways.loader import PathwayError, files, library, read_pathway

AT_INTAKE = frozenset({"age", "sex", "days_since_onset", "urgency"})
AT_EVALUATION = AT_INTAKE | {"weeks_since_surgery", "weeks_since_onset", "earlier_plans"}
IN_PLAN = AT_EVALUATION | {
    "visits",
    "weeks",
    "reviews_without_gain",
    "goals_met_pct",
    "missed_visits",
    "attended_pct",
    "phase",
    "days_in_phase",
}
AFTER_SURGERY = Criterion(fact="weeks_since_surgery", op=">=", value=0)
ABOUT_PATIENT = {"urgency": ("routine", "urgent", "asap", "stat"), "sex": ("male", "female")}
"""Facts of a referral that are words, and the words they may be."""
SUFFIXES = ("baseline", "change", "gain", "gain_pct", "norm", "age_days", "loss")


@dataclass(frozen=True)
class Finding:
    """One problem: which file, where in it, which rule of the linter, and what would be right."""

    file: str
    where: str
    rule: str
    what: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.where, self.what) if part) + f" ({self.rule})"

    def as_dict(self) -> dict[str, str]:
        """For `--json`."""
        return asdict(self)


@dataclass(frozen=True)
class _Moment:
    """Where a criterion stands: which general facts exist then, and which measures have been taken by then."""

    name: str
    general: frozenset[str]
    taken: frozenset[str]
    after_discharge: bool = False


Problem = tuple[str, str, str]
"""Where, which rule, and what would be right; the file is added at the end."""


def lint(directory: Path | None = None) -> list[Finding]:
    """Every problem of every file of a folder, or of the package; a file that cannot be read is one of them."""
    try:
        entries = library(directory)
        found = files(directory)
    except PathwayError as error:
        return _unreadable(error)
    findings: list[Finding] = []
    seen: dict[tuple[str, int], str] = {}
    for path in found:
        try:
            pathway = read_pathway(path, entries)
        except PathwayError as error:
            findings += _unreadable(error)
            continue
        key = (pathway.id, pathway.version)
        if key in seen:
            what = f"{pathway.label} is in {seen[key]} already; raise the version"
            findings.append(Finding(path.name, "version", "version_twice", what))
        seen[key] = path.name
        findings += lint_pathway(pathway, path.name)
    return findings


def lint_pathway(pathway: Pathway, file: str) -> list[Finding]:
    """Every problem of one pathway."""
    checks = (_head, _sources, lint_flags, _criteria, _dosing, _goals, _phases, _follow_up)
    return [Finding(file, where, rule, what) for check in checks for where, rule, what in check(pathway)]


def _unreadable(error: PathwayError) -> list[Finding]:
    return [Finding(e.file, e.where, "form", e.what) for e in error.all]


# --- the head of the file, sources


def _head(pathway: Pathway) -> Iterator[Problem]:
    if not pathway.codes and pathway.status != "sketch":
        yield "codes", "no_codes", "no referral's codes will ever suggest this pathway; name at least one"
    if not pathway.baseline:
        yield "baseline", "no_baseline", "no plan can be made from nothing; name the measures of the evaluation"
    if not pathway.red_flags:
        yield "red_flags", "no_red_flags", "every pathway screens for something; name the red flags"
    for field in ("every_visits", "every_days"):
        if getattr(pathway.review, field) < 1:
            yield f"review.{field}", "review", "a review comes after one or more"


def _sources(pathway: Pathway) -> Iterator[Problem]:
    for where, entry in sourced(pathway, ""):
        if not entry.source.strip():
            yield where, "no_source", "say where this comes from; a design choice says so, and why"


def sourced(value: Any, where: str) -> Iterator[tuple[str, Sourced]]:
    """Every entry in `value` that carries a basis and a source, with its place."""
    if isinstance(value, Sourced):
        yield where or "source", value
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from sourced(getattr(value, name), f"{where}.{name}" if where else name)
    elif isinstance(value, tuple):
        for n, item in enumerate(value):
            yield from sourced(item, f"{where}[{n}]")


# --- criteria


def _criteria(pathway: Pathway) -> Iterator[Problem]:
    for where, criterion, moment in _all_criteria(pathway):
        yield from _criterion(pathway, criterion, moment, where)


def _all_criteria(pathway: Pathway) -> Iterator[tuple[str, Criterion, _Moment]]:
    baseline = frozenset(pathway.baseline)
    in_phases = frozenset(m for phase in pathway.phases for m in phase.measures)
    at_surgery = frozenset(pathway.at_surgery)
    by_review = baseline | in_phases | at_surgery | frozenset(pathway.review.measures)
    intake = _Moment("at intake", AT_INTAKE, frozenset())
    evaluation = _Moment("at the evaluation", AT_EVALUATION, baseline | at_surgery)
    review = _Moment("at a review", IN_PLAN, by_review)
    asked = frozenset(pathway.follow_up.measures)
    after = _Moment("at follow-up", frozenset({"age"}), asked, after_discharge=True)
    groups: list[tuple[str, Iterable[Criterion], _Moment]] = [("exclude", pathway.exclude, intake)]
    groups += [(f"triage.rules[{n}].when", rule.when, intake) for n, rule in enumerate(pathway.triage.rules)]
    groups += [(f"dosing[{n}].when", rule.when, evaluation) for n, rule in enumerate(pathway.dosing)]
    groups += [(f"progress[{n}].when", rule.when, review) for n, rule in enumerate(pathway.progress)]
    groups += [("before_surgery", pathway.before_surgery, evaluation), ("discharge", pathway.discharge, review)]
    taken = baseline | at_surgery
    for n, phase in enumerate(pathway.phases):
        taken |= frozenset(phase.measures)
        groups.append((f"phases[{n}].gate", phase.gate, _Moment(f"in phase {phase.n}", IN_PLAN, taken)))
    groups.append(("follow_up.worse", pathway.follow_up.worse, after))
    for where, criteria, moment in groups:
        for n, criterion in enumerate(criteria):
            yield f"{where}[{n}]", criterion, moment


def _criterion(pathway: Pathway, criterion: Criterion, moment: _Moment, where: str) -> Iterator[Problem]:
    if (criterion.value is None) == (criterion.than is None):
        yield where, "value_or_than", "compare with `value` or with another fact (`than`), with exactly one of them"
        return
    for field, fact in (("fact", criterion.fact), ("than", criterion.than)):
        if fact is None:
            continue
        if problem := _fact_problem(pathway, fact, moment):
            yield f"{where}.{field}", *problem
            return
    if what := _value_problem(pathway, criterion):
        yield f"{where}.value", "value_range", what
    words = _options(pathway, criterion.fact)
    if words and criterion.op not in ("==", "!=", "in"):
        yield f"{where}.op", "op_for_words", f"{criterion.fact} is a word; compare it with '==', '!=' or 'in'"


def _fact_problem(pathway: Pathway, fact: str, moment: _Moment) -> tuple[str, str] | None:
    """The rule broken and what would be right, when the fact cannot be known at that moment."""
    name, _, suffix = fact.partition(".")
    if name in IN_PLAN and not suffix:
        return _general_fact_problem(pathway, name, moment)
    measure = pathway.measure(name)
    if measure is None:
        return "unknown_fact", f"there is no fact {fact!r}: no such measure of this pathway, nor general fact"
    if suffix and suffix not in SUFFIXES:
        return "unknown_fact", f"there is no fact {fact!r}; after a measure's id: {', '.join(SUFFIXES)}"
    if suffix in ("change", "gain", "gain_pct", "loss") and measure.options:
        return "unknown_fact", f"{name} is a word and has no .{suffix}"
    if suffix == "norm" and not measure.norms:
        return "unknown_fact", f"{name} has no reference values, so no .norm"
    if suffix == "loss" and not moment.after_discharge:
        return "not_yet_known", f"{fact} is known at follow-up only"
    if suffix != "norm" and name not in moment.taken:
        return "never_taken", f"{name} is not taken by then ({moment.name}); add it to the measures taken, or drop this"
    if suffix == "loss" and name not in _taken_in_care(pathway):
        return "never_taken", f"{name} is never taken before discharge, so its loss is never known"
    return None


def _general_fact_problem(pathway: Pathway, name: str, moment: _Moment) -> tuple[str, str] | None:
    if name not in moment.general:
        return "not_yet_known", f"{name} is not known {moment.name}; known then: {', '.join(sorted(moment.general))}"
    if name == "weeks_since_surgery" and not pathway.surgical:
        return "unknown_fact", "weeks_since_surgery is only known on a pathway with phases after surgery"
    if name in ("phase", "days_in_phase") and not pathway.phases:
        return "unknown_fact", f"{name} is only known on a pathway with phases"
    if name == "goals_met_pct" and not pathway.goals:
        return "unknown_fact", "goals_met_pct is only known on a pathway with goals"
    return None


def _taken_in_care(pathway: Pathway) -> set[str]:
    return {*pathway.baseline, *pathway.review.measures, *(m for phase in pathway.phases for m in phase.measures)}


def _options(pathway: Pathway, fact: str) -> tuple[str, ...]:
    name, _, suffix = fact.partition(".")
    if fact in ABOUT_PATIENT:
        return ABOUT_PATIENT[fact]
    measure = pathway.measure(name)
    return measure.options if measure is not None and suffix in ("", "baseline") else ()


def _value_problem(pathway: Pathway, criterion: Criterion) -> str | None:
    value, (name, _, suffix) = criterion.value, criterion.fact.partition(".")
    if value is None:
        return None
    if words := _options(pathway, criterion.fact):
        wanted = value if isinstance(value, tuple) else (value,)
        return None if set(wanted) <= set(words) else f"{criterion.fact} is one of: {', '.join(words)}"
    if isinstance(value, str | bool | tuple):
        return f"{criterion.fact} is a number"
    measure = pathway.measure(name)
    if measure is None or suffix == "age_days":
        return "less than nothing cannot be" if value < 0 else None
    if suffix in ("", "baseline", "norm"):
        return measure.problem_with(value)
    return _change_problem(measure, suffix, value)


def _change_problem(measure: Measure, suffix: str, value: ScoreValue) -> str | None:
    if suffix == "gain_pct" or measure.minimum is None or measure.maximum is None or not isinstance(value, int | float):
        return None
    span = measure.maximum - measure.minimum
    return f"{measure.id} cannot change by more than {span:g}" if abs(value) > span else None


# --- dosing, goals


def _dosing(pathway: Pathway) -> Iterator[Problem]:
    if not pathway.dosing:
        yield "dosing", "no_dosing", "nobody would get any therapy; write at least one rule without criteria"
    disciplines = list(dict.fromkeys(rule.discipline for rule in pathway.dosing))
    for discipline in disciplines:
        rules = [(n, rule) for n, rule in enumerate(pathway.dosing) if rule.discipline == discipline]
        catch_all = next((i for i, (_, rule) in enumerate(rules) if not rule.when), None)
        if catch_all is None:
            yield "dosing", "no_catch_all", f"somebody falls through: end {discipline} with a rule without `when`"
        else:
            for n, rule in rules[catch_all + 1 :]:
                yield f"dosing[{n}]", "unreachable", f"{rule.id} never applies: a rule without `when` stands before it"
    for n, rule in enumerate(pathway.dosing):
        yield from _dose(rule, f"dosing[{n}]")


def _dose(rule: DoseRule, where: str) -> Iterator[Problem]:
    fewest, most = rule.visits or (0, 0)
    if not 0 <= fewest <= most:
        yield f"{where}.visits", "visits_order", "fewest first, then most"
    weeks, per_week = rule.weeks, rule.visits_per_week
    if (weeks is not None and weeks < 1) or (per_week is not None and per_week <= 0):
        yield where, "dose_empty", "weeks and visits_per_week are more than nothing"
    elif weeks is not None and per_week is not None and most > weeks * per_week + 0.5:
        yield f"{where}.visits", "dose_too_short", f"{most} visits do not fit into {weeks} weeks at that frequency"
    if rule.self_care and (not rule.check_days or weeks is None):
        yield f"{where}.check_days", "self_care_unchecked", "self-care without a check loses the patient; name the days"
    if list(rule.check_days) != sorted({d for d in rule.check_days if 0 < d <= (weeks or 0) * 7}):
        yield f"{where}.check_days", "check_days_order", "days rise, and lie within the plan's weeks"


def _goals(pathway: Pathway) -> Iterator[Problem]:
    for n, goal in enumerate(pathway.goals):
        where, measure = f"goals[{n}]", pathway.measure(goal.measure)
        changes = goal.improve is not None or goal.improve_pct is not None
        if (goal.reach is not None) == changes:
            yield where, "goal_kind", "a goal is an end state (reach) or a change (improve, improve_pct), not both"
        if goal.measure not in pathway.baseline:
            yield where, "never_taken", f"{goal.measure} is not in the baseline, so no goal can be made from it"
        if measure is None or measure.options:
            yield where, "goal_measure", f"{goal.measure} is not a number"
        elif goal.reach is not None and (what := measure.problem_with(goal.reach)):
            yield f"{where}.reach", "value_range", what


# --- phases, follow-up


def _phases(pathway: Pathway) -> Iterator[Problem]:
    if (pathway.before_surgery or pathway.at_surgery) and not pathway.surgical:
        yield "before_surgery", "no_phases", "there is no surgery on a pathway without phases after it"
    for n, rule in _dosing_after_surgery(pathway):
        if rule.visits is None or rule.weeks is None or rule.visits_per_week is None:
            yield f"dosing[{n}]", "dose_missing", "after surgery a plan is made without a therapist: give all numbers"
    for n, phase in enumerate(pathway.phases):
        where = f"phases[{n}]"
        start, end = phase.window_days
        if start >= end:
            yield f"{where}.window_days", "window", "earliest day first, then the review day"
        if phase.visits_per_week[0] > phase.visits_per_week[1]:
            yield f"{where}.visits_per_week", "visits_order", "fewest first, then most"
        if not phase.gate and n + 1 < len(pathway.phases):
            yield f"{where}.gate", "no_gate", "time alone never opens a gate: say what must be met"
        if n:
            yield from _phase_after(pathway.phases[n - 1], phase, where)


def _dosing_after_surgery(pathway: Pathway) -> Iterator[tuple[int, DoseRule]]:
    """The dosing rules that may apply once surgery is done; those behind one that then always holds are for before."""
    settled: set[str] = set()
    for n, rule in enumerate(pathway.dosing if pathway.surgical else ()):
        if rule.discipline not in settled:
            yield n, rule
        if all(c == AFTER_SURGERY for c in rule.when):
            settled.add(rule.discipline)


def _phase_after(before: Phase, phase: Phase, where: str) -> Iterator[Problem]:
    if phase.n != before.n + 1:
        yield f"{where}.n", "phase_order", f"the phase after {before.n} is {before.n + 1}"
    if phase.window_days[0] < before.window_days[0] or phase.window_days[1] < before.window_days[1]:
        yield f"{where}.window_days", "window_backwards", f"begins or is reviewed before phase {before.n}"


def _follow_up(pathway: Pathway) -> Iterator[Problem]:
    plan = pathway.follow_up
    if not plan.occasions or not plan.measures:
        yield "follow_up", "no_follow_up", "name at least one occasion and one measure"
    if not plan.worse:
        yield "follow_up.worse", "no_worse", "nobody would notice getting worse; name at least one criterion"
    if plan.answer_days < 1 or plan.reminders < 0 or plan.call_within_days < 1:
        yield "follow_up", "follow_up_days", "answer_days and call_within_days are 1 or more, reminders 0 or more"
    if plan.anchor == "surgery" and not pathway.surgical:
        yield "follow_up.anchor", "no_phases", "there is no surgery to count from on a pathway without phases"
    if len({o.id for o in plan.occasions}) != len(plan.occasions):
        yield "follow_up.occasions", "occasion_twice", "each occasion has an id of its own"
    ladder = plan.answer_days * (plan.reminders + 1)
    days = 0
    for n, occasion in enumerate(plan.occasions):
        where = f"follow_up.occasions[{n}].days"
        if occasion.days <= days:
            yield where, "occasion_order", "days rise from one occasion to the next, and begin above 0"
        elif n and occasion.days - days <= ladder:
            yield where, "occasion_gap", f"the reminders of the occasion before take {ladder} days; leave more room"
        days = occasion.days
