"""The page on which somebody is chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from care.directory import Person

TITLES = {
    "therapist": ("Therapists", "treat, and see every referral of the clinic"),
    "coordinator": ("Coordinators", "book, chase and answer, and see every referral of the clinic"),
    "clinical_lead": ("Clinical leads", "act as therapist and as coordinator"),
    "on_call": ("On call", "act as therapist"),
    "surgeon": ("Surgeons", "see the referrals that name them"),
    "physician": ("Referring physicians", "send referrals, and see their own"),
    "author": ("Authors", "write pathways, and see no patients"),
    "auditor": ("Auditors", "read the record and who looked at it, and change nothing"),
    "operator": ("Operators", "see what does not run, and no patients"),
}

NOTE = (
    "<p class=note>This page is for trying out: it asks for no password and answers on this machine only. A clinic"
    " signs in at its own identity provider.</p>"
)

STYLE = """
:root { color-scheme: light dark; --ink: #16302b; --soft: #5b716c; --line: #d6e0dd; --paper: #f5f8f7; --card: #fff;
  --accent: #0f766e; --note: #fff4d6; --note-ink: #5c4400; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6f0ed; --soft: #9db3ad; --line: #2c423d; --paper: #0f1b18;
  --card: #172723; --accent: #5eead4; --note: #3a2f10; --note-ink: #fde9b0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1rem; margin: 0; }
p { margin: .25rem 0 0; }
.soft { color: var(--soft); }
.note { background: var(--note); color: var(--note-ink); border-radius: .5rem; padding: .75rem 1rem;
  margin: 1.25rem 0 0; }
.roles { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); margin-top: 1.5rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1rem; }
section p { font-size: .875rem; min-height: 2.625rem; }
button, .person { display: block; width: 100%; margin-top: .5rem; padding: .625rem .75rem; text-align: left;
  font: inherit; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: .5rem; }
button { cursor: pointer; }
button:hover, button:focus-visible { border-color: var(--accent); outline: 2px solid var(--accent);
  outline-offset: -1px; }
code { font: .8125rem/1.4 ui-monospace, monospace; color: var(--soft); }
.person code, button code { display: block; }
"""


def people_page(people: Iterable[Person], asked: Mapping[str, str] | None) -> str:
    """Everybody of the directory by role. With `asked`, the parameters of who wants to know, each can be chosen."""
    by_role: dict[str, list[Person]] = {}
    for person in people:
        for role in person.roles:
            by_role.setdefault(role, []).append(person)
    sections = "".join(_section(role, by_role[role], asked) for role in TITLES if role in by_role)
    lead = (
        "Choose who you are. What each may do is in the directory."
        if asked is not None
        else "These people can sign in here. On the command line: <code>continuum token --as ID</code>"
    )
    hidden = "".join(f"<input type=hidden name='{escape(n)}' value='{escape(v)}'>" for n, v in (asked or {}).items())
    nobody = "<p>Nobody is in the directory yet: <code>continuum directory apply FILE</code></p>"
    form = f"<form method=post action=/authorize>{hidden}<div class=roles>{sections}</div></form>"
    return _page("Sign in to Continuum", f"<p class=soft>{lead}</p>{NOTE}{form if sections else nobody}")


def mistake_page(what: str) -> str:
    """Says what is wrong with how somebody was sent here; `what` is ours."""
    return _page("This sign-in cannot go on", f"<p>{escape(what)}</p>")


def _section(role: str, people: Iterable[Person], asked: Mapping[str, str] | None) -> str:
    title, what = TITLES[role]
    inside = "".join(_person(person, asked) for person in people)
    return f"<section><h2>{title}</h2><p class=soft>{what}</p>{inside}</section>"


def _person(person: Person, asked: Mapping[str, str] | None) -> str:
    inside = f"{escape(person.name)}<code>{escape(person.id)}</code>"
    if asked is None:
        return f"<div class=person>{inside}</div>"
    return f"<button name=person value='{escape(person.id)}'>{inside}</button>"


def _page(title: str, inside: str) -> str:
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>{inside}</main></body></html>"
    )
