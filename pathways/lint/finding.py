"""What the linter has to say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from pathways.source import PathwayError, Source

Problem = tuple[str, str, str]
"""Where in the file, which rule of the linter, and what would be right; file and line are added at the end."""


@dataclass(frozen=True)
class Finding:
    """One problem: which file and line, where in it, which rule of the linter, and what would be right."""

    file: str
    line: int | None
    where: str
    rule: str
    what: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.where, self.what) if part) + f" ({self.rule})"

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def found_in(source: Source, problems: Iterable[Problem]) -> Iterator[Finding]:
    """The problems of one file, with their lines."""
    for where, rule, what in problems:
        yield Finding(source.file, source.line(where), where, rule, what)


def unreadable(error: PathwayError) -> list[Finding]:
    """A file that cannot be used at all: every reason is a finding."""
    return [Finding(e.file, e.line, e.where, "form", e.what) for e in error.all]
