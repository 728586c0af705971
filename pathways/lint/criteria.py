"""Criteria: each looks at a fact that is known by then, in its own unit, within its range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from care.gate import Criterion
from care.pathway import Pathway
from care.responder import RESPONSES, has_thresholds
from care.score import Measure, ScoreValue
from care.triage import Triage
from pathways.lint.finding import Problem
from pathways.lint.sense import senseless
from pathways.source import close

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
ABOUT_PATIENT = {"urgency": ("routine", "urgent", "asap", "stat"), "sex": ("male", "female")}
"""Facts of a referral that are words, and the words they may be."""
SUFFIXES = ("baseline", "change", "gain", "gain_pct", "norm", "age_days", "loss", "responder")
UNITS = {
    "age": "years",
    "days_since_onset": "days",
    "days_in_phase": "days",
    "weeks_since_surgery": "weeks",
    "weeks_since_onset": "weeks",
    "weeks": "weeks",
    "visits": "visits",
    "missed_visits": "visits",
    "goals_met_pct": "%",
    "attended_pct": "%",
}
"""Of facts that are no measure."""
SUFFIX_UNITS = {"gain_pct": "%", "age_days": "days"}


@dataclass(frozen=True)
class Ground:
    """What criteria may look at on one pathway; without a pathway, what every one of them has."""

    measures: Mapping[str, Measure] = field(default_factory=dict)
    taken_in_care: frozenset[str] = frozenset()
    surgical: bool = False
    phases: bool = False
    goals: bool = False

    @classmethod
    def of(cls, pathway: Pathway) -> Ground:
        """A pathway's."""
        in_phases = {m for phase in pathway.phases for m in phase.measures}
        return cls(
            measures={m.id: m for m in pathway.measures},
            taken_in_care=frozenset({*pathway.baseline, *pathway.review.measures, *in_phases}),
            surgical=pathway.surgical,
            phases=bool(pathway.phases),
            goals=bool(pathway.goals),
        )


@dataclass(frozen=True)
class Moment:
    """Where a criterion stands: which general facts exist then, and which measures have been taken by then."""

    name: str
    general: frozenset[str]
    taken: frozenset[str] = frozenset()
    after_discharge: bool = False
    asked: frozenset[str] = frozenset()
    """Questions answered with yes or no by then."""

    @property
    def under_way(self) -> bool:
        """Care has begun, so that a score can be compared with an earlier one."""
        return self.after_discharge or "weeks" in self.general


@dataclass(frozen=True)
class Group:
    """Criteria that stand together: all of them have to hold, or any."""

    where: str
    criteria: tuple[Criterion, ...]
    moment: Moment
    any_of: bool = False


INTAKE = Moment("at intake", AT_INTAKE)


def criteria(pathway: Pathway, *, own_triage: bool = True) -> Iterator[Problem]:
    """Every problem with the criteria of a pathway; those of the provider's triage are looked at once, elsewhere."""
    ground = Ground.of(pathway)
    groups = list(_groups(pathway))
    if own_triage:
        yield from triage_rules(pathway.triage, "triage.")
        groups += _triage_groups(pathway.triage, "triage.")
    for group in groups:
        yield from _group(ground, group)


def triage(content: Triage) -> Iterator[Problem]:
    """The same for the provider's triage."""
    yield from triage_rules(content, "")
    for group in _triage_groups(content, ""):
        yield from _group(Ground(), group)


def triage_rules(content: Triage, prefix: str) -> Iterator[Problem]:
    """A rule that stands behind one which holds whenever it does is never reached."""
    for n, rule in enumerate(content.rules):
        if any(set(r.when) <= set(rule.when) for r in content.rules[:n]):
            yield f"{prefix}rules[{n}]", "unreachable", "this rule never applies: one before it holds whenever it does"


