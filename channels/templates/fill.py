"""Fills a notice's facts into the words of a language.

Everything that comes from outside, a name above all, is text and nothing else: on one line, without the invisible
characters that turn the direction of reading or end a header, and never read as a template.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from care.notice import NOTICES, Template
from care.score import ScoreValue
from channels.templates.words import CODED, FACTS, MOMENTS, Language, Words, words

LONGEST = 120
"""Characters of one inserted text. A name is shorter; what is longer is not meant to be read."""
JOINERS = "\u200c\u200d"
"""Invisible, and part of how names are written in Persian, Urdu and the languages of India."""
ISOLATE, END_ISOLATE = "\u2068", "\u2069"


class Filled(BaseModel):
    """A message in words."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    language: Language
    subject: str
    body: str


class Item(BaseModel):
    """One notice of a digest."""

    model_config = ConfigDict(frozen=True)

    template: Template
    facts: Mapping[str, ScoreValue]
    journey: str


def render(
    template: Template,
    facts: Mapping[str, ScoreValue],
    *,
    journey: str,
    name: str | None,
    language: Language = "en",
) -> Filled:
    """One notice. A fact that a text names and that is missing shows as a dash."""
    of = words(language)
    said = _facts(of, facts)
    wording = of.templates[template]
    parts = [_greeting(of, name), wording.body.format_map(said)]
    if NOTICES[template].kind in ("alarm", "escalation", "reminder"):  # only staff can open the record
        parts.append(_record(of, journey))
    return _filled(of, wording.subject.format_map(said), parts)


def render_digest(items: Sequence[Item], *, name: str | None, language: Language = "en") -> Filled:
    """Several reminders to one person in one mail: what escalated first, then what was due first."""
    of = words(language)
    inner = sorted(items, key=lambda i: (i.template != "task_escalated", str(i.facts.get("due", "")), i.journey))
    lines = [
        f"{of.digest.lines[item.template].format_map(_facts(of, item.facts))}\n{_record(of, item.journey)}"
        for item in inner
    ]
    count = {"count": str(len(items))}
    parts = [_greeting(of, name), of.digest.body.format_map(count), *lines]
    return _filled(of, of.digest.subject.format_map(count), parts)


def render_waiting(count: int, *, name: str | None, language: Language = "en") -> Filled:
    """So many messages of other systems wait for a person. What they say is in the record only."""
    of = words(language)
    said = {"count": str(count), "command": _isolated(of, "continuum inbound waiting")}
    parts = [_greeting(of, name), of.messages_wait.body.format_map(said)]
    return _filled(of, of.messages_wait.subject.format_map({"count": str(count)}), parts)


def _filled(of: Words, subject: str, parts: list[str]) -> Filled:
    return Filled(language=of.language, subject=subject, body="\n\n".join([*parts, of.signed]))


def _greeting(of: Words, name: str | None) -> str:
    shown = plain(name or "")
    return of.greeting_by_name.format(name=_isolated(of, shown)) if shown else of.greeting


def _record(of: Words, journey: str) -> str:
    return of.record.format(command=_isolated(of, f"continuum show {plain(journey)}"))


def _facts(of: Words, facts: Mapping[str, ScoreValue]) -> dict[str, str]:
    """Each fact as this language says it."""
    said = dict.fromkeys(FACTS, of.nothing)
    for fact in FACTS & facts.keys():
        value = plain(str(facts[fact]))
        said[fact] = _isolated(of, of.at(value) if fact in MOMENTS else value)
    for fact in reversed(CODED):  # the words of an answer name its reason: so the reason comes first
        if fact in facts:
            said[fact] = _coded(of, fact, facts[fact], said)
    return said


def _coded(of: Words, fact: str, code: ScoreValue, said: dict[str, str]) -> str:
    label = of.label(fact, code)
    if label is not None:
        return label.format_map(said)
    return of.see_record if fact in ("answer", "news") else _isolated(of, plain(str(code)).replace("_", " "))


def _isolated(of: Words, text: str) -> str:
    """Words of the other direction, kept together: otherwise a mail program may shuffle them with their neighbours."""
    foreign = of.direction == "rtl" and any(unicodedata.bidirectional(c) == "L" for c in text)
    return f"{ISOLATE}{text}{END_ISOLATE}" if foreign else text


def plain(text: str) -> str:
    """Text from outside as one line of visible characters."""
    visible = "".join(_visible(c) for c in text[: LONGEST * 10])
    line = " ".join(visible.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp", "Zs"):
        return " "
    return "" if category in ("Cf", "Cs", "Co", "Cn") and character not in JOINERS else character
