"""The page on which a patient answers.

The link's token stands behind the `#`, which a browser sends to nobody: it is in no log on the way and in no Referer.
The page itself is the same for everybody; its script sends the token as a bearer token, as every other client does, so
that the same guard stands in front. What comes back is HTML, made here.
"""

from __future__ import annotations

import secrets
from html import escape
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from gateway.access.policy import PUBLIC, marked, policy
from gateway.answers import Problem
from gateway.staff.bodies import LARGEST, storable
from gateway.staff.pages.form import LONGEST_NOTE, Unanswered, form, scores_of, told
from gateway.staff.pages.page import asset, page
from gateway.staff.pages.words import Words, preferred, words
from gateway.staff.patients import ANSWER_PAGE, asking, take_answer

router = APIRouter(include_in_schema=False)

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 100


@router.get(ANSWER_PAGE)
@marked(PUBLIC)
async def answer_page(request: Request) -> Response:
    """The frame: says nothing of anybody."""
    said = preferred(request.headers.get("accept-language", ""))
    body = (
        f'<main aria-live="polite" data-over="{escape(said.over)}" data-away="{escape(said.away)}">'
        f'<div><span class="mark"></span><h1 tabindex="-1">{escape(said.wait)}</h1>'
        f"<noscript><p>{escape(said.script)}</p></noscript></div></main>"
    )
    return page(said.title, body, language=said.language, direction=said.direction, script=asset("answer.js"))


@router.get(f"{ANSWER_PAGE}/questions")
@policy(roles={"patient"})
async def questions(request: Request) -> Response:
    """What is asked of whoever holds the link."""
    found = await asking(request)
    said = words(found.language)
    if found.question is None:
        return HTMLResponse(told(said, said.nothing_title, said.nothing))
    return HTMLResponse(form(found.question, said, f"page-{secrets.token_hex(12)}"))


@router.post(f"{ANSWER_PAGE}/questions")
@policy(roles={"patient"})
async def answers(request: Request) -> Response:
    """What they answered. The key in the form makes sending it twice harmless."""
    filled, found = await _filled(request), await asking(request)
    said = words(found.language)
    key = filled.get("key", "")
    if not (key.startswith("page-") and key.removeprefix("page-").isalnum() and key.isascii() and len(key) <= 64):
        raise Problem(400, "invalid", "the form's key is missing")
    scores: dict[str, Any] = {}
    if found.question is not None:
        try:
            scores = scores_of(found.question, filled)
        except Unanswered as wrong:
            return HTMLResponse(form(found.question, said, key, filled, getattr(said, str(wrong))), 422)
    note = filled.get("note", "").strip() or None
    try:
        taken = await take_answer(request, found, scores, note, action_id=key)
    except Problem as problem:
        return _refused(said, problem)
    return HTMLResponse(told(said, said.sent_title, said.sent if taken.status_code == 200 else said.later))


def _refused(said: Words, problem: Problem) -> Response:
    if problem.status >= 500:
        raise problem
    if problem.code == "NothingAsked":
        return HTMLResponse(told(said, said.nothing_title, said.nothing), problem.status)
    return HTMLResponse(told(said, said.title, said.refused), problem.status)


async def _filled(request: Request) -> dict[str, str]:
    """The fields of the form; of one that stands twice, the last. Raises Problem."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise Problem(415, "not-supported", f"a form is sent as {FORM}")
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST:
            raise Problem(413, "too-costly", f"a form has at most {LARGEST} bytes")
    try:
        found = dict(parse_qsl(raw.decode("ascii"), max_num_fields=MOST_FIELDS, errors="strict"))
    except ValueError:
        raise Problem(400, "invalid", "this is not a form") from None
    if not storable(found) or len(found.get("note", "")) > LONGEST_NOTE:
        raise Problem(400, "invalid", "the note is too long, or holds what no record can")
    return found
