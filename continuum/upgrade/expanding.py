"""Whether a migration only adds: then the code that runs now goes on running while it is applied, and after it.

PostgreSQL has no parser that we could ask from here, so this knows the statements that our migrations are made of and
takes every other for one that somebody has to look at. docs/runbooks/upgrade.md has the rules behind it.
"""

from __future__ import annotations

import re
from typing import Literal

from care.model import Model

Verdict = Literal["adds", "replaces", "holds writes", "takes away", "unknown"]
HARMLESS: tuple[Verdict, ...] = ("adds", "replaces", "holds writes")


class Remark(Model):
    """What one statement means for those who use the database meanwhile."""

    verdict: Verdict
    statement: str
    """Its beginning."""
    why: str


class Judged(Model):
    """One migration."""

    name: str
    additive: bool
    """Whether the old code goes on beside it."""
    remarks: tuple[Remark, ...]
    """Whatever does more than add."""


_COMMENT = re.compile(r"--[^\n]*")
_BODY = re.compile(r"\$(\w*)\$.*?\$\1\$", re.DOTALL)
_STRING = re.compile(r"'(?:[^']|'')*'")
_NAME = r"(?:if (?:not )?exists )?(?:only )?([\w.]+)"

_NEW_TABLE = re.compile(rf"create (?:unlogged )?table {_NAME}")
_INDEX = re.compile(r"create (?:unique )?index (?:if not exists )?\w+ on (?:only )?([\w.]+)")
_TRIGGER = re.compile(r"create (?:constraint )?trigger \w+ .*? on ([\w.]+)")
_ALTER = re.compile(rf"alter table {_NAME} (.*)")
_NEW = re.compile(r"create (?:schema|function|view|type|sequence|extension|domain) ")
_HARMLESS = re.compile(r"(?:insert into|comment on|grant|select|set local) ")
_EVERY_ROW = re.compile(r"(?:update|delete from) ([\w.]+)")


def judge(name: str, sql: str) -> Judged:
    """What a migration does to those who use the database while it is applied, and to the old code after it."""
    plain = _STRING.sub("''", _COMMENT.sub(" ", _BODY.sub("''", sql)))
    statements = [" ".join(s.split()).lower() for s in plain.split(";") if s.strip()]
    made = {found[1] for s in statements if (found := _NEW_TABLE.match(s))}
    wider = {name for s in statements for name in _DROPPED_RULE.findall(s)}
    remarks = tuple(remark for s in statements if (remark := _remark(s, made, wider)) is not None)
    additive = all(remark.verdict in HARMLESS for remark in remarks)
    return Judged(name=name, additive=additive, remarks=remarks)


def _remark(statement: str, made: set[str], wider: set[str]) -> Remark | None:
    """None where it does nothing but add, in a moment. What is made in the same migration nobody uses yet."""
    if any(harmless.match(statement) for harmless in (_NEW_TABLE, _NEW, _HARMLESS)):
        return None
    if (table := _ALTER.match(statement)) is not None:
        return None if table[1] in made else _altered(statement, table[1], table[2], wider)
    for form, verdict, why in _FORMS:
        if (found := form.match(statement)) is not None:
            on = found[1] if form.groups else ""
            return None if on in made else _say(verdict, statement, why.format(on))
    return _say("unknown", statement, "not known here: somebody has to look at it")


_FORMS: tuple[tuple[re.Pattern[str], Verdict, str], ...] = (
    (
        re.compile(r"create or replace "),
        "replaces",
        "the old code calls the new one: it has to take what it took and give what it gave",
    ),
    (_INDEX, "holds writes", "writes to {} wait while the index is built: about a second a million rows"),
    (_TRIGGER, "replaces", "from then on every write to {} runs it, the old code's too"),
    (_EVERY_ROW, "holds writes", "the rows of {} that it touches are locked until it is done"),
    (re.compile(r"drop trigger "), "takes away", "what it did is done no more, for the old code's writes too"),
    (re.compile(r"drop "), "takes away", "the old code may still use it"),
)
"""What more a statement does, by how it begins."""

_DROPPED_RULE = re.compile(r"drop constraint ([\w.]+)")


def _altered(statement: str, table: str, rest: str, wider: set[str]) -> Remark | None:
    worst: Remark | None = None
    for part in (part.strip() for part in _split(rest)):
        if (remark := _part(statement, table, part, wider)) is not None:
            if remark.verdict not in HARMLESS:
                return remark
            worst = worst or remark
    return worst


def _part(statement: str, table: str, part: str, wider: set[str]) -> Remark | None:
    if part.startswith("add column"):
        if "not null" in part and "default" not in part and "generated" not in part:
            return _say("takes away", statement, f"the old code's inserts into {table} do not give the new column")
        return None
    if part.startswith("add constraint"):
        if part.split()[2] in wider:
            return _say(
                "holds writes",
                statement,
                f"{table} is read through while it is locked; the old code's values have to fit",
            )
        if "not valid" in part:
            return None
        return _say(
            "takes away",
            statement,
            f"the old code's rows in {table} may not fit; it is read through while it is locked",
        )
    if part.startswith("drop constraint"):
        return _say("replaces", statement, f"{table} takes more than it did")
    if re.match(
        r"alter (?:column )?\w+ (?:set default|drop not null|set storage|set statistics)", part
    ) or part.startswith("set ("):
        return None
    if part.startswith(("drop", "rename", "alter")):
        return _say("takes away", statement, f"the old code may still use {table} as it was")
    return _say("unknown", statement, "not known here: somebody has to look at it")


def _split(parts: str) -> list[str]:
    """At the commas that are in no brackets."""
    found, depth = [""], 0
    for letter in parts:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return found


def _say(verdict: Verdict, statement: str, why: str) -> Remark:
    return Remark(verdict=verdict, statement=statement if len(statement) <= 80 else f"{statement[:77]}...", why=why)
