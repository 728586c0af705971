"""From YAML files to pathways: what a clinician wrote, checked, with the library's entries put in for their ids."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Callable, Iterable, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from care.model import Slug, Strict
from care.pathway import Pathway
from care.red_flag import Contraindication, RedFlag, UrgencyLevel
from care.score import Measure
from care.triage import Triage
from pathways.source import PathwayError as PathwayError
from pathways.source import Source, check, close, read

M = TypeVar("M", bound=BaseModel)


class _Named(Protocol):
    @property
    def id(self) -> str: ...


E = TypeVar("E", bound=_Named)

LIBRARY = "library"
"""The folder of what pathways name by id; a folder of pathways without one of its own uses ours."""


class MeasuresFile(Strict):
    """`library/measures/*.yaml`: the measures a pathway may name."""

    measures: tuple[Measure, ...]


class RedFlagsFile(Strict):
    """`library/red_flags/*.yaml`: the red flags a pathway may name."""

    red_flags: tuple[RedFlag, ...]


class ContraindicationsFile(Strict):
    """`library/contraindications.yaml`: what forbids a modality."""

    contraindications: tuple[Contraindication, ...]


class UrgenciesFile(Strict):
    """`library/urgencies.yaml`: what the urgencies of the red flags mean."""

    urgencies: tuple[UrgencyLevel, ...]


class SchedulesFile(Strict):
    """`library/schedules.yaml`: reviews and follow-ups that many pathways share; a pathway adds its own to one."""

    review: dict[Slug, dict[str, Any]]
    follow_up: dict[Slug, dict[str, Any]]


class Library:
    """The entries that pathways name by id, and the provider's triage."""

    def __init__(self, folder: Traversable) -> None:
        self.measures = _entries(folder / "measures", MeasuresFile, lambda file: file.measures)
        self.red_flags = _entries(folder / "red_flags", RedFlagsFile, lambda file: file.red_flags)
        self.contraindications = _entries(
            folder / "contraindications.yaml", ContraindicationsFile, lambda file: file.contraindications
        )
        triage, schedules = folder / "triage.yaml", folder / "schedules.yaml"
        urgencies = folder / "urgencies.yaml"
        self.urgencies = _read(urgencies, UrgenciesFile).urgencies if urgencies.is_file() else ()
        self.triage = _read(triage, Triage) if triage.is_file() else Triage(levels=(), rules=())
        self.schedules = (
            _read(schedules, SchedulesFile) if schedules.is_file() else SchedulesFile(review={}, follow_up={})
        )


def _entries(place: Traversable, model: type[M], of: Callable[[M], Iterable[E]]) -> dict[str, E]:
    """The entries of one file, or of all files in a folder, by id."""
    found: dict[str, E] = {}
    if not place.is_dir() and not place.is_file():
        return found
    for path in _yaml_files(place) if place.is_dir() else [place]:
        for entry in of(_read(path, model)):
            if entry.id in found:
                raise PathwayError(path.name, entry.id, "written twice in the library; keep one of each")
            found[entry.id] = entry
    return found


def _yaml_files(folder: Traversable) -> list[Traversable]:
    """The YAML files of a folder and of those in it, by name."""
    found: list[Traversable] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _yaml_files(entry)
        elif entry.name.endswith(".yaml"):
            found.append(entry)
    return sorted(found, key=lambda f: f.name)


def read_pathway(path: Traversable, library: Library) -> Pathway:
    """One pathway file, with the library's entries in place of their ids."""
    return pathway_of(read(path), library)


def pathway_of(source: Source, library: Library) -> Pathway:
    """A file's pathway, with the library's entries in place of their ids."""
    data = dict(source.data)
    for key, entries in (
        ("measures", library.measures),
        ("red_flags", library.red_flags),
        ("modalities", library.contraindications),
    ):
        if key in data:
            data[key] = _resolve(source, key, data[key], entries)
    for key, schedules in (("review", library.schedules.review), ("follow_up", library.schedules.follow_up)):
        data[key] = _on_schedule(source, key, data.get(key), schedules)
    own = data.get("triage", {})
    if not isinstance(own, dict):
        raise source.error("triage", "leave it out, or give `rules:` (and perhaps `levels:`) of its own")
    data.setdefault("urgencies", [level.model_dump(mode="json") for level in library.urgencies])
    data["triage"] = library.triage.model_dump(mode="json") | own
    return _signed(source, check(source, Pathway, data))


def _signed(source: Source, pathway: Pathway) -> Pathway:
    """A signature holds for the content that was signed, the library's entries included, and for no other."""
    if pathway.signed_off is not None and pathway.signed_off.digest != pathway.digest:
        what = (
            f"{pathway.signed_off.by} signed other content than this (its digest is {pathway.digest}): "
            "take the change back, or raise the version and have it signed anew"
        )
        raise source.error("signed_off.digest", what)
    return pathway


