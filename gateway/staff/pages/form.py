"""The patient's questions as HTML, and what they filled in as scores. Pure: no request, no record."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from math import isfinite

from care.score import Measure, ScoreValue
from gateway.staff.pages.words import Words
from gateway.staff.questionnaire import Question

FIELD = "m."
"""Before a measure's id in the name of its field."""
LONGEST_NOTE = 2000
WIDEST_SCALE = 15


class Unanswered(ValueError):  # noqa: N818 - what happened
    """What was filled in is no answer; the attribute of `Words` that says what would be."""


def form(question: Question, words: Words, key: str, filled: Mapping[str, str] | None = None, wrong: str = "") -> str:
    """The questions. `key` makes sending twice harmless; `filled` is what stood there, `wrong` what to say of it."""
    given = filled or {}
    fields = "".join(_field(m, words, given.get(FIELD + m.id, "")) for m in question.measures)
    said = f'<p class="warn" role="alert" tabindex="-1">{escape(wrong)}</p>' if wrong else _NO_WARNING
    return _framed(
        words,
        words.title,
        f'<p class="lead">{escape(words.intro)}</p><p class="urgent">{escape(words.urgent)}</p>'
        f'<form method="post" novalidate autocomplete="off"><input type="hidden" name="key" value="{escape(key)}">'
        f'{fields}<div class="field"><label for="note">{escape(words.note)}</label>'
        f'<textarea id="note" name="note" maxlength="{LONGEST_NOTE}" dir="auto">'
        f"{escape(given.get('note', ''))}</textarea></div>"
        f'{said}<button type="submit">{escape(words.send)}</button></form>',
    )


_NO_WARNING = '<p class="warn" role="alert" tabindex="-1" hidden></p>'


def told(words: Words, title: str, text: str) -> str:
    """Words instead of questions."""
    return _framed(words, title, f'<p class="lead">{escape(text)}</p><p class="urgent">{escape(words.urgent)}</p>')


def _framed(words: Words, title: str, html: str) -> str:
    about = f'data-lang="{escape(words.language)}" data-dir="{words.direction}"'
    return f'<div {about}><span class="mark"></span><h1 tabindex="-1">{escape(title)}</h1>{html}</div>'


def _field(measure: Measure, words: Words, given: str) -> str:
    """A measure that we have no words for is asked for by its own name, in the language of that name."""
    wording = words.questions.get(measure.id)
    name = escape(FIELD + measure.id)
    if wording is None:
        title, hint = f'<bdi lang="en">{escape(measure.name)}</bdi>', escape(words.sheet)
    else:
        title, hint = escape(wording.question), ""
    if measure.options:
        return _choices(name, title, hint, [(o, o.replace("_", " ")) for o in measure.options], given)
    low, high = measure.minimum, measure.maximum
    if wording is not None and wording.scale and low is not None and high is not None and high - low < WIDEST_SCALE:
        numbers = [(str(n), str(n) if n >= 0 else f"−{-n}") for n in range(int(low), int(high) + 1)]
        ends = f'<p class="ends"><span>{escape(wording.lowest)}</span><span>{escape(wording.highest)}</span></p>'
        return _choices(name, title, hint, numbers, given, ends)
    if low is not None and high is not None:
        hint = f"{hint} {escape(words.between.format(low=f'{low:g}', high=f'{high:g}'))}".strip()
    described = f'<p class="hint" id="{name}-hint">{hint}</p>' if hint else ""
    by = f' aria-describedby="{name}-hint"' if hint else ""
    unit = f'<bdi class="unit">{escape(measure.unit)}</bdi>' if measure.unit else ""
    return (
        f'<div class="field"><label for="{name}">{title}</label>{described}'
        f'<input id="{name}" name="{name}" inputmode="decimal" dir="ltr" value="{escape(given)}"{by}>{unit}</div>'
    )


def _choices(name: str, title: str, hint: str, choices: list[tuple[str, str]], given: str, ends: str = "") -> str:
    boxes = "".join(
        f'<label><input type="radio" name="{name}" value="{escape(value)}"{" checked" if value == given else ""}>'
        f"<span>{escape(shown)}</span></label>"
        for value, shown in choices
    )
    said = f'<p class="hint">{hint}</p>' if hint else ""
    return f'<fieldset><legend>{title}</legend>{said}<div class="scale n{len(choices)}">{boxes}</div>{ends}</fieldset>'


def scores_of(question: Question, filled: Mapping[str, str]) -> dict[str, ScoreValue]:
    """What was filled in, by measure. Raises Unanswered, with the name of the words to say."""
    found: dict[str, ScoreValue] = {}
    for measure in question.measures:
        said = filled.get(FIELD + measure.id, "").strip()
        if said:
            found[measure.id] = _value(measure, said)
    if not found:
        raise Unanswered("none_given")
    return found


def _value(measure: Measure, said: str) -> ScoreValue:
    value: ScoreValue = said if measure.options else _number(said)
    if measure.problem_with(value) is not None:
        raise Unanswered("wrong")
    return value


def _number(said: str) -> float:
    """Also with a comma, and in Arabic digits: `float` reads those of every script."""
    try:
        number = float(said.replace(",", ".").replace("٫", ".").replace("−", "-")) if len(said) <= 20 else float("nan")
    except ValueError:
        raise Unanswered("wrong") from None
    if not isfinite(number):
        raise Unanswered("wrong")
    return number
