"""Vignettes: short invented cases that say what has to come of a pathway's content, and where that is written.

`pathways/vignettes/**.yaml` holds them; `docs/authors/vignettes.md` says how they are written, and
`continuum pathways test` plays them through the real journey.
"""

from __future__ import annotations

import importlib.resources
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from care.action import DischargeReason
from care.journey import Outcome
from care.model import Slug, Strict
from care.pathway import Discipline, Recommendation
from care.plan import Dose
from care.red_flag import Urgency
from care.referral import ReferralUrgency
from care.score import ScoreValue
from care.stage import Stage
from pathways.source import PathwayError, Source, check, read

SignAnswer = bool | Literal["unknown"]
"""Asked and present, asked and absent, or asked and not known: what is not known is never a no."""


def said(answers: Mapping[str, SignAnswer]) -> dict[str, bool | None]:
    """The answers as a journey takes them: None is asked, and not known."""
    return {sign: None if answer == "unknown" else answer is True for sign, answer in answers.items()}


SYSTEMS = {
    "icd-10": "http://hl7.org/fhir/sid/icd-10",
    "icd-10-cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "snomed": "http://snomed.info/sct",
}
"""The names of terminologies in a vignette, and those that a physician's system uses."""


class ReasonCode(Strict):
    """One code of the referral."""

    system: Literal["icd-10", "icd-10-cm", "snomed"]
    code: str


class Referred(Strict):
    """The referral as a physician writes it."""

    text: str = ""
    codes: tuple[ReasonCode, ...] = ()
    age: int = Field(ge=0, le=110)
    sex: Literal["male", "female"] | None = None
    urgency: ReferralUrgency = "routine"
    days_since_onset: int | None = Field(default=None, ge=0)
    """What the coordinator reads from it; None where it does not say."""


class AtGate(Strict):
    """What the gate of a phase says."""

    phase: int
    opens: bool
    missing: tuple[str, ...] | None = None
    """The facts of the criteria not met; not compared where it is left out."""


class Expected(Strict):
    """What has to come of it. Only what is written here is compared; a step's own is about that step."""

    flags: dict[Slug, Urgency] | None = None
    asked: tuple[Slug, ...] | None = None
    pathway: Slug | None = None
    candidates: tuple[Slug, ...] | None = None
    priority: str | None = None
    first_visit_days: int | None = None
    booked: bool | None = None
    plan: dict[Slug, int] | None = None
    recommend: Recommendation | None = None
    gate: AtGate | None = None
    follow_up: Literal["call", "none"] | None = None
    stage: Stage | None = None
    outcome: Outcome | None = None


DEEDS = (
    "evaluate",
    "visit",
    "surgery",
    "check",
    "review",
    "opinion",
    "override",
    "phase",
    "follow_up",
    "call",
    "scores",
    "screen",
)
"""What a step may be; with `visit`, `scores` belong to the visit."""

GOES_WITH: dict[str, tuple[str, ...]] = {
    "doses": ("evaluate",),
    "answers": ("evaluate", "visit", "check", "follow_up"),
    "modalities": ("visit",),
    "ago": ("surgery",),
    "reason": ("review", "phase"),
}
"""What else a step may say, and with which deed."""


