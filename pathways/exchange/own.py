"""Our own export, read back: the same pathway, or where somebody edited it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from care.pathway import Pathway
from pathways.exchange.export import resources
from pathways.exchange.names import CONTENT, Resource
from pathways.exchange.result import Imported, Reason, Refused
from pathways.exchange.seal import bare, intact

MOST = 10
"""Of the edits of one resource so many are told."""
_SHOWN = 60

INSTEAD = "change the pathway's YAML and export it anew; or take our extensions out, and it is read as somebody else's"

Key = tuple[str, str]
"""Resource type and id."""


def is_ours(plan: Resource) -> bool:
    """Whether a PlanDefinition carries a pathway of ours."""
    return _content(plan) is not None


def read(plan: Resource, others: Mapping[Key, Resource]) -> Imported | Refused:
    """The pathway in a PlanDefinition that we wrote; `others` is what came with it.

    Every resource that came has to say what the pathway says. One that did not come is named, no more: the pathway is
    whole without it.
    """
    try:
        pathway = Pathway.model_validate_json(_content(plan) or "", strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        what = f"the pathway in it cannot be read ({place or 'all of it'}: {first['msg']}); export it anew"
        return Refused(called(plan), (Reason(f"PlanDefinition.extension({CONTENT})", what),))
    reasons: list[Reason] = []
    missing: list[str] = []
    for ours in resources(pathway):
        found = plan if ours["resourceType"] == "PlanDefinition" else others.get(key(ours))
        if found is None:
            missing.append(ours["id"])
        elif not intact(found):
            reasons += _edits(found, ours)
    if reasons:
        return Refused(pathway.label, tuple(reasons))
    notes = (f"not among these files, so not compared: {', '.join(missing)}",) if missing else ()
    return Imported(pathway, unchanged=True, notes=notes)


def called(plan: Resource) -> str:
    """What a PlanDefinition is called, for messages."""
    for name in ("title", "name", "id", "url"):
        if isinstance(plan.get(name), str) and plan[name].strip():
            return " ".join(plan[name].split())[:_SHOWN]
    return "a PlanDefinition without a title"


def key(resource: Resource) -> Key:
    """What tells resources apart."""
    return str(resource.get("resourceType")), str(resource.get("id"))


def _content(plan: Resource) -> str | None:
    extensions = plan.get("extension")
    for one in extensions if isinstance(extensions, list) else ():
        if isinstance(one, dict) and one.get("url") == CONTENT and isinstance(one.get("valueString"), str):
            return str(one["valueString"])
    return None


def _edits(found: Resource, ours: Resource) -> list[Reason]:
    """Where a resource says something else than the pathway that it carries."""
    where = f"{ours['resourceType']}/{ours['id']}"
    told = [Reason(f"{where}: {path}", what) for path, what in _differences(bare(found), bare(ours), "")]
    if not told:  # only what nothing standard is made from can have changed
        return [Reason(f"{where}: extension", f"its digest is missing or does not fit the content: {INSTEAD}")]
    more = len(told) - MOST
    last = [Reason(where, f"and {more} more edits")] if more > 0 else []
    return [*told[:MOST], *last, Reason(where, f"edited after the export: {INSTEAD}")]


def _differences(found: Any, ours: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(found, dict) and isinstance(ours, dict):
        for name in sorted({*found, *ours}):
            inner = f"{path}.{name}" if path else name
            if name not in ours:
                yield inner, "was added"
            elif name not in found:
                yield inner, "was taken out"
            else:
                yield from _differences(found[name], ours[name], inner)
    elif isinstance(found, list) and isinstance(ours, list):
        for n in range(max(len(found), len(ours))):
            if n >= len(ours):
                yield f"{path}[{n}]", "was added"
            elif n >= len(found):
                yield f"{path}[{n}]", "was taken out"
            else:
                yield from _differences(found[n], ours[n], f"{path}[{n}]")
    elif found != ours or isinstance(found, bool) != isinstance(ours, bool):
        yield path, f"says {_short(found)}, the pathway says {_short(ours)}"


def _short(value: Any) -> str:
    words = " ".join(str(value).split())
    return repr(words if len(words) <= _SHOWN else f"{words[:_SHOWN]}...")


def sort_out(given: Sequence[Resource]) -> tuple[list[Resource], dict[Key, Resource]]:
    """The PlanDefinitions among some resources, and all the rest by key."""
    plans = [one for one in given if one.get("resourceType") == "PlanDefinition"]
    return plans, {key(one): one for one in given if one.get("resourceType") != "PlanDefinition"}
