"""A file into rows: CSV or JSON lines. What is wrong is told by line and column, never by what stood there."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from gateway.caseload.row import BY_NAME, COLUMNS, Wrong

LARGEST_FILE = 50_000_000
LARGEST_CELL = 20_000
MOST_PLANS = 6
csv.field_size_limit(LARGEST_CELL)


class BadFile(Exception):  # noqa: N818
    """The file cannot be read at all: why, and what would be right."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with a row, and what would be right."""

    line: int
    column: str | None
    what: str


@dataclass
class Journey:
    """One journey of the file, its cells read; `problems` where it cannot be taken over."""

    line: int
    raw: bytes
    cells: dict[str, Any] = field(default_factory=dict)
    plans: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def external_id(self) -> str | None:
        """The journey in the clinic's own list."""
        found = self.cells.get("external_id")
        return found if isinstance(found, str) else None

    @property
    def digest(self) -> str:
        """What makes two rows the same: all they say, not how they are written."""
        said = json.dumps([self.cells, self.plans], sort_keys=True, default=str)
        return sha256(said.encode()).hexdigest()


def read(content: bytes) -> list[Journey]:
    """All journeys of a file, in its order. Raises BadFile."""
    if len(content) > LARGEST_FILE:
        raise BadFile(f"the file is larger than {LARGEST_FILE // 1_000_000} MB: cut it into several")
    try:
        words = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadFile(f"line {line}: this is not UTF-8; save the file as CSV UTF-8") from None
    if "\0" in words:
        raise BadFile("there is a zero byte in the file; save it as CSV UTF-8")
    if not words.strip():
        raise BadFile("the file is empty; continuum import --template prints a header with two examples")
    found = list(_json_lines(words) if words.lstrip().startswith("{") else _csv(words))
    return _without_doubles(found)


def _csv(words: str) -> Iterator[Journey]:
    head = words.partition("\n")[0]
    delimiter = ";" if head.count(";") > head.count(",") else ","
    rows = csv.reader(io.StringIO(words, newline=""), delimiter=delimiter, strict=True)
    lines = words.splitlines(keepends=True)
    header: list[str] | None = None
    by_id: dict[str, Journey] = {}
    while True:
        first = rows.line_num + 1
        try:
            cells = next(rows, None)
        except csv.Error:
            raise BadFile(f"line {first}: a quotation mark is not closed, or a cell is too long") from None
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = _header(cells)
            continue
        raw = "".join(lines[first - 1 : rows.line_num]).encode()
        journey = _from_csv(first, raw, header, cells)
        same = by_id.get(journey.external_id or "")
        if same is None:
            if journey.external_id is not None:
                by_id[journey.external_id] = journey
            yield journey
        else:
            _another_plan(same, journey)


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    for n, name in enumerate(names, 1):
        if name not in BY_NAME:
            raise BadFile(f"line 1, column {n}: no column of that name; there are: {', '.join(BY_NAME)}")
        if names.index(name) != n - 1:
            raise BadFile(f"line 1, column {n}: {name} stands there twice")
    missing = [c.name for c in COLUMNS if c.required and c.name not in names]
    if missing:
        raise BadFile(f"line 1: these columns are missing: {', '.join(missing)}")
    return names


def _from_csv(line: int, raw: bytes, header: list[str], cells: list[str]) -> Journey:
    journey = Journey(line, raw)
    if len(cells) != len(header):
        journey.problems.append(
            Problem(
                line, None, f"{len(cells)} cells, but the header has {len(header)}: put cells with commas in quotes"
            )
        )
        return journey
    said = {name: cell for name, cell in zip(header, cells, strict=True) if cell.strip()}
    journey.cells = _parse({k: v for k, v in said.items() if not BY_NAME[k].of_plan}, journey, line)
    plan = _parse({k: v for k, v in said.items() if BY_NAME[k].of_plan}, journey, line)
    if plan:
        journey.plans.append(plan)
    _required(journey, set(said))
    return journey


