"""Criteria that can never hold together: whatever waits for them waits for ever."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from math import inf

from care.gate import Criterion


def senseless(criteria: Iterable[Criterion]) -> str | None:
    """Why all of these can never hold at once; None where they can.

    Criteria for some patients only (`only_if`) and those between two facts are left out: they may not be asked.
    """
    together: dict[str, list[Criterion]] = defaultdict(list)
    for criterion in criteria:
        if criterion.only_if is None and criterion.value is not None:
            together[criterion.fact].append(criterion)
    for fact, these in together.items():
        if not (_words_agree(these) and _numbers_agree(these)):
            return f"these never hold together for {fact}: {' and '.join(_plain(c) for c in these)}"
    return None


def _words_agree(criteria: list[Criterion]) -> bool:
    allowed: set[str] | None = None
    for c in criteria:
        words = {c.value} if isinstance(c.value, str) else set(c.value) if isinstance(c.value, tuple) else None
        if words is not None and c.op in ("==", "in"):
            allowed = words if allowed is None else allowed & words
    refused = {c.value for c in criteria if c.op == "!=" and isinstance(c.value, str)}
    return allowed is None or bool(allowed - refused)


def _numbers_agree(criteria: list[Criterion]) -> bool:
    """Whether some number lies between all lower and all upper bounds; the numbers at strict ones are left out."""
    low, high = (-inf, False), (inf, False)
    for c in criteria:
        if isinstance(c.value, bool) or not isinstance(c.value, int | float):
            continue
        if c.op in (">", ">=", "=="):
            low = max(low, (float(c.value), c.op == ">"))
        if c.op in ("<", "<=", "=="):
            high = min(high, (float(c.value), c.op != "<"))
    strict = low[1] or not high[1]
    return low[0] < high[0] or (low[0] == high[0] and not strict)


def _plain(criterion: Criterion) -> str:
    value = criterion.value
    plain = ", ".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else value
    return f"{criterion.op} {plain}"
