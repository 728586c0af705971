"""No message names a patient: no text of the content has a place for a name, a number or an address of theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from pathways.lint.finding import Problem

PLACE = re.compile(
    r"\{[^}]*\}|<[^<>\s][^<>]*>|%\(\w+\)|\$\{?[a-z]|\[(?:\w+ )?(?:name|patient|surname|date of birth|mrn)\]",
    re.IGNORECASE,
)
"""Where something would be put in: `{name}`, `<patient>`, `%(name)s`, `$name`, `[patient name]`."""
PERSON = re.compile(
    r"\b(?:Mr|Mrs|Ms|Miss)\.? [A-Z]|[\w.+-]+@[\w-]+\.\w+|\b(?:date of birth|medical record number|MRN)\b"
)
"""Somebody in particular."""
CITED = frozenset({"source"})
"""What is cited is not said to anybody."""


def names(content: BaseModel, *, but: frozenset[str] = frozenset()) -> Iterator[Problem]:
    """Every text with a place for a name, or with somebody in it; `but` are fields that another file answers for."""
    for where, text in _texts(content, "", but | CITED):
        if found := PLACE.search(text):
            what = f"{found.group()!r} would be filled in: content has no placeholders, and no message names a patient"
            yield where, "names_patient", what
        elif found := PERSON.search(text):
            yield where, "names_patient", f"{found.group()!r} points to somebody: say it without a person's particulars"


def _texts(value: Any, where: str, but: frozenset[str]) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            if name not in but:
                yield from _texts(getattr(value, name), f"{where}.{name}" if where else name, but)
    elif isinstance(value, tuple):
        for n, item in enumerate(value):
            yield from _texts(item, f"{where}[{n}]", but)