def _another_plan(first: Journey, more: Journey) -> None:
    """A later row of the same patient: another plan; what else it says must be the same or nothing."""
    first.raw += more.raw
    first.problems += [p for p in more.problems if not p.what.endswith("is missing")]
    for name, value in more.cells.items():
        if first.cells.setdefault(name, value) != value:
            first.problems.append(
                Problem(more.line, name, f"it differs from line {first.line}, which has the same external_id")
            )
    if not more.plans:
        first.problems.append(
            Problem(more.line, "external_id", f"it stands on line {first.line} already; a second row is a second plan")
        )
    elif more.plans[0] in first.plans:
        what = f"it says the same as a row before, from line {first.line} on; a second row is another plan"
        first.problems.append(Problem(more.line, "external_id", what))
    first.plans += more.plans
    if len(first.plans) > MOST_PLANS:
        first.problems.append(Problem(more.line, None, f"at most {MOST_PLANS} plans of one patient are wanted"))


def _json_lines(words: str) -> Iterator[Journey]:
    for number, line in enumerate(words.split("\n"), 1):
        if line.strip():
            yield _from_json(number, line)


def _from_json(number: int, line: str) -> Journey:
    journey = Journey(number, line.encode("utf-8", "replace"))
    try:
        found = json.loads(line, object_pairs_hook=_once, parse_constant=_finite)
        line.encode()
    except (ValueError, RecursionError, UnicodeError):
        journey.problems.append(Problem(number, None, "one JSON object on each line is wanted, each name in it once"))
        return journey
    plans = found.pop("plans", []) if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(plans, list) or not all(isinstance(p, dict) for p in plans):
        journey.problems.append(Problem(number, None, "a JSON object is wanted; plans is a list of objects"))
        return journey
    own = {k: v for k, v in found.items() if k in BY_NAME and BY_NAME[k].of_plan}
    plans = [*([own] if own else []), *plans]
    if len(plans) > MOST_PLANS:
        journey.problems.append(Problem(number, "plans", f"at most {MOST_PLANS} plans of one patient are wanted"))
    rest = {k: v for k, v in found.items() if k not in own}
    journey.cells = _parse(rest, journey, number, of_plan=False)
    journey.plans = [_parse(plan, journey, number, of_plan=True) for plan in plans[:MOST_PLANS]]
    _required(journey, set(rest))
    return journey


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError
    return dict(pairs)


def _finite(_: str) -> float:
    raise ValueError


def _parse(said: dict[str, Any], journey: Journey, line: int, *, of_plan: bool | None = None) -> dict[str, Any]:
    cells = {}
    for name, value in said.items():
        column = BY_NAME.get(name)
        if column is None or (of_plan is not None and column.of_plan != of_plan):
            wanted = ", ".join(c.name for c in COLUMNS if of_plan is None or c.of_plan == of_plan)
            journey.problems.append(Problem(line, None, f"a name that is not known here; there are: {wanted}"))
        elif value is not None and value != "":
            try:
                cells[name] = column.parse(value)
            except (Wrong, OverflowError) as wrong:
                what = str(wrong) if isinstance(wrong, Wrong) else "a smaller number is wanted"
                journey.problems.append(Problem(line, name, what))
    return cells


def _required(journey: Journey, said: set[str]) -> None:
    for column in COLUMNS:
        if column.required and column.name not in said:
            journey.problems.append(Problem(journey.line, column.name, "it is missing"))


def _without_doubles(journeys: list[Journey]) -> list[Journey]:
    first: dict[str, int] = {}
    for journey in journeys:
        id_ = journey.external_id
        if id_ is None:
            continue
        if id_ in first:
            what = f"it stands on line {first[id_]} already; several plans of one patient go into its list plans"
            journey.problems.append(Problem(journey.line, "external_id", what))
        else:
            first[id_] = journey.line
    return journeys
