"""Operating rules: each says something that can be so, two never hold at once, and no day is left out between two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from care.operating_rules import DRIVING, HOUSE, KINDS, OperatingRule, Profile
from pathways.lint.finding import Problem

DAY = timedelta(days=1)


def entries(
    own: Sequence[OperatingRule], every: Sequence[OperatingRule], profiles: Sequence[Profile]
) -> Iterator[Problem]:
    """The problems of one file's rules, looked at beside all others."""
    known = {p.id for p in profiles}
    for n, rule in enumerate(own):
        where = f"rules[{n}]"
        yield from _alone(rule, where)
        if unknown := sorted(set(rule.scope) - known):
            what = f"there is no profile {', '.join(unknown)}; there are: {', '.join(sorted(known))}"
            yield f"{where}.scope", "unknown_profile", what
        yield from _beside_others(rule, every, where)


def _alone(rule: OperatingRule, where: str) -> Iterator[Problem]:
    unit = KINDS[rule.sets].unit
    if (unit == "yes or no") != isinstance(rule.value, bool):
        yield f"{where}.value", "rule_value", f"{rule.sets} is {'true or false' if unit == 'yes or no' else 'a number'}"
    elif not isinstance(rule.value, bool) and (rule.value < 0 or rule.value != int(rule.value)):
        yield f"{where}.value", "rule_value", f"a whole number of {unit}, 0 or more"
    if not rule.scope:
        yield f"{where}.scope", "no_scope", f"whose rule is it? name at least one profile, for example [{HOUSE}]"
    if rule.begins and rule.until and rule.until < rule.begins:
        yield f"{where}.until", "rule_dates", "it ends before it begins"
    if rule.sets in DRIVING and HOUSE in rule.scope and rule.until is not None:
        yield (
            f"{where}.until",
            "rule_gap",
            "what something waits by has to go on: leave `until` out, or write what follows",
        )


def _beside_others(rule: OperatingRule, every: Sequence[OperatingRule], where: str) -> Iterator[Problem]:
    others = [o for o in every if o.id != rule.id and o.sets == rule.sets and set(o.scope) & set(rule.scope)]
    for other in others:
        if (
            _from(other) <= _until(rule)
            and _from(rule) <= _until(other)
            and (_from(other), other.id) < (_from(rule), rule.id)
        ):
            yield (
                where,
                "rule_overlap",
                f"{rule.id} and {other.id} hold on the same day for one profile: end one of them",
            )
    earlier = [_until(o) for o in others if _until(o) < _from(rule)]
    if earlier and max(earlier) + DAY < _from(rule) and not any(_from(o) < _from(rule) <= _until(o) for o in others):
        what = (
            f"nothing holds from {max(earlier) + DAY} until {_from(rule)}: let one begin the day after the other ends"
        )
        yield f"{where}.from", "rule_gap", what


def _from(rule: OperatingRule) -> date:
    return rule.begins or date.min


def _until(rule: OperatingRule) -> date:
    return rule.until or date.max - DAY
