"""The head of a pathway's file, and the sources of everything in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from care.pathway import Pathway
from care.score import Sourced
from pathways.lint.finding import Problem


def head(pathway: Pathway) -> Iterator[Problem]:
    if not pathway.codes and pathway.status != "sketch":
        yield "codes", "no_codes", "no referral's codes will ever suggest this pathway; name at least one"
    if not pathway.baseline:
        yield "baseline", "no_baseline", "no plan can be made from nothing; name the measures of the evaluation"
    if pathway.late_enrolment is None and pathway.status != "sketch":
        what = (
            "say what becomes of somebody who arrives late: late_enrolment: {after_days, then, basis, source}, "
            "where `then` is begin_as_new, first_phase or not_eligible"
        )
        yield "late_enrolment", "no_late_enrolment", what
    elif pathway.late_enrolment is not None and pathway.late_enrolment.then == "first_phase" and not pathway.phases:
        yield "late_enrolment.then", "no_phases", "there is no first phase here: begin_as_new, or not_eligible"
    if not pathway.red_flags:
        yield "red_flags", "no_red_flags", "every pathway screens for something; name the red flags"


def sources(content: BaseModel, *, but: frozenset[str] = frozenset()) -> Iterator[Problem]:
    """Every entry says where it comes from; `but` are fields that another file answers for."""
    for where, entry in sourced(content, "", but=but):
        if not entry.source.strip():
            yield where, "no_source", "say where this comes from; a design choice says so, and why"


def sourced(value: Any, where: str, *, but: frozenset[str] = frozenset()) -> Iterator[tuple[str, Sourced]]:
    """Every entry in `value` that carries a basis and a source, with its place."""
    if isinstance(value, Sourced):
        yield where or "source", value
    if isinstance(value, BaseModel):
        for name in (n for n in type(value).model_fields if n not in but):
            yield from sourced(getattr(value, name), f"{where}.{name}" if where else name)
    elif isinstance(value, tuple):
        for n, item in enumerate(value):
            yield from sourced(item, f"{where}[{n}]")
