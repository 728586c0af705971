"""Whether a patient responded: better, worse, or no telling, by the smallest changes that matter and that are real.

Of two thresholds the safer one is taken each way. A gain has to reach the larger of them: the change that matters to
patients (absolute, or relative to the baseline where that asks for more) and the change beyond measurement error. A
loss alarms from the smaller one on; for it the relative threshold stands in only where no absolute one is known, for
in per cent of a small baseline every wobble would be a loss. "Design choice, not clinically reviewed"; that the ODI's
MDC of 10.5 lies above its MCID of 10 was found on the second reading of the clinical data.
"""

from __future__ import annotations

from typing import Literal, get_args

from care.score import Measure, ScoreValue

Response = Literal["improved", "deteriorated", "unclear", "missing"]
RESPONSES: tuple[str, ...] = get_args(Response)

DECIMALS = 6
SMALLEST = 1e-6
"""A baseline nearer to nothing than this has no per cent; changes are compared to this exactness."""


def improvement(measure: Measure, before: float, after: float) -> float:
    """The change towards better: positive is better, whichever way the measure runs.

    From 3 to 2.2 is 0.8 and not a hair less, so that a threshold of 0.8 is met.
    """
    return round(after - before if measure.direction == "higher_better" else before - after, DECIMALS)


def has_thresholds(measure: Measure) -> bool:
    """Whether it is known from which change on somebody responded."""
    known = (measure.mcid, measure.mcid_pct, measure.mdc)
    return not measure.options and any(threshold is not None for threshold in known)


def gain_needed(measure: Measure, before: float) -> float | None:
    """The smallest gain that counts as one, in the measure's unit; None where nothing is known."""
    return max((t for t in (measure.mcid, measure.mdc, _relative(measure, before)) if t is not None), default=None)


def loss_allowed(measure: Measure, before: float) -> float | None:
    """The smallest loss that counts as one, in the measure's unit; None where nothing is known."""
    matters = measure.mcid if measure.mcid_worse is None else measure.mcid_worse
    absolute = [t for t in (matters, measure.mdc) if t is not None]
    return min(absolute, default=_relative(measure, before))


def response(measure: Measure, before: ScoreValue | None, after: ScoreValue | None) -> Response:
    """Improved, deteriorated, or unclear; missing where there are not two numbers to compare."""
    if before is None or after is None or isinstance(before, str) or isinstance(after, str):
        return "missing"
    gain = improvement(measure, before, after)
    needed, allowed = gain_needed(measure, before), loss_allowed(measure, before)
    if needed is not None and gain >= needed - SMALLEST:
        return "improved"
    if allowed is not None and -gain >= allowed - SMALLEST:
        return "deteriorated"
    return "unclear"


def _relative(measure: Measure, before: float) -> float | None:
    if measure.mcid_pct is None or abs(before) <= SMALLEST:
        return None
    return measure.mcid_pct * abs(before) / 100
