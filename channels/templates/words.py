"""The words of each language: loaded once, and checked when they are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Annotated, Literal, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from care.notice import Answer, News, Template
from care.score import ScoreValue

Language = Literal["en", "ar"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
"""What we have words for. The first is spoken where a person's own is not known, or not among them."""

CODED = ("answer", "news", "reason", "door", "about", "task")
"""Facts that are codes; each language has its words for them."""
MOMENTS = ("when", "due")
"""Facts that are moments: local time of the clinic, ISO 8601 to the minute."""
FACTS = {*CODED, *MOMENTS, "urgency", "document", "tasks"}
"""Every fact that a text may name."""


def _names(*allowed: str) -> AfterValidator:
    def check(text: str) -> str:
        """Placeholders are plain names of known facts: no attributes, no formats, nothing else that braces can do."""
        for _, name, spec, conversion in Formatter().parse(text):
            if name is not None and (name not in allowed or spec or conversion):
                raise ValueError(f"names {name!r}, which is none of: {', '.join(sorted(allowed)) or 'no facts at all'}")
        return text

    return AfterValidator(check)


Text = Annotated[str, _names(*FACTS)]
Label = Annotated[str, _names()]


class Shape(BaseModel):
    """Part of a language's file; a name that we do not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Wording(Shape):
    """One template."""

    subject: Annotated[str, _names("task", "urgency")]
    body: Text


class DigestWording(Shape):
    """Several reminders in one mail."""

    subject: Annotated[str, _names("count")]
    body: Annotated[str, _names("count")]
    lines: dict[Template, Text]


class WaitingWording(Shape):
    """Messages of other systems that wait for a person."""

    subject: Annotated[str, _names("count")]
    body: Annotated[str, _names("count", "command")]


class Words(Shape):
    """Everything that one language needs."""

    language: Language
    direction: Literal["ltr", "rtl"]
    months: Annotated[tuple[str, ...], Field(min_length=12, max_length=12)]
    moment: Annotated[str, _names("day", "month", "year", "time")]
    greeting: Label
    greeting_by_name: Annotated[str, _names("name")]
    signed: Label
    record: Annotated[str, _names("command")]
    see_record: Label
    """Where the code of an answer or of news is one that this version has no words for."""
    nothing: Label
    """Where a fact is missing."""
    templates: dict[Template, Wording]
    answer: dict[Answer, Text]
    news: dict[News, Text]
    reason: dict[str, Label]
    door: dict[str, Label]
    about: dict[str, Label]
    task: dict[str, Label]
    digest: DigestWording
    messages_wait: WaitingWording

    def at(self, moment: str) -> str:
        """A moment in this language. What is no moment (an earlier version's words) stays what it is."""
        try:
            at = datetime.fromisoformat(moment)
        except ValueError:
            return moment
        return self.moment.format(day=at.day, month=self.months[at.month - 1], year=at.year, time=f"{at:%H:%M}")

    def label(self, fact: str, code: ScoreValue) -> str | None:
        """The words for the code of a fact; None where there are none."""
        found: str | None = getattr(self, fact).get(code)
        return found


@cache
def words(language: Language) -> Words:
    """The words of a language."""
    text = (files(__package__) / f"{language}.yaml").read_text("utf-8")
    return Words.model_validate(yaml.safe_load(text))


def language_for(tags: Iterable[str]) -> Language:
    """The first of a person's languages (BCP 47, most wanted first, such as `ar-AE`) that we have words for."""
    for tag in tags:
        primary = tag.replace("_", "-").split("-", 1)[0].strip().lower()
        for language in LANGUAGES:
            if primary == language:
                return language
    return LANGUAGES[0]
