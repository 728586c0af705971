"""Pathways as YAML files that the loader reads: equal, after loading, to what was written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from care.pathway import Pathway
from pathways.exchange.goals_in import slug
from pathways.loader import LIBRARY, Library, load_all
from pathways.loader import library as library_of

Text = tuple[str, str]
"""Where, under the folder, and what."""

_WIDTH = 120
_PARTS = {
    "measures": ("measures", "measures/imported_{}.yaml"),
    "red_flags": ("red_flags", "red_flags/imported_{}.yaml"),
    "modalities": ("contraindications", "contraindications.yaml"),
}
"""What a pathway names by id: the key in the library's file, and that file (named after the first pathway)."""


class FilesError(ValueError):
    """These pathways cannot be put into this folder: why, and what would be right."""


def write(pathways: Sequence[Pathway], folder: Path) -> list[Path]:
    """Write the pathways into a folder, and what they name by id, where the library there lacks it.

    A folder without a library of its own uses ours; where ours says the same, none is written. Nothing is ever written
    over. Raises FilesError and writes nothing where a pathway or an entry is there already and says something else.
    """
    standing = library_of(folder if folder.is_dir() else None)
    added = _library(pathways, folder, standing)
    # A library that is made here holds only what had to be added: nothing else can be left to it.
    relied_on = standing if (folder / LIBRARY).is_dir() or not added else None
    texts = [*added, *(_pathway(one, relied_on) for one in pathways)]
    names = [where for where, _ in texts]
    for where in names:
        if names.count(where) > 1:
            raise FilesError(f"{where}: two of the pathways have this id and version; import them into two folders")
        if (folder / where).exists():
            raise FilesError(f"{where} is in {folder} already; import into an empty folder, or raise the version")
    written = []
    for where, text in texts:
        path = folder / where
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    _read_back(pathways, folder)
    return written


def _read_back(pathways: Sequence[Pathway], folder: Path) -> None:
    """What was written is read once by the loader: a difference is our mistake, and is said rather than kept quiet."""
    loaded = {one.label: one for one in load_all(folder).values()}
    for one in pathways:
        if loaded.get(one.label) != one:
            raise FilesError(f"{one.label}: what was written does not read back the same; please report this")


def _pathway(pathway: Pathway, standing: Library | None) -> Text:
    data = _usual_left_out(pathway)
    for field in _PARTS:
        if field in data:
            data[field] = [entry.id for entry in getattr(pathway, field)]
    # What the loader takes from the library where a pathway says nothing.
    for field in ("triage", "urgencies"):
        data[field] = pathway.model_dump(mode="json")[field]
        if standing is not None and getattr(standing, field) == getattr(pathway, field):
            del data[field]
    head = f"# {' '.join(pathway.name.split())}, version {pathway.version}. Imported from FHIR.\n"
    where = f"{slug(pathway.service_line)}/{pathway.id}_v{pathway.version}.yaml"
    return where, f"{head}# How to read and change this file: docs/authors/pathways.md\n{_yaml(data)}"


def _library(pathways: Sequence[Pathway], folder: Path, standing: Library) -> list[Text]:
    """What has to be added so that every id stands for the entry that its pathway was exported with."""
    own = (folder / LIBRARY).is_dir()
    wanted = {field: _entries(pathways, field) for field in _PARTS}
    if not own and all(
        _known(standing, field).get(id) == entry
        for field in _PARTS
        for id, entry in wanted[field].items()  # noqa: A001
    ):
        return []
    texts = []
    for field, (key, file) in _PARTS.items():
        there = _known(standing, field) if own else {}
        for id, entry in wanted[field].items():  # noqa: A001 - the field's own word
            if id in there and there[id] != entry:
                raise FilesError(
                    f"{key} {id}: the library in {folder} says something else; import into an empty folder"
                )
        new = [entry for id, entry in wanted[field].items() if id not in there]  # noqa: A001
        if new:
            texts.append(
                (f"{LIBRARY}/{file.format(pathways[0].id)}", _yaml({key: [_usual_left_out(entry) for entry in new]}))
            )
    return texts


def _known(library: Library, field: str) -> Mapping[str, BaseModel]:
    known: dict[str, Mapping[str, BaseModel]] = {
        "measures": library.measures,
        "red_flags": library.red_flags,
        "modalities": library.contraindications,
    }
    return known[field]


def _entries(pathways: Iterable[Pathway], field: str) -> dict[str, BaseModel]:
    """All entries of one kind, by id. Raises FilesError where two pathways mean different things by one id."""
    found: dict[str, BaseModel] = {}
    for pathway in pathways:
        for entry in getattr(pathway, field):
            if found.setdefault(entry.id, entry) != entry:
                raise FilesError(
                    f"{field} {entry.id}: {pathway.label} means something else by it than a pathway before it; "
                    "import them into two folders"
                )
    return found


def _usual_left_out(entry: BaseModel) -> dict[str, Any]:
    """As a person would write it: what is as usual is left out, down to the last entry."""
    return entry.model_dump(mode="json", exclude_defaults=True)


def _yaml(data: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True, width=_WIDTH)
