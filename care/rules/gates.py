"""Gates between phases: criteria AND minimum time."""

from __future__ import annotations

from datetime import datetime, timedelta

from care.gate import Check, Criterion, Facts, all_met, checks
from care.model import Model
from care.rules import Rule


class AtGate(Model):
    """A patient at the gate of a phase: its criteria, the facts they look at, and when the next phase may begin."""

    pathway: str
    phase: int
    criteria: tuple[Criterion, ...]
    facts: Facts
    next_window_day: int | None
    """Days from which the next phase may be entered; None after the last phase."""
    surgery_at: datetime
    """What the days count from: surgery, or the evaluation where the phases count from care."""
    least_until: datetime | None = None
    """Until then the patient stays in this phase at least."""
    now: datetime


class GateResult(Model):
    """Whether the gate is open; if not, what is missing and from when the time allows it."""

    opens: bool
    checks: tuple[Check, ...] = ()
    not_before: datetime | None = None

    @property
    def missing(self) -> tuple[Check, ...]:
        """The criteria not met."""
        return tuple(c for c in self.checks if not c.met)


def decide(at: AtGate) -> GateResult:
    """All criteria and the minimum time; time alone never opens a gate, one without criteria neither."""
    held = checks(at.criteria, at.facts)
    window = None if at.next_window_day is None else at.surgery_at + timedelta(days=at.next_window_day)
    not_before = max((moment for moment in (window, at.least_until) if moment is not None), default=None)
    in_time = not_before is None or at.now >= not_before
    return GateResult(opens=in_time and all_met(held), checks=held, not_before=not_before)


GATE = Rule("open_gate", 2, AtGate, decide)
