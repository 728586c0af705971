"""Every file of a folder: the library once, then each pathway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel

from care.pathway import Pathway
from care.triage import Triage
from pathways.lint import course, criteria, flags, head, measures, names, plans, rules, vignettes, waits
from pathways.lint.finding import Finding, Problem, found_in, unreadable
from pathways.loader import (
    LIBRARY,
    VIGNETTES,
    ContraindicationsFile,
    Library,
    MeasuresFile,
    RedFlagsFile,
    RulesFile,
    UrgenciesFile,
    files,
    library,
    pathway_of,
)
from pathways.source import PathwayError, read
from pathways.vignette import files as vignette_files
from pathways.vignette import files_of, read_vignettes

OF_THE_LIBRARY = frozenset({"measures", "red_flags", "modalities"})
"""Parts of a pathway that are ids of the library's entries, which are looked at once, in their own files."""
PERHAPS_OF_THE_LIBRARY = frozenset({"triage", "urgencies"})
"""And parts that are the library's unless the file has its own."""

CHECKS = (
    measures.use,
    waits.waits,
    waits.gates,
    plans.dosing,
    plans.goals,
    course.reviews,
    course.phases,
    course.follow_up,
)


def lint(directory: Path | None = None) -> list[Finding]:
    """Every problem of every file of a folder, or of the package; a file that cannot be read is one of them."""
    try:
        entries = library(directory)
        found = files(directory)
    except PathwayError as error:
        return unreadable(error)
    findings = list(_library(entries))
    if not found and not (directory is not None and (directory / LIBRARY).is_dir()):
        findings += unreadable(PathwayError(str(directory), "", "there are no pathways in this folder: no .yaml file"))
    known: dict[str, Pathway] = {}
    seen: dict[str, str] = {}
    for name, path in found:
        try:
            source = read(path, name=name)
            pathway = pathway_of(source, entries)
        except PathwayError as error:
            findings += unreadable(error)
            continue
        if pathway.label in seen:
            what = f"{pathway.label} is in {seen[pathway.label]} already; raise the version"
            findings += found_in(source, [("version", "version_twice", what)])
        seen[pathway.label] = name
        known[pathway.id] = max(pathway, known.get(pathway.id, pathway), key=lambda p: p.version)
        findings += found_in(source, lint_pathway(pathway, library_has=_left_out(source.data)))
    return findings + list(_vignettes(directory, known))


def _vignettes(directory: Path | None, known: Mapping[str, Pathway]) -> Iterator[Finding]:
    folder = None if directory is None else directory / VIGNETTES
    if folder is not None and not folder.is_dir():
        return
    for name, path in files_of(folder) if folder is not None else vignette_files():
        try:
            file = read_vignettes(path, name=f"{VIGNETTES}/{name}")
        except PathwayError as error:
            yield from unreadable(error)
            continue
        yield from found_in(file.source, vignettes.vignettes(file.content, known))


def lint_pathway(pathway: Pathway, *, library_has: frozenset[str] = frozenset()) -> Iterator[Problem]:
    """Every problem of one pathway, but of those parts that the library answers for."""
    yield from head.head(pathway)
    yield from head.sources(pathway, but=library_has)
    yield from criteria.criteria(pathway, own_triage="triage" not in library_has)
    for check in CHECKS:
        yield from check(pathway)
    yield from names.names(pathway, but=library_has)
    if "triage" not in library_has:
        yield from waits.triage(pathway.triage, "triage.")
    if "urgencies" not in library_has:
        yield from flags.levels(pathway.urgencies)
    if "red_flags" not in library_has:
        yield from flags.entries((*pathway.red_flags, *pathway.modalities))


def _left_out(data: object) -> frozenset[str]:
    written = set(data) if isinstance(data, dict) else set()
    return OF_THE_LIBRARY | (PERHAPS_OF_THE_LIBRARY - written)


def _library(entries: Library) -> Iterator[Finding]:
    asked = flags.Questions()
    for source, content in entries.files:
        yield from found_in(source, _library_file(content, asked, entries))


def _library_file(content: BaseModel, asked: flags.Questions, entries: Library) -> Iterator[Problem]:
    yield from head.sources(content)
    yield from names.names(content)
    match content:
        case Triage():
            yield from criteria.triage(content)
            yield from waits.triage(content, "")
        case MeasuresFile():
            yield from measures.entries(content.measures, entries.measures)
        case RedFlagsFile():
            yield from flags.entries(content.red_flags, asked)
        case ContraindicationsFile():
            yield from flags.entries(content.contraindications, asked)
        case RulesFile():
            book = entries.rulebook
            yield from rules.entries(content.rules, book.rules, book.profiles)
        case UrgenciesFile():
            yield from flags.levels(content.urgencies)
