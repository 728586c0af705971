"""From YAML files to pathways: what a clinician wrote, checked, with the library's entries put in for their ids."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, PlainValidator, ValidationInfo

from care.model import Slug, Strict
from care.operating_rules import OperatingRule, Profile, Rulebook
from care.pathway import Pathway
from care.red_flag import Contraindication, RedFlag, UrgencyLevel
from care.score import Measure
from care.triage import Triage
from pathways.source import PathwayError as PathwayError
from pathways.source import Source, check, close, read

M = TypeVar("M", bound=BaseModel)


LIBRARY = "library"
"""The folder of what pathways name by id; a folder of pathways without one of its own uses ours."""

VIGNETTES = "vignettes"
"""The folder of vignettes beside them."""


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


class RulesFile(Strict):
    """`library/rules/*.yaml`: operating rules of the house, of payers and of regulators, and whose they are."""

    profiles: tuple[Profile, ...] = ()
    rules: tuple[OperatingRule, ...]


class Library:
    """The entries that pathways name by id, and the provider's triage."""

    def __init__(self, folder: Traversable) -> None:
        self.files: list[tuple[Source, BaseModel]] = []
        """Every file of it, as it was read and as what it is."""
        self.measures: dict[str, Measure] = self._entries(folder, "measures", MeasuresFile)
        self.red_flags: dict[str, RedFlag] = self._entries(folder, "red_flags", RedFlagsFile)
        self.contraindications: dict[str, Contraindication] = self._entries(
            folder, "contraindications", ContraindicationsFile
        )
        self.rules: dict[str, OperatingRule] = self._entries(folder, "rules", RulesFile)
        self.urgencies = (self._one(folder, "urgencies", UrgenciesFile) or UrgenciesFile(urgencies=())).urgencies
        self.triage = self._one(folder, "triage", Triage) or Triage(levels=(), rules=())
        self.schedules = self._one(folder, "schedules", SchedulesFile) or SchedulesFile(review={}, follow_up={})

    @property
    def rulebook(self) -> Rulebook:
        """The operating rules of all files."""
        profiles = (p for _, content in self.files if isinstance(content, RulesFile) for p in content.profiles)
        return Rulebook(profiles=tuple(profiles), rules=tuple(self.rules.values()))

    def _read(self, name: str, path: Traversable, model: type[M]) -> tuple[Source, M]:
        source = read(path, name=f"{LIBRARY}/{name}")
        content = check(source, model)
        self.files.append((source, content))
        return source, content

    def _one(self, folder: Traversable, name: str, model: type[M]) -> M | None:
        path = folder / f"{name}.yaml"
        return self._read(path.name, path, model)[1] if path.is_file() else None

    def _entries(self, folder: Traversable, kind: str, model: type[BaseModel]) -> dict[str, Any]:
        """The entries of `KIND.yaml`, or of all files in the folder of that name, by id."""
        found: dict[str, Any] = {}
        single = folder / f"{kind}.yaml"
        places = [(single.name, single)] if single.is_file() else []
        if (folder / kind).is_dir():
            places += _yaml_files(folder / kind, f"{kind}/")
        for name, path in places:
            source, content = self._read(name, path, model)
            for n, entry in enumerate(getattr(content, kind)):
                if entry.id in found:
                    what = f"{entry.id!r} is written twice in the library; keep one of each"
                    raise source.error(f"{kind}[{n}].id", what)
                found[entry.id] = entry
        return found