def _triage_groups(content: Triage, prefix: str) -> list[Group]:
    screened = Moment("after the screen", AT_INTAKE, asked=frozenset(sign.id for sign in content.ask))
    return [Group(f"{prefix}rules[{n}].when", rule.when, screened) for n, rule in enumerate(content.rules)]


def _groups(pathway: Pathway) -> Iterator[Group]:
    baseline, at_surgery = frozenset(pathway.baseline), frozenset(pathway.at_surgery)
    in_phases = frozenset(m for phase in pathway.phases for m in phase.measures)
    evaluation = Moment("at the evaluation", AT_EVALUATION, baseline | at_surgery)
    review = Moment("at a review", IN_PLAN, baseline | in_phases | at_surgery | frozenset(pathway.review.measures))
    after = Moment("at follow-up", frozenset({"age"}), frozenset(pathway.follow_up.measures), after_discharge=True)
    yield Group("exclude", pathway.exclude, INTAKE, any_of=True)
    for n, dose in enumerate(pathway.dosing):
        yield Group(f"dosing[{n}].when", dose.when, evaluation)
    for n, rule in enumerate(pathway.progress):
        yield Group(f"progress[{n}].when", rule.when, review)
    yield Group("before_surgery", pathway.before_surgery, evaluation)
    yield Group("discharge", pathway.discharge, review)
    taken = baseline | at_surgery
    for n, phase in enumerate(pathway.phases):
        taken |= frozenset(phase.measures)
        yield Group(f"phases[{n}].gate", phase.gate, Moment(f"in phase {phase.n}", IN_PLAN, taken))
    yield Group("follow_up.worse", pathway.follow_up.worse, after, any_of=True)


def _group(ground: Ground, group: Group) -> Iterator[Problem]:
    for n, criterion in enumerate(group.criteria):
        yield from _criterion(ground, criterion, group.moment, f"{group.where}[{n}]")
    if not group.any_of and (what := senseless(group.criteria)):
        yield group.where, "never_holds", what


def _criterion(ground: Ground, criterion: Criterion, moment: Moment, where: str) -> Iterator[Problem]:
    if (criterion.value is None) == (criterion.than is None):
        yield where, "value_or_than", "compare with `value` or with another fact (`than`), with exactly one of them"
        return
    if criterion.fact in moment.asked:
        yield from _yes_or_no(criterion, where)
        return
    for name, fact in (("fact", criterion.fact), ("than", criterion.than)):
        if fact is None:
            continue
        if problem := _fact_problem(ground, fact, moment):
            yield f"{where}.{name}", *problem
            return
    if what := _value_problem(ground, criterion):
        yield f"{where}.value", "value_range", what
    words = _options(ground, criterion.fact)
    if words and criterion.op not in ("==", "!=", "in"):
        yield f"{where}.op", "op_for_words", f"{criterion.fact} is a word; compare it with '==', '!=' or 'in'"
    if what := _unit_problem(ground, criterion):
        yield f"{where}.unit" if criterion.unit else where, "unit", what
    if criterion.only_if is not None:
        yield from _criterion(ground, criterion.only_if, moment, f"{where}.only_if")


def _yes_or_no(criterion: Criterion, where: str) -> Iterator[Problem]:
    if not isinstance(criterion.value, bool) or criterion.op != "==":
        what = f"{criterion.fact} is yes or no: compare it by '==' with true or false"
        yield f"{where}.value", "value_range", what


def _unit_problem(ground: Ground, criterion: Criterion) -> str | None:
    """A unit that is written is the fact's own; two facts that are compared are in the same one."""
    own = unit_of(ground, criterion.fact)
    if criterion.unit is not None and criterion.unit != own:
        if own is None:
            return f"{criterion.fact} has no unit; leave `unit` out"
        return f"{criterion.fact} is in {own}, not in {criterion.unit}"
    if criterion.than is not None and (other := unit_of(ground, criterion.than)) != own:
        return (
            f"{criterion.fact} is in {own or 'no unit'}, {criterion.than} in {other or 'no unit'}: they do not compare"
        )
    return None


