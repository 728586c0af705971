"""The words of the patient's page in each language: loaded once, and checked when they are."""

from __future__ import annotations

from functools import cache
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from channels.templates import LANGUAGES, language_for
from gateway.staff.pages.page import asset


class Shape(BaseModel):
    """Part of a language's file; a name that we do not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Wording(Shape):
    """A measure as a patient is asked for it."""

    question: str
    lowest: str = ""
    highest: str = ""
    scale: bool = False
    """Whole numbers side by side rather than a field."""


class Words(Shape):
    """Everything that one language needs."""

    language: str
    direction: Literal["ltr", "rtl"]
    title: str
    intro: str
    urgent: str
    send: str
    note: str
    sheet: str
    between: str
    sent_title: str
    sent: str
    later: str
    nothing_title: str
    nothing: str
    none_given: str
    wrong: str
    refused: str
    over: str
    away: str
    script: str
    wait: str
    questions: dict[str, Wording]


@cache
def words(language: str) -> Words:
    """The words of a language; of the first of ours where we have none in it."""
    return Words.model_validate(yaml.safe_load(asset(f"{language if language in LANGUAGES else LANGUAGES[0]}.yaml")))


def preferred(accept_language: str) -> Words:
    """Those of a browser's languages (RFC 9110, 12.5.4), as far as they say which comes first by standing first."""
    return words(language_for(tag.partition(";")[0].strip() for tag in accept_language[:200].split(",")))
