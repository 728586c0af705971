"""What notices say: everything, in every language, and nothing that does not belong into a mail."""

from __future__ import annotations

import ast
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from care import action as act
from care.notice import NOTICES, Answer, News, Template
from care.task import TASKS
from channels.templates import LANGUAGES, Filled, Item, language_for, render, render_digest
from channels.templates.fill import END_ISOLATE, ISOLATE, LONGEST, plain
from channels.templates.words import CODED, Language, Words, words
from pathways import loader

PREVIEW = 150
STAFF = {t for t, rule in NOTICES.items() if rule.kind in ("alarm", "escalation", "reminder")}
FACTS: dict[str, Any] = {
    "task": "answer_referral",
    "due": "2026-12-01T10:00",
    "when": "2026-12-01T10:00",
    "urgency": "E0",
    "tasks": 3,
    "document": "j1:document:1",
    "reason": "no_capacity",
    "door": "neurology",
    "about": "imaging",
}
NEEDED: dict[str, tuple[str, ...]] = {
    "answer": get_args(Answer),
    "news": get_args(News),
    "reason": get_args(act.DeclineReason),
    "door": get_args(act.RedirectTo),
    "about": get_args(act.AskReferrer.model_fields["about"].annotation),
    "task": (*TASKS, "worse_at_follow_up"),
}
"""Every code that a fact may have."""