def unit_of(ground: Ground, fact: str) -> str | None:
    """The unit of a fact, where it has one."""
    name, _, suffix = fact.partition(".")
    if suffix == "responder":
        return None
    if suffix in SUFFIX_UNITS:
        return SUFFIX_UNITS[suffix]
    measure = ground.measures.get(name)
    return measure.unit if measure is not None else UNITS.get(name)


def _fact_problem(ground: Ground, fact: str, moment: Moment) -> tuple[str, str] | None:
    """The rule broken and what would be right, when the fact cannot be known at that moment."""
    name, _, suffix = fact.partition(".")
    if name in IN_PLAN and not suffix:
        return _general_fact_problem(ground, name, moment)
    measure = ground.measures.get(name)
    if measure is None:
        like = close(name, [*ground.measures, *moment.general])
        return "unknown_fact", f"there is no fact {fact!r}: no such measure of this pathway, nor general fact{like}"
    if suffix and suffix not in SUFFIXES:
        return "unknown_fact", f"there is no fact {fact!r}; after a measure's id: {', '.join(SUFFIXES)}"
    if what := _without(measure, suffix):
        return "unknown_fact", what
    if suffix == "responder" and not moment.under_way:
        return "not_yet_known", f"{fact} is known at reviews, gates and follow-ups; nobody has responded {moment.name}"
    if suffix == "loss" and not moment.after_discharge:
        return "not_yet_known", f"{fact} is known at follow-up only"
    if suffix != "norm" and name not in moment.taken:
        return "never_taken", f"{name} is not taken by then ({moment.name}); add it to the measures taken, or drop this"
    since_discharge = suffix == "loss" or (suffix == "responder" and moment.after_discharge)
    if since_discharge and name not in ground.taken_in_care:
        return "never_taken", f"{name} is never taken before discharge, so its loss is never known"
    return None


def _without(measure: Measure, suffix: str) -> str | None:
    """Why a measure never has this fact."""
    if suffix in ("change", "gain", "gain_pct", "loss", "responder") and measure.options:
        return f"{measure.id} is a word and has no .{suffix}"
    if suffix == "norm" and not measure.norms:
        return f"{measure.id} has no reference values, so no .norm"
    if suffix == "responder" and not has_thresholds(measure):
        return f"{measure.id} has neither an MCID nor an MDC, so no .responder"
    return None


def _general_fact_problem(ground: Ground, name: str, moment: Moment) -> tuple[str, str] | None:
    if name not in moment.general:
        return "not_yet_known", f"{name} is not known {moment.name}; known then: {', '.join(sorted(moment.general))}"
    if name == "weeks_since_surgery" and not ground.surgical:
        return "unknown_fact", "weeks_since_surgery is only known on a pathway with phases after surgery"
    if name in ("phase", "days_in_phase") and not ground.phases:
        return "unknown_fact", f"{name} is only known on a pathway with phases"
    if name == "goals_met_pct" and not ground.goals:
        return "unknown_fact", "goals_met_pct is only known on a pathway with goals"
    return None


def _options(ground: Ground, fact: str) -> tuple[str, ...]:
    name, _, suffix = fact.partition(".")
    if fact in ABOUT_PATIENT:
        return ABOUT_PATIENT[fact]
    if suffix == "responder":
        return RESPONSES
    measure = ground.measures.get(name)
    return measure.options if measure is not None and suffix in ("", "baseline") else ()


def _value_problem(ground: Ground, criterion: Criterion) -> str | None:
    value, (name, _, suffix) = criterion.value, criterion.fact.partition(".")
    if value is None:
        return None
    if words := _options(ground, criterion.fact):
        wanted = value if isinstance(value, tuple) else (value,)
        return None if set(wanted) <= set(words) else f"{criterion.fact} is one of: {', '.join(words)}"
    if isinstance(value, str | bool | tuple):
        return f"{criterion.fact} is a number"
    measure = ground.measures.get(name)
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
