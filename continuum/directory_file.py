"""A directory as a YAML file: what people write, where in it they went wrong, and the file of a directory.

`example_directory.yaml` beside this module shows and documents the format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import ValidationError

from activities.clinics import has_holidays
from care.directory import Directory, Problem, problems
from pathways.loader import rulebook
from pathways.source import StrictLoader

EXAMPLE = "example_directory.yaml"
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
KEPT = ("absences", "on_call")
"""Parts that stay as they are where a file leaves them out."""

_OURS = {"hours": "week", "holidays": "overrides", "from": "begins", "until": "ends"}
_THEIRS = {ours: theirs for theirs, ours in _OURS.items()}
_WORDS = {
    "missing": "this is missing",
    "extra_forbidden": "there is no such field",
}
Where = tuple[str | int, ...]


class DirectoryFileError(ValueError):
    """A file that makes no directory: its name, the line, the place in it, and what would be right."""


class DirectoryFile:
    """A file's text, and where in it things are."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        try:
            self._node = yaml.compose(text, Loader=StrictLoader)
            self._data = yaml.load(text, Loader=StrictLoader)  # noqa: S506 - a SafeLoader
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f", line {mark.line + 1}" if mark else ""
            raise DirectoryFileError(f"{name}{line}: {error.problem or 'this is not YAML'}") from None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise DirectoryFileError(f"{name}: this is not YAML ({type(error).__name__})") from None
        if not isinstance(self._data, dict):
            raise DirectoryFileError(f"{name}: a directory begins with `clinics:`, `people:` and `queues:`")

    def directory(self, tenant: str, standing: Directory) -> Directory:
        """The directory this file makes of the one that stands. Raises DirectoryFileError for a mistake of form.

        Whether it holds together is another question: `problems` answers it.
        """
        data: dict[str, Any] = {str(part): self._list(part, entries) for part, entries in self._data.items()}
        zones = {c.get("id"): c.get("timezone") for c in data.get("clinics", ()) if isinstance(c, dict)}
        default = next(iter(zones.values()), None)
        for n, clinic in enumerate(data.get("clinics", ())):
            data["clinics"][n] = self._clinic(("clinics", n), clinic, tenant)
        for part in KEPT:
            for n, span in enumerate(data.get(part, ())):
                zone = zones.get(span.get("clinic"), default) if isinstance(span, dict) else default
                data[part][n] = self._span((part, n), span, zone)
        try:
            made = Directory.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            words = _WORDS.get(first["type"], first["msg"].removeprefix("Value error, "))
            if first["type"] == "string_pattern_mismatch":
                hyphen = " -" if "_-]" in first["ctx"]["pattern"] else ""
                words = f"an id is wanted: small letters, digits and . _{hyphen}"
            raise self.wrong(tuple(_THEIRS.get(str(p), p) for p in first["loc"]), words) from None
        return made.model_copy(update={part: getattr(standing, part) for part in KEPT if part not in data})

    def wrong(self, where: Where, what: str) -> DirectoryFileError:
        """A mistake at a place of this file."""
        path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in where).lstrip(".")
        line = self._line(where)
        return DirectoryFileError(f"{self.name}{f', line {line}' if line else ''}: {path}: {what}")

    def placed(self, problem: Problem) -> str:
        """A problem of the whole, with its line."""
        parts = problem.where.replace("]", "").replace("[", ".").split(".")
        return str(self.wrong(tuple(int(part) if part.isdigit() else part for part in parts), problem.what))

    def _line(self, where: Where) -> int | None:
        node = self._node
        for part in where:
            found = None
            if isinstance(node, yaml.MappingNode):
                found = next((value for name, value in node.value if name.value == str(part)), None)
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                found = node.value[part]
            if found is None:
                break
            node = found
        return node.start_mark.line + 1 if node is not self._node and node is not None else None

    def _list(self, part: object, entries: object) -> list[Any]:
        if part not in Directory.model_fields:
            raise self.wrong((str(part),), f"there is no such part; there are: {', '.join(Directory.model_fields)}")
        if entries is not None and not isinstance(entries, list):
            raise self.wrong((str(part),), "a list is wanted: each entry begins with `- `")
        return list(entries or ())

    def _clinic(self, where: Where, entry: Any, tenant: str) -> dict[str, Any]:
        self._has_no_inner_names(where, entry, "tenant", "quiet_from", "quiet_until")
        clinic = {**_renamed(entry), "tenant": tenant}
        clinic["week"] = self._week((*where, "hours"), entry.get("hours"))
        if "quiet_hours" in clinic:
            quiet = self._stretch((*where, "quiet_hours"), clinic.pop("quiet_hours"))
            clinic["quiet_from"], clinic["quiet_until"] = quiet
        if clinic.get("overrides") is None:
            clinic.pop("overrides", None)
        country, subdivision = clinic.get("country"), clinic.get("subdivision")
        if isinstance(country, str) and not has_holidays(country, subdivision):
            place = "subdivision" if has_holidays(country, None) else "country"
            raise self.wrong((*where, place), "no public holidays are known for it; a code like AE, or US with CA")
        known = rulebook().named("regulator")
        if clinic.get("regulator") is not None and clinic["regulator"] not in known:
            raise self.wrong((*where, "regulator"), f"whose rules hold there is one of: {', '.join(known)}")
        return clinic

    def _week(self, where: Where, hours: Any) -> list[list[dict[str, time]]]:
        if not isinstance(hours, dict) or not set(hours) <= set(WEEKDAYS):
            raise self.wrong(where, f"opening hours by day are wanted: {', '.join(WEEKDAYS)}")
        week = []
        for day in WEEKDAYS:
            stretches = hours.get(day) or []
            if not isinstance(stretches, list):
                raise self.wrong((*where, day), "a list is wanted: [08:00-12:00, 14:00-18:00]")
            opened = [self._stretch((*where, day, n), one) for n, one in enumerate(stretches)]
            week.append([{"opens": opens, "closes": closes} for opens, closes in opened])
        return week

    def _stretch(self, where: Where, written: Any) -> tuple[time, time]:
        try:
            starts, ends = (time.fromisoformat(part.strip()) for part in str(written).split("-"))
        except ValueError:
            raise self.wrong(where, "two times of the day are wanted, for example 08:00-18:00") from None
        return starts, ends

    def _span(self, where: Where, entry: Any, zone: Any) -> dict[str, Any]:
        self._has_no_inner_names(where, entry)
        span = _renamed(entry)
        for name in ("begins", "ends"):
            if span.get(name) is not None:
                try:
                    span[name] = moment(span[name], str(zone), last_day=name == "ends")
                except ValueError as error:
                    raise self.wrong((*where, _THEIRS[name]), str(error)) from None
        return span

    def _has_no_inner_names(self, where: Where, entry: Any, *more: str) -> None:
        if not isinstance(entry, dict):
            raise self.wrong(where, "fields are wanted: `name: value`")
        for name in (*_THEIRS, *more):
            if name in entry:
                raise self.wrong((*where, name), "there is no such field")


