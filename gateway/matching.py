"""Holds a stored referral against the pathways: before its journey starts, and after it was acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from care.gate import Facts
from care.referral import Referral
from care.rules import matching
from pathways import loader


def matched(
    referral: Referral, codes: Sequence[dict[str, Any]], texts: Sequence[str], *, must_be_signed: bool
) -> Referral:
    """What a workflow may know. Codes and texts stay behind: only the pathways and signs they point to go on.

    `codes` are the request's, each with `system` and `code`; `must_be_signed`: only pathways that a clinician has
    signed are candidates.
    """
    known: Facts = {name: value for name, value in (("age", referral.age), ("sex", referral.sex)) if value is not None}
    found = matching.read(
        [(c.get("system") or "", c["code"]) for c in codes],
        texts,
        known,
        loader.usable(must_be_signed=must_be_signed).values(),
        loader.red_flags().values(),
    )
    match, decided = matching.MATCH.apply(found)
    return referral.model_copy(
        update={
            "suggested_pathway": match.settled,
            "candidates": tuple(c.pathway for c in match.candidates),
            "reasons": tuple(", ".join(c.reasons) for c in match.candidates),
            "questions": match.questions,
            "matching": decided,
        }
    )