def _yaml_files(folder: Traversable, prefix: str = "") -> list[tuple[str, Traversable]]:
    """The YAML files of a folder and of those in it, by their names below it."""
    found: list[tuple[str, Traversable]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _yaml_files(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".yaml"):
            found.append((f"{prefix}{entry.name}", entry))
    return sorted(found, key=lambda f: f[0])


def _from_the_library(id: str, info: ValidationInfo) -> Any:  # noqa: A002 - the field's own word
    """The library's own entry for its id: it was validated once, when the library was read."""
    return info.context[info.field_name][id] if info.context else id


_Entry = PlainValidator(_from_the_library)


class _Written(Pathway):
    """A pathway as its file has it, with ids for what is in the library."""

    triage: Annotated[Triage, _Entry]
    red_flags: tuple[Annotated[RedFlag, _Entry], ...]
    urgencies: tuple[Annotated[UrgencyLevel, _Entry], ...] = ()
    modalities: tuple[Annotated[Contraindication, _Entry], ...] = ()
    measures: tuple[Annotated[Measure, _Entry], ...]


def pathway_of(source: Source, library: Library) -> Pathway:
    """A file's pathway, with the library's entries in place of their ids. Raises PathwayError."""
    data = dict(source.data)
    shelves: dict[str, Mapping[str, BaseModel]] = {
        "measures": library.measures,
        "red_flags": library.red_flags,
        "modalities": library.contraindications,
        "urgencies": {level.code: level for level in _urgencies(source, library)},
        "triage": {LIBRARY: _triage(source, library)},
    }
    for key in ("measures", "red_flags", "modalities"):
        if key in data:
            _look_up(source, key, data[key], shelves[key])
    for key, schedules in (("review", library.schedules.review), ("follow_up", library.schedules.follow_up)):
        if key in data:
            data[key] = _on_schedule(source, key, data[key], schedules)
    data["urgencies"], data["triage"] = list(shelves["urgencies"]), LIBRARY
    written = check(source, _Written, data, context=shelves)
    return _signed(source, Pathway.model_construct(written.model_fields_set, **dict(written)))


def _urgencies(source: Source, library: Library) -> tuple[UrgencyLevel, ...]:
    """The library's, or those that a pathway writes itself."""
    own = source.data.get("urgencies")
    return library.urgencies if own is None else check(source, UrgenciesFile, {"urgencies": own}).urgencies


def _triage(source: Source, library: Library) -> Triage:
    """The provider's, with the rules (and perhaps levels) that a pathway writes itself in their place."""
    own = source.data.get("triage")
    if own is None:
        return library.triage
    if not isinstance(own, dict):
        raise source.error("triage", "leave it out, or give `rules:` (and perhaps `levels:`) of its own")
    return check(source, Triage, library.triage.model_dump(mode="json") | own, at=("triage",))


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


def files(directory: Path | None = None) -> list[tuple[str, Traversable]]:
    """The pathway files of a folder and of those in it, or of the package, by their names below it.

    The library is not among them, and vignettes are not.
    """
    folder = _folder(directory)
    if not folder.is_dir():
        raise PathwayError(str(directory), "", "there is no such folder of pathways")
    return [(name, path) for name, path in _yaml_files(folder) if name.split("/")[0] not in (LIBRARY, VIGNETTES)]


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
        ids = sorted({i for i, _ in known})
        what = f"there is no such pathway{close(id, ids)}; there are: {', '.join(ids) or 'none'}"
        raise PathwayError(id, "", what)
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


def rulebook(directory: Path | None = None) -> Rulebook:
    """The operating rules of a folder's library, or of the package."""
    return _packaged_rules() if directory is None else library(directory).rulebook


def red_flags(directory: Path | None = None) -> dict[str, RedFlag]:
    """Every red flag of the library, by id."""
    return dict(_packaged_flags()) if directory is None else library(directory).red_flags


@functools.cache
def _packaged_rules() -> Rulebook:
    return library().rulebook


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
    for name, path in files(directory):
        source = read(path, name=name)
        pathway = pathway_of(source, entries)
        key = (pathway.id, pathway.version)
        if key in known:
            raise source.error("version", f"{pathway.label} is in another file already; raise the version")
        known[key] = pathway
    return known


def _look_up(source: Source, key: str, ids: Any, entries: Mapping[str, BaseModel]) -> None:
    if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
        raise source.error(key, "a list of ids from the library, for example [nprs, odi]")
    for n, id in enumerate(ids):  # noqa: A001 - the field's own word
        if id not in entries:
            raise source.error(f"{key}[{n}]", f"the library has no {id!r}{close(id, entries)}")
        if id in ids[:n]:
            raise source.error(f"{key}[{n}]", f"{id!r} is listed twice; keep one")
