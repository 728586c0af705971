"""Red-flag screening: which dangers the signs point to, and how fast somebody has to act."""

from __future__ import annotations

from care.model import Model, Slug
from care.red_flag import FlagRule, RedFlag, Urgency
from care.rules import Rule


class Screening(Model):
    """The flags screened for, and the answers given: sign id to present or not."""

    flags: tuple[RedFlag, ...]
    answers: dict[Slug, bool]


class Finding(Model):
    """A red flag whose signs are present."""

    flag: Slug
    suspected: str
    urgency: Urgency
    hold_booking: bool
    action: str


class ScreeningResult(Model):
    """What was found, most urgent first, and which signs nobody has answered yet."""

    findings: tuple[Finding, ...] = ()
    unanswered: tuple[Slug, ...] = ()

    @property
    def emergency(self) -> bool:
        """Whether a finding means the emergency department, now."""
        return any(f.urgency == "E0" for f in self.findings)


def decide(screening: Screening) -> ScreeningResult:
    """Of each flag's rules the first that holds applies; a sign not answered counts as absent, and is reported."""
    findings = []
    for flag in screening.flags:
        present = {sign.id for sign in flag.signs if screening.answers.get(sign.id, False)}
        points = sum(sign.points for sign in flag.signs if sign.id in present)
        rule = next((rule for rule in flag.rules if _holds(rule, present, points)), None)
        if rule is not None:
            findings.append(
                Finding(
                    flag=flag.id,
                    suspected=flag.suspected,
                    urgency=rule.urgency,
                    hold_booking=flag.hold_booking,
                    action=flag.action,
                )
            )
    return ScreeningResult(
        findings=tuple(sorted(findings, key=lambda f: (f.urgency, f.flag))),
        unanswered=tuple(s.id for f in screening.flags for s in f.signs if s.id not in screening.answers),
    )


def _holds(rule: FlagRule, present: set[str], points: float) -> bool:
    if rule.also and not present & set(rule.also):
        return False
    if rule.any_of:
        return bool(present & set(rule.any_of))
    if rule.all_of:
        return set(rule.all_of) <= present
    if rule.at_least is not None:
        return len(present) >= rule.at_least
    if rule.score_at_least is not None:
        return bool(present) and points >= rule.score_at_least
    return bool(rule.also)


SCREEN = Rule("screen_red_flags", 1, Screening, decide)