class Step(Strict):
    """What happens on one day, counted from the day on which the referral was accepted."""

    day: int = Field(ge=0)
    evaluate: dict[Slug, ScoreValue] | None = None
    doses: dict[Discipline, Dose] = {}
    """The therapist's own numbers, by discipline: needed where the pathway has none."""
    visit: Literal["attended", "no_show"] | None = None
    scores: dict[Slug, ScoreValue] | None = None
    answers: dict[Slug, SignAnswer] = {}
    modalities: tuple[Slug, ...] = ()
    screen: dict[Slug, SignAnswer] | None = None
    surgery: dict[Slug, ScoreValue] | None = None
    ago: int = Field(default=0, ge=0)
    """So many days before this step the surgery was."""
    check: dict[Slug, ScoreValue] | None = None
    review: Recommendation | None = None
    reason: DischargeReason | None = None
    opinion: Literal["conservative", "operate"] | None = None
    override: Literal[True] | None = None
    phase: Literal["continue", "end_rehab"] | None = None
    follow_up: dict[Slug, ScoreValue] | None = None
    call: Literal["well", "re_enter", "not_reached"] | None = None
    expect: Expected | None = None

    @property
    def deed(self) -> str:
        """What this step is about."""
        return next(name for name in DEEDS if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _one_deed(self) -> Self:
        given = [name for name in DEEDS if getattr(self, name) is not None]
        if given != ["visit", "scores"] and len(given) != 1:
            raise ValueError(f"a step is one of: {', '.join(DEEDS)}; this one is {', '.join(given) or 'none of them'}")
        for name, deeds in GOES_WITH.items():
            if name in self.model_fields_set and given[0] not in deeds:
                raise ValueError(f"`{name}` goes with: {', '.join(deeds)}")
        if self.visit == "no_show" and (self.scores or self.answers):
            raise ValueError("a visit that did not take place has no scores and no answers")
        if self.review == "discharge" and self.reason is None:
            raise ValueError("a discharge needs a coded reason, for example reason: GOALS")
        if self.phase == "end_rehab" and self.reason is None:
            raise ValueError("the end of rehab needs a coded reason, for example reason: MMI")
        return self


class Vignette(Strict):
    """One invented case."""

    id: Slug
    title: str
    basis: Literal["published_case", "guideline", "boundary", "by_authors"]
    cites: str | None = None
    """Where what is expected is written; for a boundary the threshold and its source."""
    referral: Referred
    choose: Slug | None = None
    """The pathway that the coordinator chooses, where the codes do not settle it."""
    screen: dict[Slug, SignAnswer] = {}
    rest: Literal["absent", "unasked"] = "absent"
    """The other questions of the red-flag screen: all asked and absent, or not asked yet."""
    conditions: tuple[Slug, ...] = ()
    course: tuple[Step, ...] = ()
    to_the_end: bool = False
    """Play on until the last follow-up is over."""
    expect: Expected

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.basis != "by_authors" and not (self.cites or "").strip():
            raise ValueError("cites: say where this is written (only a case `by_authors` goes without)")
        days = [step.day for step in self.course]
        if days != sorted(days):
            raise ValueError("course: the days go up from step to step")
        if self.to_the_end and not any(step.deed in ("evaluate", "surgery") for step in self.course):
            raise ValueError("to_the_end: a course that goes on needs an `evaluate` or a `surgery` step first")
        if not self.expect.model_fields_set and not any(step.expect for step in self.course):
            raise ValueError("expect: a vignette that expects nothing shows nothing; name at least one outcome")
        return self


class VignetteContent(Strict):
    """A file of vignettes: about one pathway, or about one red flag on any pathway that screens for it."""

    pathway: Slug | None = None
    flag: Slug | None = None
    vignettes: tuple[Vignette, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _about_one_thing(self) -> Self:
        if (self.pathway is None) == (self.flag is None):
            raise ValueError("a file is about one `pathway:` or about one `flag:`")
        twice = [id_ for id_, n in Counter(v.id for v in self.vignettes).items() if n > 1]
        if twice:
            raise ValueError(f"each vignette has an id of its own; written twice: {', '.join(twice)}")
        return self


@dataclass(frozen=True)
class VignetteFile:
    """A file that was read, with the lines on which its parts stand."""

    source: Source
    content: VignetteContent

    @property
    def name(self) -> str:
        """How messages name the file."""
        return self.source.file

    def line(self, n: int, *place: int | str) -> int:
        """The line of a part of the n-th vignette."""
        return self.source.line(("vignettes", n, *place))


def read_vignettes(path: Traversable, *, name: str | None = None) -> VignetteFile:
    """One file of vignettes. Raises PathwayError with file, line and what would be right."""
    source = read(path, name=name)
    return VignetteFile(source, check(source, VignetteContent))


def files() -> list[tuple[str, Traversable]]:
    """Our own files of vignettes, each with its name below `pathways/vignettes`."""
    folder = importlib.resources.files("pathways") / "vignettes"
    return sorted(_below(folder, "")) if folder.is_dir() else []


def files_of(place: Path) -> list[tuple[str, Traversable]]:
    """The file of that name, or those of that folder and of the folders in it. Raises PathwayError where none is."""
    if place.is_file():
        return [(place.name, place)]
    found = sorted(_below(place, "")) if place.is_dir() else []
    if not found:
        raise PathwayError(str(place), "", "there is no such file, or no file of vignettes (.yaml) in that folder")
    return found


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            yield from _below(entry, f"{name}/")
        elif entry.name.endswith(".yaml"):
            yield name, entry
