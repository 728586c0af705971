"""What differs between two directories: for a person before they apply it, and for the audit afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from care.directory.model import Directory
from care.model import Model, Strict

Part = Literal["clinics", "people", "queues", "absences", "on_call"]
PARTS: tuple[Part, ...] = ("clinics", "people", "queues", "absences", "on_call")


class Change(Model):
    """One entry that came, went, or became another. Says which fields changed, never their values: names stay out."""

    what: Literal["added", "changed", "removed"]
    part: Part
    id: str
    """Ids, and for a span its begin."""
    fields: tuple[str, ...] = ()


def key(entry: Any) -> tuple[Any, ...]:
    """What makes an entry the same one in two directories."""
    names = ("id", "clinic", "person", "begins")
    return tuple(getattr(entry, name, None) for name in names)


def changes(before: Directory, after: Directory) -> tuple[Change, ...]:
    """From one to the other. The order of clinics counts, for the first is the default; that of all else does not."""
    return tuple(change for part in PARTS for change in _changes(part, before, after))


def _changes(part: Part, before: Directory, after: Directory) -> Iterator[Change]:
    old = {key(entry): entry for entry in getattr(before, part)}
    new = {key(entry): entry for entry in getattr(after, part)}
    for at, entry in new.items():
        if at not in old:
            yield Change(what="added", part=part, id=label(entry))
        elif fields := tuple(n for n in type(entry).model_fields if getattr(entry, n) != getattr(old[at], n)):
            yield Change(what="changed", part=part, id=label(entry), fields=fields)
    yield from (Change(what="removed", part=part, id=label(entry)) for at, entry in old.items() if at not in new)
    if part == "clinics" and old and new and next(iter(old)) != next(iter(new)) and next(iter(new)) in old:
        yield Change(what="changed", part=part, id=after.clinics[0].id, fields=("default",))


def label(entry: Strict) -> str:
    """An entry's ids in one word, for people and for the audit."""
    parts = [str(part) for part in key(entry)[:3] if part is not None]
    begins = getattr(entry, "begins", None)
    return "@".join(["/".join(parts), *([begins.isoformat()] if begins is not None else [])])