def _on_schedule(source: Source, key: str, data: Any, schedules: Mapping[str, Mapping[str, Any]]) -> Any:
    """`schedule: standard` stands for what the library says of it; what the pathway says itself goes before it."""
    if not isinstance(data, dict) or "schedule" not in data:
        return data
    own = {k: v for k, v in data.items() if k != "schedule"}
    name = data["schedule"]
    if not isinstance(name, str) or name not in schedules:
        raise source.error(f"{key}.schedule", f"the library has no schedule {name!r}{close(str(name), schedules)}")
    return {**schedules[name], **own}


def files(directory: Path | None = None) -> list[Traversable]:
    """The pathway files of a folder and of those in it, or of the package, by name; the library is not among them."""
    folder = _folder(directory)
    if not folder.is_dir():
        raise PathwayError(str(directory), "", "there is no such folder of pathways")
    here = [f for f in folder.iterdir() if f.name != LIBRARY]
    found = [f for f in here if f.is_file() and f.name.endswith(".yaml")]
    found += [f for inner in here if inner.is_dir() for f in _yaml_files(inner)]
    return sorted(found, key=lambda f: f.name)


def library(directory: Path | None = None) -> Library:
    """The library of a folder, or of the package where the folder has none of its own."""
    own = _folder(directory) / LIBRARY
    return Library(own if own.is_dir() else _folder(None) / LIBRARY)


def load_all(directory: Path | None = None) -> dict[tuple[str, int], Pathway]:
    """Every pathway in every version, by id and version. Raises PathwayError at the first file that cannot be used."""
    return dict(_packaged()) if directory is None else _load_all(directory)


def load(id: str, version: int | None = None, *, directory: Path | None = None) -> Pathway:  # noqa: A002
    """One pathway; its latest version where none is asked for. Raises PathwayError where there is none such."""
    known = load_all(directory)
    versions = sorted(v for i, v in known if i == id)
    if not versions:
        ids = ", ".join(sorted({i for i, _ in known}))
        raise PathwayError(id, "", f"there is no such pathway; there are: {ids}")
    wanted = versions[-1] if version is None else version
    if wanted not in versions:
        there = ", ".join(str(v) for v in versions)
        raise PathwayError(id, "version", f"there is no version {wanted}; there is: {there}")
    return known[id, wanted]


def latest(directory: Path | None = None) -> dict[str, Pathway]:
    """The latest version of each pathway, by id."""
    return {p.id: p for _, p in sorted(load_all(directory).items())}


def usable(directory: Path | None = None, *, must_be_signed: bool) -> dict[str, Pathway]:
    """The latest version of each pathway that may be suggested and chosen, by id: no sketch, and where it must be
    signed, no draft.
    """
    allowed = ("signed_off",) if must_be_signed else ("draft", "signed_off")
    return {p.id: p for _, p in sorted(load_all(directory).items()) if p.status in allowed}


def red_flags(directory: Path | None = None) -> dict[str, RedFlag]:
    """Every red flag of the library, by id."""
    return dict(_packaged_flags()) if directory is None else library(directory).red_flags


@functools.cache
def _packaged_flags() -> dict[str, RedFlag]:
    return library().red_flags


@functools.cache
def _packaged() -> dict[tuple[str, int], Pathway]:
    return _load_all(None)


def _folder(directory: Path | None) -> Traversable:
    return importlib.resources.files("pathways") / "content" if directory is None else directory


def _load_all(directory: Path | None) -> dict[tuple[str, int], Pathway]:
    entries = library(directory)
    known: dict[tuple[str, int], Pathway] = {}
    for path in files(directory):
        pathway = read_pathway(path, entries)
        key = (pathway.id, pathway.version)
        if key in known:
            raise PathwayError(path.name, "version", f"{pathway.label} is in another file already; raise the version")
        known[key] = pathway
    return known


def _read(path: Traversable, model: type[M]) -> M:
    return check(read(path), model)


def _resolve(source: Source, key: str, ids: Any, entries: Mapping[str, BaseModel]) -> list[Any]:
    if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
        raise source.error(key, "a list of ids from the library, for example [nprs, odi]")
    found = []
    for n, id in enumerate(ids):  # noqa: A001 - the field's own word
        if id not in entries:
            raise source.error(f"{key}[{n}]", f"the library has no {id!r}{close(id, entries)}")
        if id in ids[:n]:
            raise source.error(f"{key}[{n}]", f"{id!r} is listed twice; keep one")
        found.append(entries[id].model_dump(mode="json"))
    return found
