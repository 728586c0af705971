"""What became of every file, counted; and what must not have happened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from continuum.corpus.doors import Door
from continuum.corpus.sending import Answer

Fate = Literal["accepted", "quarantined", "waiting", "noted", "refused", "broken", "lost"]
FATES: tuple[Fate, ...] = ("accepted", "quarantined", "waiting", "noted", "refused", "broken", "lost")
"""`waiting`: acknowledged, and what it asks waits for a message that has not come. `noted`: acknowledged, and nothing
follows from it. `lost`: acknowledged, and not in the record."""
BAD: tuple[Fate, ...] = ("broken", "lost")


@dataclass
class File:
    """One file of the corpus."""

    name: str
    raw: bytes = field(repr=False)
    door: Door
    answer: Answer | None = None
    fate: Fate = "broken"
    journey: str | None = None

    @property
    def source(self) -> str:
        """The folder that it is in: whose samples they are."""
        return Path(self.name).parts[0] if len(Path(self.name).parts) > 1 else "."


@dataclass
class Report:
    """All of it."""

    files: list[File]
    tracebacks: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    """Files that, sent once more, did something once more."""
    not_begun: list[str] = field(default_factory=list)
    """Journeys whose referral was accepted and that did not begin."""
    must: tuple[str, ...] = ()

    @property
    def missed(self) -> list[str]:
        """Files that must be taken and were not."""
        taken = {f.name for f in self.files if f.fate in ("accepted", "quarantined", "waiting", "noted")}
        there = {f.name for f in self.files}
        return [name for name in self.must if name in there and name not in taken]

    @property
    def bad(self) -> bool:
        """Whether anything happened that must not."""
        broken = any(f.fate in BAD for f in self.files)
        return bool(broken or self.tracebacks or self.doubled or self.not_begun or self.missed)

    def counts(self) -> dict[str, Any]:
        """For programs."""
        fates = Counter(f.fate for f in self.files)
        there = {f.name for f in self.files}
        refusals = Counter((f.door.protocol, f.answer.code) for f in self.files if f.answer and f.fate == "refused")
        return {
            "files": len(self.files),
            **{fate: fates[fate] for fate in FATES},
            "doubled": len(self.doubled),
            "not_begun": len(self.not_begun),
            "tracebacks": len(self.tracebacks),
            "must_be_taken": sum(name in there for name in self.must),
            "missed": self.missed,
            "by_source": self._by_source(),
            "refused_by_code": {f"{protocol} {code}": n for (protocol, code), n in sorted(refusals.items())},
            "problems": self.problems(),
        }

    def _by_source(self) -> dict[str, dict[str, int]]:
        sources: dict[str, Counter[str]] = {}
        for file in self.files:
            sources.setdefault(file.source, Counter())[file.fate] += 1
        return {name: {fate: n for fate in FATES if (n := count[fate])} for name, count in sorted(sources.items())}

    def each(self) -> list[dict[str, str]]:
        """Every file, and what it was answered."""
        return [
            {
                "file": f.name,
                "fate": f.fate,
                "door": f.door.path or "MLLP",
                "code": f.answer.code,
                "words": f.answer.words,
            }
            for f in self.files
            if f.answer
        ]

    def problems(self) -> list[str]:
        """Each in one line."""
        return [
            *(
                f"{f.name}: {f.fate} ({f.answer.code} {f.answer.words})"
                for f in self.files
                if f.fate in BAD and f.answer
            ),
            *(f"{name}: must be taken, and was not" for name in self.missed),
            *(f"{name}: sent again, it did something again" for name in self.doubled),
            *(f"{journey}: accepted, and did not begin" for journey in self.not_begun),
            *(f"{log}: a traceback" for log in self.tracebacks),
        ]


def must_be_taken() -> tuple[str, ...]:
    """The committed list: samples that meet their specification and are about what we do."""
    text = (files("continuum.corpus") / "must_be_taken.txt").read_text("utf-8")
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)
