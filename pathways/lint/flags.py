"""What is wrong with red flags and contraindications beyond their form: rules that never hold, signs nobody uses."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from care.condition import AllOf, AnyOf, AtLeast, Condition, Known, NoneOf, Points, facts, parts, signs, truth
from care.gate import Criterion
from care.red_flag import Contraindication, FlagRule, RedFlag, Sign, UrgencyLevel
from pathways.lint.finding import Problem

ORDER = {"E0": 0, "E1": 1, "E2": 2, "E3": 3, "N": 4}
KNOWN_FACTS = {"age": float, "sex": str, "days_since_onset": float, "days_since_surgery": float}
"""What a screen knows without asking; every one of them may be missing."""
SEXES = ("female", "male")
MOST_SIGNS = 12
"""So many signs are tried in every combination before a rule is said never to hold."""


Entry = RedFlag | Contraindication
Questions = dict[str, Sign]
"""The signs asked so far, by id: one sign is one question, wherever it is asked."""


def entries(given: Iterable[Entry], asked: Questions | None = None) -> Iterator[Problem]:
    """Every problem of red flags and contraindications; `asked` are the questions of those looked at before."""
    asked = {} if asked is None else asked
    for entry in given:
        kind = "red_flags" if isinstance(entry, RedFlag) else "contraindications"
        where = f"{kind}.{entry.id}"
        yield from _signs(entry.signs, asked, where)
        if isinstance(entry, RedFlag):
            yield from _flag(entry, where)
        else:
            yield from _contraindication(entry, where)
        for n, condition in enumerate(entry.conditions):
            yield from _facts(condition, f"{where}.rules[{n}]" if isinstance(entry, RedFlag) else where)


def levels(given: tuple[UrgencyLevel, ...]) -> Iterator[Problem]:
    """Every problem of what the urgencies mean."""
    codes = [level.code for level in given]
    if codes and codes != list(ORDER):
        yield "urgencies", "urgency_levels", f"the levels are, in this order: {', '.join(ORDER)}"
    for level in given:
        if level.working_days < 0:
            what = "a wait of less than no days never ends: 0 (at once) or more"
            yield f"urgencies.{level.code}.working_days", "wait_without_end", what
        if level.code in ("E0", "E1") and level.hold != "until_handled":
            yield f"urgencies.{level.code}", "urgency_hold", "E0 and E1 hold booking: write `hold: until_handled`"
        if level.code in ("E0", "E1") and "on_call" not in level.tell:
            what = "the person on call hears of E0 and E1: tell: [on_call, ...]"
            yield f"urgencies.{level.code}", "urgency_tell", what


# --- signs


def _signs(given: tuple[Sign, ...], texts: Questions, where: str) -> Iterator[Problem]:
    if len({s.id for s in given}) != len(given):
        yield where, "sign_twice", "a sign stands here twice; keep one"
    for sign in given:
        standing = texts.setdefault(sign.id, sign)
        if standing.text != sign.text:
            yield where, "sign_text", f"the sign {sign.id!r} reads differently in another entry; it is one question"
        elif (standing.lasting, standing.yes_if, standing.no_if) != (sign.lasting, sign.yes_if, sign.no_if):
            yield (
                where,
                "sign_text",
                f"the sign {sign.id!r} lasts, or is answered by facts, differently in another entry",
            )
        for name in ("yes_if", "no_if"):
            criterion: Criterion | None = getattr(sign, name)
            if criterion is not None:
                yield from _fact(criterion, f"{where}.signs.{sign.id}.{name}")


def _unused(given: tuple[Sign, ...], conditions: tuple[Condition, ...], where: str) -> Iterator[Problem]:
    named = {s for condition in conditions for s in signs(condition)}
    for sign in given:
        if sign.id not in named:
            yield where, "sign_unused", f"no rule looks at the sign {sign.id!r}; use it or do not ask it"


# --- facts


def _facts(condition: Condition, where: str) -> Iterator[Problem]:
    for part in parts(condition):
        if isinstance(part, Criterion):
            yield from _fact(part, where)
            what = f"where {part.fact} is not known nobody can be asked: make it a sign with yes_if and no_if"
            yield where, "fact_unasked", what


def _fact(criterion: Criterion, where: str) -> Iterator[Problem]:
    kind = KNOWN_FACTS.get(criterion.fact)
    if kind is None or criterion.than is not None or criterion.only_if is not None:
        what = f"compare one of {', '.join(KNOWN_FACTS)} with a value; a screen knows nothing else"
        yield where, "unknown_fact", what
    elif kind is str:
        if criterion.op not in ("==", "!=") or criterion.value not in SEXES:
            yield where, "value_range", f"{criterion.fact} is one of {', '.join(SEXES)}; compare it with '==' or '!='"
    elif isinstance(criterion.value, str | bool | tuple) or criterion.value is None:
        yield where, "value_range", f"{criterion.fact} is a number"


# --- red flags


def _flag(flag: RedFlag, where: str) -> Iterator[Problem]:
    if all(rule.urgency == "N" for rule in flag.rules):
        yield where, "no_urgent_rule", "a red flag needs at least one rule more urgent than N"
    steps = [ORDER[rule.urgency] for rule in flag.rules]
    if steps != sorted(steps):
        yield where, "rules_order", "write the most urgent rule first; the first that holds applies"
    before: list[Condition] = []
    for n, rule in enumerate(flag.rules):
        yield from _rule(flag, rule, before, f"{where}.rules[{n}]")
    yield from _unused(flag.signs, flag.conditions, where)


def _rule(flag: RedFlag, rule: FlagRule, before: list[Condition], where: str) -> Iterator[Problem]:
    short = (bool(rule.any_of), bool(rule.all_of), rule.at_least is not None, rule.score_at_least is not None)
    if (sum(short) + (rule.when is not None) != 1) or (rule.when is not None and rule.also):
        yield where, "rule_ways", "use exactly one of when, any_of, all_of, at_least, score_at_least"
    if rule.urgency in ("E0", "E1") and not (rule.action or flag.action).strip():
        yield where, "no_action", f"{rule.urgency} needs an action: what has to be done now?"
    if rule.urgency in ("E0", "E1") and rule.working_days:
        yield where, "too_late", f"{rule.urgency} is handled at once; leave working_days out"
    condition = flag.condition(rule)
    if condition is None:
        return
    if not _can_hold(condition, ()):
        yield (
            where,
            "rule_reach",
            "this can never hold: the numbers are out of reach, or it asks for a thing and its opposite",
        )
    elif not _can_hold(condition, tuple(before)):
        yield where, "rule_reach", "this never applies: whenever it holds, a rule before it holds too"
    before.append(condition)


def _contraindication(entry: Contraindication, where: str) -> Iterator[Problem]:
    for name in ("forbids", "caution"):
        condition: Condition | None = getattr(entry, name)
        if condition is not None and not _can_hold(condition, ()):
            yield (
                f"{where}.{name}",
                "rule_reach",
                "this can never hold: its numbers are out of reach, or it contradicts itself",
            )
    yield from _unused(entry.signs, entry.conditions, where)


def _can_hold(condition: Condition, without: tuple[Condition, ...]) -> bool:
    """Whether some answers make it true while none of the others is. With facts in it, or very many signs, it counts
    as able to unless no answers at all could help."""
    if truth(condition, Known({}, {})) is False:
        return False
    every = (condition, *without)
    asked = tuple(dict.fromkeys(sign for c in every for sign in signs(c)))
    if any(facts(c) for c in every):
        return True
    likely = Known(dict.fromkeys(asked, False) | dict.fromkeys(_wanted(condition), True), {})
    if truth(condition, likely) and not any(truth(c, likely) for c in without):
        return True
    if len(asked) > MOST_SIGNS:
        return True
    for many in range(len(asked) + 1):
        for present in itertools.combinations(asked, many):
            known = Known({sign: sign in present for sign in asked}, {})
            if truth(condition, known) and not any(truth(c, known) for c in without):
                return True
    return False


def _wanted(condition: Condition) -> tuple[str, ...]:
    """Signs that, all present, are likely to make it true."""
    match condition:
        case str():
            return (condition,)
        case AllOf():
            return tuple(s for c in condition.all for s in _wanted(c))
        case AnyOf():
            return _wanted(condition.any[0])
        case AtLeast():
            return tuple(s for c in condition.of[: condition.at_least] for s in _wanted(c))
        case Points():
            return tuple(sign for sign, points in condition.points.items() if points > 0)
        case NoneOf() | Criterion():
            return ()