def every_letter(language: Language, name: str | None = None) -> Iterator[tuple[Template, Filled]]:
    """Each template with each code that it may name."""
    for template in get_args(Template):
        told = {"referral_answer": ("answer",), "journey_news": ("news",)}.get(template, ())
        tasks = ("task",) if template in STAFF else ()
        for fact in (*told, *tasks) or ("urgency",):
            for code in NEEDED.get(fact, ("E0",)):
                facts = {**FACTS, fact: code}
                yield template, render(template, facts, journey="j1", name=name, language=language)
    for reason in NEEDED["reason"]:
        facts = {**FACTS, "answer": "declined", "reason": reason}
        yield "referral_answer", render("referral_answer", facts, journey="j1", name=name, language=language)
    for about in NEEDED["about"]:
        facts = {**FACTS, "answer": "awaiting_information", "about": about}
        yield "referral_answer", render("referral_answer", facts, journey="j1", name=name, language=language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_words_for_everything(language: Language) -> None:
    of = words(language)
    assert of.language == language
    assert set(of.templates) == set(get_args(Template)) == set(NOTICES)
    assert set(of.digest.lines) == {t for t, rule in NOTICES.items() if rule.digest}
    assert set(NEEDED) == set(CODED)
    for fact, codes in NEEDED.items():
        assert set(getattr(of, fact)) == set(codes), fact


def test_a_task_is_called_the_same_in_a_mail_and_in_the_list() -> None:
    """But for those whose name in a subject would say what a patient has."""
    other = {kind for kind, rule in TASKS.items() if words("en").task[kind] != rule.label}
    assert other == {"answer_surgical_question", "record_surgery"}


def told_in_care() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each `tell(...)` of the steps: where it is, its template where that is said outright, its constant facts."""
    for file in sorted((Path(act.__file__).parent / "steps").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "tell":
                template = node.args[1]
                facts = {k.arg: k.value.value for k in node.keywords if k.arg and isinstance(k.value, ast.Constant)}
                where = f"{file.name}:{node.lineno}"
                yield where, str(template.value) if isinstance(template, ast.Constant) else "", facts


def test_what_the_steps_tell_has_words() -> None:
    told = list(told_in_care())
    assert len(told) > 15
    for where, template, facts in told:
        assert not template or template in NOTICES, where
        for fact in set(CODED) & set(facts):
            assert facts[fact] in NEEDED[fact], where


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_left_to_fill_in(language: Language) -> None:
    nothing = words(language).nothing
    for template, letter in every_letter(language):
        assert not set("{}") & set(letter.subject + letter.body), template
        assert f": {nothing}" not in letter.body, template
        assert ("j1" in letter.body.replace("j1:document:1", "")) == (template in STAFF), (
            "only staff can open the record"
        )


def clinical_words() -> set[str]:
    found = {"pain", "knee", "surgery", "surgeon", "surgical", "fracture", "clot", "diagnosis", "score", "emergency"}
    for pathway in loader.latest().values():
        found |= {measure.name.lower() for measure in pathway.measures}
        found |= {flag.suspected.lower() for flag in pathway.red_flags}
    return found | {"ألم", "ركبة", "جراح", "عملية", "كسر", "جلطة", "تشخيص", "أشعة", "طوارئ"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_news_of_a_patient_in_a_subject_or_a_preview(language: Language) -> None:
    forbidden = clinical_words()
    assert len(forbidden) > 30
    for template, letter in every_letter(language, "Xantippe"):
        for shown in (letter.subject, letter.body[:PREVIEW]):
            assert not [word for word in forbidden if word in shown.lower()], (template, shown)
        assert "Xantippe" not in letter.subject


def test_arabic_reads_from_right_to_left() -> None:
    """Each line's first letter decides its direction in a mail program; foreign words are kept together."""
    letters = [letter for _, letter in every_letter("ar", "Dr. Quill")]
    letters.append(render_digest(digest_items(), name="مكتب الاستقبال", language="ar"))
    for letter in letters:
        for line in (letter.subject, *letter.body.splitlines()):
            visible = [c for c in line if unicodedata.bidirectional(c) in ("L", "R", "AL")]
            if visible:
                assert unicodedata.bidirectional(visible[0]) == "AL", line
        assert letter.body.count(ISOLATE) == letter.body.count(END_ISOLATE)
    assert f"{ISOLATE}continuum show j1{END_ISOLATE}" in letters[0].body


def test_each_language_has_its_own_dates() -> None:
    facts = {"when": "2026-12-01T09:05"}
    english = render("visit_booked", facts, journey="j", name=None)
    arabic = render("visit_booked", facts, journey="j", name=None, language="ar")
    assert "on 1 December 2026, 09:05." in english.body
    assert "يوم 1 ديسمبر 2026، الساعة 09:05." in arabic.body


def test_words_of_an_earlier_version_are_shown_as_they_are() -> None:
    facts = {"task": "Answer the referral", "due": "01 December 2026, 10:00"}
    letter = render("task_due", facts, journey="j", name=None)
    assert letter.subject == "To do: Answer the referral"
    assert "Due: 01 December 2026, 10:00" in letter.body


def test_news_of_a_later_version_asks_to_call() -> None:
    letter = render("journey_news", {"news": "landed_on_the_moon"}, journey="j", name=None)
    assert "Please call the clinic." in letter.body
    assert "moon" not in letter.body


@pytest.mark.parametrize(
    ("tags", "language"),
    [
        ([], "en"),
        (["ar"], "ar"),
        (["ar-AE"], "ar"),
        (["AR_eg"], "ar"),
        (["ur", "ar-AE", "en"], "ar"),
        (["en-GB", "ar"], "en"),
        (["arc"], "en"),
        (["", "-", "fr"], "en"),
    ],
)
def test_the_first_language_that_we_speak(tags: list[str], language: str) -> None:
    assert language_for(tags) == language


def digest_items() -> list[Item]:
    def item(template: Template, task: str, due: str, journey: str) -> Item:
        return Item(template=template, facts={"task": task, "due": due, "stage": "Intake"}, journey=journey)

    return [
        item("task_due", "book_visit", "2026-12-01T10:00", "j1"),
        item("task_escalated", "answer_referral", "2026-11-30T17:00", "j2"),
        item("task_due", "call_patient", "2026-11-01T10:00", "j3"),
        item("task_escalated", "sign_summary", "2026-11-29T17:00", "j4"),
    ]


def test_a_digest_lists_what_is_overdue_first() -> None:
    letter = render_digest(digest_items(), name="Front desk")
    assert letter.subject == "4 tasks wait for you"
    order = [line.rpartition(" ")[2] for line in letter.body.splitlines() if "continuum show" in line]
    assert order == ["j4", "j2", "j3", "j1"]
    assert "Overdue: Sign the discharge summary. It was due: 29 November 2026, 17:00." in letter.body


@pytest.mark.parametrize(
    "name", ["{", "{0}", "{journey.__class__}", "{{7*7}}", "%s %(x)s", "<b>Jo</b>", "é", "عمر", 'O\'Neil "Q"']
)
def test_a_name_is_text_and_no_template(name: str) -> None:
    letter = render("task_due", {"task": "{due}", "due": "today"}, journey="j1", name=name)
    assert letter.body.splitlines()[0] == f"Dear {name},"
    assert "This is due now: {due}." in letter.body


@given(st.text(max_size=400))
def test_text_from_outside_is_one_visible_line(text: str) -> None:
    shown = plain(text)
    assert len(shown) <= LONGEST
    assert len(shown.splitlines()) <= 1
    hidden = {"Cc", "Zl", "Zp", "Cs", "Co", "Cn"}
    assert not [c for c in shown if unicodedata.category(c) in hidden]
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\ufeff")
    assert plain(shown) == shown


def test_a_name_keeps_the_joiners_it_is_written_with() -> None:
    assert plain("می\u200cخواهم") == "می\u200cخواهم"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("greeting",), "Hello {name}"),
        (("greeting_by_name",), "Dear {name.__class__}"),
        (("signed",), "{0}"),
        (("templates", "plan_ready", "subject"), "{document}"),
        (("templates", "plan_ready", "body"), "{when:>99999999}"),
        (("templates", "plan_ready", "body"), "{when!r}"),
        (("task", "book_visit"), "{task}"),
    ],
)
def test_a_file_that_names_what_it_may_not_is_refused(path: tuple[str, ...], text: str) -> None:
    content = words("en").model_dump()
    inner = content
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = text
    with pytest.raises(ValidationError):
        Words.model_validate(content)
