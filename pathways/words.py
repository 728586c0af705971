"""Criteria and values in words: the same ones in diagrams, in the pages that a clinician signs, and in exports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from care.condition import AllOf, AnyOf, AtLeast, Condition, NoneOf, Points
from care.gate import Criterion, Wanted
from care.pathway import DoseRule, GoalRule, Occasion, Pathway
from care.red_flag import BEFORE, FlagRule, Held, RedFlag, Urgency, UrgencyLevel
from care.rules.screening import URGENT

SIGNS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "=", "!=": "≠", "in": "is one of:"}

SUFFIXES = {
    "baseline": "{name} at the start",
    "change": "change of {name} since the start",
    "gain": "gain in {name}",
    "gain_pct": "gain in {name}, in % of the start",
    "age_days": "days since {name} was taken",
    "loss": "{name} worse than at discharge by",
    "norm": "the reference value of {name} for age and sex",
    "responder": "{name}: response",
}

FACTS = {
    "age": "age",
    "days_since_onset": "days since onset",
    "weeks_since_onset": "weeks since onset",
    "weeks_since_surgery": "weeks since surgery",
    "weeks_in_phase": "weeks in this phase",
    "phase": "phase",
    "visits": "visits attended",
    "missed_visits": "visits missed",
    "attended_pct": "visits attended of those due, in %",
    "weeks": "weeks of this plan",
    "reviews_without_gain": "reviews in a row without gain",
    "goals_met_pct": "goals met, in %",
    "earlier_plans": "earlier plans of care",
    "urgency": "the referrer's urgency",
}

RECOMMENDATIONS = {
    "continue": "go on",
    "change": "change the plan",
    "surgical_opinion": "ask for a surgical opinion",
    "discharge": "discharge",
}

HELD: dict[Held, str] = {
    "until_cleared": "waits until a clinician clears it",
    "until_handled": "waits until somebody has dealt with it",
    "nothing": "stays open",
}


def plain(word: str) -> str:
    """An identifier as a reader takes it: `physical_therapy` is "physical therapy"."""
    return word.replace("_", " ")


def number(value: float) -> str:
    """A number without a tail of noughts."""
    return f"{value:g}"


def value(wanted: Wanted) -> str:
    """A value as a criterion compares with it."""
    if isinstance(wanted, tuple):
        return ", ".join(plain(word) for word in wanted)
    if isinstance(wanted, bool):
        return "yes" if wanted else "no"
    return plain(wanted) if isinstance(wanted, str) else number(wanted).replace("-", "−")


def fact(name: str, pathway: Pathway) -> str:
    """What a fact is called, with the measure's own name."""
    if name in FACTS:
        return FACTS[name]
    id, _, suffix = name.partition(".")  # noqa: A001 - the field's own word
    measure = pathway.measure(id)
    called = measure.name if measure is not None else plain(id)
    return SUFFIXES[suffix].format(name=called) if suffix in SUFFIXES else f"{called} {plain(suffix)}".strip()


def criterion(one: Criterion, pathway: Pathway) -> str:
    """One criterion as a clinician reads it."""
    words = f"{fact(one.fact, pathway)} {SIGNS[one.op]} "
    words += fact(one.than, pathway) if one.than is not None else value(one.value if one.value is not None else "")
    if unit := _unit(one, pathway):
        words += unit if unit == "%" else f" {unit}"
    if one.only_if is not None:
        words += f" (only if {criterion(one.only_if, pathway)})"
    return words


def _unit(one: Criterion, pathway: Pathway) -> str | None:
    """The unit of the value: the criterion's own, else the measure's where the value is one of that measure."""
    if one.than is not None or isinstance(one.value, str | tuple | bool):
        return None
    if one.unit is not None:
        return one.unit
    id, _, suffix = one.fact.partition(".")  # noqa: A001
    measure = pathway.measure(id)
    return measure.unit if measure is not None and suffix not in ("gain_pct", "age_days", "responder") else None


def criteria(all_of: Iterable[Criterion], pathway: Pathway, *, joined_by: str = " and ") -> str:
    """Several criteria, in one sentence."""
    return joined_by.join(criterion(one, pathway) for one in all_of)


def expression(one: Criterion) -> str:
    """One criterion exactly as the engine takes it, on one line: `knee_flex >= 110 deg`.

    The language of exported conditions (`text/x-continuum-criterion`): fact, operator, value or other fact, unit.
    A word stands in quotation marks; `only if` is asked of those alone for whom it holds or is not known.
    """
    wanted: str
    if one.than is not None:
        wanted = one.than
    elif isinstance(one.value, tuple):
        wanted = f"[{', '.join(_quoted(word) for word in one.value)}]"
    elif isinstance(one.value, bool):
        wanted = "true" if one.value else "false"
    elif isinstance(one.value, str):
        wanted = _quoted(one.value)
    else:
        wanted = number(one.value) if one.value is not None else "unknown"
    words = f"{one.fact} {one.op} {wanted}" + (f" {one.unit}" if one.unit else "")
    return words + (f" only if ({expression(one.only_if)})" if one.only_if is not None else "")


