"""Red-flag screening: which dangers the signs point to, how fast somebody has to act, and what is still not known."""

from __future__ import annotations

from collections.abc import Mapping

from care.condition import Known, Truth, to_ask, truth
from care.gate import Facts
from care.model import Model, Slug
from care.red_flag import BEFORE, FlagRule, Held, RedFlag, Sign, Told, Urgency, UrgencyLevel
from care.rules import Rule

URGENT = ("E0", "E1")
"""What never waits: such a finding holds booking, and such a question is not passed."""


class Screening(Model):
    """The flags screened for, the answers given (sign id to present, absent, or None: asked and not known), and the
    facts that answer questions by themselves."""

    flags: tuple[RedFlag, ...]
    answers: dict[Slug, bool | None]
    facts: Facts = {}
    levels: tuple[UrgencyLevel, ...] = ()


class Finding(Model):
    """A red flag whose signs are present."""

    flag: Slug
    suspected: str
    urgency: Urgency
    hold_booking: bool
    action: str
    held: Held = "nothing"
    """How long booking is forbidden."""
    tell: tuple[Told, ...] = ()
    """Who hears at once."""
    working_days: int | None = None
    """Within so many open days it has to be handled; 0 is at once. None only in what was decided before version 2."""


class Unsettled(Model):
    """A red flag that could still be as urgent as this, and the questions whose answers would settle it."""

    flag: Slug
    urgency: Urgency
    ask: tuple[Slug, ...]


class ScreeningResult(Model):
    """What was found, most urgent first; what could still be, most urgent first; which signs nobody has answered."""

    findings: tuple[Finding, ...] = ()
    unanswered: tuple[Slug, ...] = ()
    unsettled: tuple[Unsettled, ...] = ()

    @property
    def emergency(self) -> bool:
        """Whether a finding means the emergency department, now."""
        return any(f.urgency == "E0" for f in self.findings)

    def ask(self, *urgencies: Urgency) -> tuple[str, ...]:
        """The questions that stand between these urgencies and certainty, most urgent first, each once."""
        return tuple(dict.fromkeys(s for u in self.unsettled if u.urgency in urgencies for s in u.ask))


def known(signs: tuple[Sign, ...], answers: Mapping[str, Truth], facts: Facts) -> Known:
    """What is known of these signs. A yes counts, whoever gave it; a fact answers with no only where nobody said yes.

    A fact that answers goes before an answer of no: an age does not change by asking.
    """
    found = dict(answers)
    for sign in signs:
        if found.get(sign.id) is True:
            continue
        if sign.yes_if is not None and truth(sign.yes_if, Known({}, facts)):
            found[sign.id] = True
        elif sign.no_if is not None and truth(sign.no_if, Known({}, facts)):
            found[sign.id] = False
    return Known(found, facts)


def decide(screening: Screening) -> ScreeningResult:
    """Of each flag's rules the first that holds applies. A sign not answered is not known, never absent."""
    levels = BEFORE | {level.code: level for level in screening.levels}
    findings, unsettled, unanswered = [], [], []
    for flag in screening.flags:
        facts = known(flag.signs, screening.answers, screening.facts)
        found, could_be = _of_flag(flag, facts)
        if found is not None:
            findings.append(_finding(flag, found, levels[found.urgency]))
        unsettled += could_be
        unanswered += [sign.id for sign in flag.signs if facts.answers.get(sign.id) is None]
    return ScreeningResult(
        findings=tuple(sorted(findings, key=lambda f: (f.urgency, f.flag))),
        unanswered=tuple(dict.fromkeys(unanswered)),
        unsettled=tuple(sorted(unsettled, key=lambda u: (u.urgency, u.flag))),
    )


def _of_flag(flag: RedFlag, facts: Known) -> tuple[FlagRule | None, list[Unsettled]]:
    """The rule that applies, and by urgency what could still be more urgent than that."""
    found: FlagRule | None = None
    open_: dict[Urgency, list[str]] = {}
    for rule in flag.rules:
        condition = flag.condition(rule)
        holds: Truth = False if condition is None else truth(condition, facts)
        if holds:
            found = rule
            break
        if holds is None and condition is not None:
            open_.setdefault(rule.urgency, []).extend(to_ask(condition, facts))
    return found, [
        Unsettled(flag=flag.id, urgency=urgency, ask=tuple(dict.fromkeys(ask)))
        for urgency, ask in open_.items()
        if found is None or urgency < found.urgency
    ]


def _finding(flag: RedFlag, rule: FlagRule, level: UrgencyLevel) -> Finding:
    hold = flag.hold_booking if rule.hold_booking is None else rule.hold_booking
    own = rule.tell if rule.tell is not None else flag.tell
    at_least: Held = "until_handled" if rule.urgency in URGENT else level.hold
    return Finding(
        flag=flag.id,
        suspected=flag.suspected,
        urgency=rule.urgency,
        hold_booking=hold,
        action=rule.action or flag.action,
        held="until_cleared" if hold else at_least,
        tell=level.tell if own is None else own,
        working_days=level.working_days if rule.working_days is None else rule.working_days,
    )


SCREEN = Rule("screen_red_flags", 2, Screening, decide)