def read(name: str, text: str, tenant: str, standing: Directory) -> tuple[Directory, DirectoryFile]:
    """The directory that a file makes, fit for use. Raises DirectoryFileError, naming the first place that is wrong."""
    file = DirectoryFile(name, text)
    made = file.directory(tenant, standing)
    errors = [p for p in problems(made) if p.level == "error"]
    if errors:
        more = f" (and {len(errors) - 1} more: continuum directory check)" if len(errors) > 1 else ""
        raise DirectoryFileError(f"{file.placed(errors[0])}{more}")
    return made, file


def example(tenant: str) -> Directory:
    """The example clinic's directory."""
    text = (files("continuum") / EXAMPLE).read_text("utf-8")
    return DirectoryFile(EXAMPLE, text).directory(tenant, Directory())


def moment(written: object, zone: str, *, last_day: bool = False) -> datetime:
    """A moment as people write it: a day, a local time of that zone, or a time with its own offset.

    A day is its beginning; with `last_day`, its end. Raises ValueError saying what is wanted.
    """
    try:
        local = ZoneInfo(zone)
    except (ValueError, OSError, LookupError):
        raise ValueError("the clinic's time zone is not known") from None
    try:
        if isinstance(written, str):
            written = date.fromisoformat(written) if len(written) == len("2026-12-24") else written
            written = datetime.fromisoformat(written) if isinstance(written, str) else written
        if isinstance(written, datetime):
            return written if written.tzinfo is not None else written.replace(tzinfo=local)
        if isinstance(written, date):
            return datetime.combine(written + timedelta(days=last_day), time(0), local)
    except (ValueError, OverflowError):
        pass
    raise ValueError("a moment is wanted: 2026-12-24, 2026-12-24 08:00, or 2026-12-24T08:00+04:00")


def _renamed(entry: dict[Any, Any]) -> dict[str, Any]:
    return {_OURS.get(str(name), str(name)): value for name, value in entry.items()}


# --- from a directory to a file


def plain(directory: Directory) -> dict[str, Any]:
    """The directory in the form of the file: what `apply` takes without a change."""
    zones = {c.id: ZoneInfo(c.timezone) for c in directory.clinics}
    default = next(iter(zones.values()), None)

    def local(clinic: str | None) -> Callable[[datetime], str]:
        return lambda at: at.astimezone(zones.get(clinic or "", default)).isoformat()

    spans = {
        part: [_plain_span(s, local(getattr(s, "clinic", None))) for s in getattr(directory, part)] for part in KEPT
    }
    return {
        "clinics": [_plain_clinic(c) for c in directory.clinics],
        "people": [_without_defaults(p) for p in directory.people],
        "queues": [_without_defaults(q) for q in directory.queues],
        **spans,
    }


def write(directory: Directory) -> str:
    """The directory as YAML."""
    return yaml.safe_dump(plain(directory), sort_keys=False, allow_unicode=True, width=120)


def _plain_clinic(clinic: Any) -> dict[str, Any]:
    days = zip(WEEKDAYS, clinic.week, strict=True)
    return {
        **_without_defaults(clinic, but=("tenant", "week", "overrides", "quiet_from", "quiet_until")),
        "hours": {name: [_words(h.opens, h.closes) for h in day] for name, day in days if day},
        "holidays": {day.isoformat(): reason for day, reason in clinic.overrides.items()},
        "quiet_hours": _words(clinic.quiet_from, clinic.quiet_until),
    }


def _plain_span(span: Any, local: Callable[[datetime], str]) -> dict[str, Any]:
    ends = {"until": local(span.ends)} if span.ends is not None else {}
    return {**_without_defaults(span, but=("begins", "ends")), "from": local(span.begins), **ends}


def _without_defaults(entry: Any, *, but: Iterable[str] = ()) -> dict[str, Any]:
    found: dict[str, Any] = entry.model_dump(mode="json", exclude_defaults=True, exclude=set(but))
    return found


def _words(starts: time, ends: time) -> str:
    return f"{starts:%H:%M}-{ends:%H:%M}"