def _quoted(word: str) -> str:
    return f'"{word}"'


def condition_expression(one: Condition) -> str:
    """A condition over signs and facts exactly as the engine takes it: `any of (saddle_numb, bladder_new)`."""
    match one:
        case str():
            return one
        case Criterion():
            return expression(one)
        case Points():
            points = ", ".join(f"{sign}: {number(n)}" for sign, n in one.points.items())
            return f"points of ({points}) >= {number(one.at_least)}"
        case _:
            told, parts = _group(one)
            return f"{told} ({', '.join(condition_expression(part) for part in parts)})"


def condition(one: Condition, signs: Mapping[str, str], pathway: Pathway) -> str:
    """The same as a clinician reads it; `signs` are the questions by their id."""
    match one:
        case str():
            return signs.get(one, plain(one))
        case Criterion():
            return criterion(one, pathway)
        case Points():
            points = "; ".join(f"{signs.get(sign, plain(sign))}: {number(n)}" for sign, n in one.points.items())
            return f"points that add up to {number(one.at_least)} or more ({points})"
        case _:
            told, parts = _group(one)
            inner = [condition(part, signs, pathway) for part in parts]
            return inner[0] if len(inner) == 1 and told != "none of" else f"{told} ({'; '.join(inner)})"


def _group(one: AllOf | AnyOf | NoneOf | AtLeast) -> tuple[str, tuple[Condition, ...]]:
    """How several conditions are put together, in words, and which."""
    match one:
        case AllOf():
            return "all of", one.all
        case AnyOf():
            return "any of", one.any
        case NoneOf():
            return "none of", one.none
        case AtLeast():
            return f"at least {one.at_least} of", one.of


def level(code: Urgency, pathway: Pathway) -> UrgencyLevel:
    """What an urgency means on this pathway."""
    return next((one for one in pathway.urgencies if one.code == code), BEFORE[code])


def urgency(code: Urgency, pathway: Pathway) -> str:
    """An urgency in words: `urgent (5 working days)`."""
    found = level(code, pathway)
    return found.name if found.name.endswith(found.max_wait) else f"{found.name} ({found.max_wait})"


def booking(flag: RedFlag, rule: FlagRule, pathway: Pathway) -> str:
    """What becomes of booking when this rule of a red flag holds."""
    hold = flag.hold_booking if rule.hold_booking is None else rule.hold_booking
    at_least: Held = "until_handled" if rule.urgency in URGENT else level(rule.urgency, pathway).hold
    return HELD["until_cleared" if hold else at_least]


def span(ends: tuple[float, float], unit: str) -> str:
    """From fewest to most, with a unit that takes an s."""
    low, high = ends
    amount = number(high) if low == high else f"{number(low)}–{number(high)}"
    return f"{amount} {unit}{'' if high == 1 else 's'}"


def window(days: tuple[int, int]) -> str:
    """The window of a phase, in weeks where it is made of weeks."""
    if days[1] >= 14 and not (days[0] % 7 or days[1] % 7):
        return f"week {days[0] // 7} to {days[1] // 7}"
    return f"day {days[0]} to {days[1]}"


def dose(rule: DoseRule) -> str:
    """How much: visits, weeks, how often. What no source gives is said by the therapist."""
    known = []
    if rule.visits is not None:
        known.append(span(rule.visits, "visit"))
    if rule.weeks is not None:
        known.append(f"{'in' if known else 'for'} {span((rule.weeks, rule.weeks), 'week')}")
    words = " ".join(known)
    if rule.visits_per_week is not None:
        words += f"{', ' if words else ''}{number(rule.visits_per_week)} a week"
    missing = missing_numbers(rule)
    if len(missing) == _ALL:
        words = "the therapist says how many visits, for how many weeks and how often"
    elif missing:
        words += f"; the therapist says the {' and '.join(missing)}"
    words += f", {rule.visit_minutes} minutes each"
    return words


_ALL = 3


def missing_numbers(rule: DoseRule) -> list[str]:
    """Which numbers of a dose the pathway leaves to the therapist."""
    known = {"visits": rule.visits, "weeks": rule.weeks, "visits a week": rule.visits_per_week}
    return [name for name, amount in known.items() if amount is None]


def goal(rule: GoalRule, pathway: Pathway) -> str:
    """What a goal asks for."""
    measure = pathway.measure(rule.measure)
    if measure is None:
        return rule.measure
    unit = f" {measure.unit}" if measure.unit and measure.unit != "%" else measure.unit or ""
    if rule.reach is not None:
        return f"{measure.name} {'≥' if measure.direction == 'higher_better' else '≤'} {number(rule.reach)}{unit}"
    changes = [f"{number(rule.improve)}{unit}"] if rule.improve is not None else []
    changes += [f"{number(rule.improve_pct)}% of the baseline"] if rule.improve_pct is not None else []
    return f"{measure.name} better by {' or '.join(changes)}{', whichever is more' if len(changes) > 1 else ''}"


def occasion(one: Occasion, anchor: str) -> str:
    """When a follow-up is."""
    return f"{one.label} ({span((one.days, one.days), 'day')} after {anchor})"
