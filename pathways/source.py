"""One YAML file, read once: its data, and on which line each value stands."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

M = TypeVar("M", bound=BaseModel)

Place = tuple[int | str, ...]
"""Where a value stands: keys and positions from the top of the file."""

TRIED = ("tuple[", "literal[", "(")
"""How the kinds that pydantic tried for a value begin: no part of the place."""


YES_OR_NO, A_WORD = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:str"


class PathwayError(ValueError):
    """Content that cannot be used: which file and line, where in it, and what would be right."""

    def __init__(
        self, file: str, where: str, what: str, *, line: int | None = None, others: tuple[PathwayError, ...] = ()
    ) -> None:
        self.file = file
        self.line = line
        self.where = where
        self.what = " ".join(what.split())
        self.others = others
        place = file if line is None else f"{file}:{line}"
        super().__init__(": ".join(part for part in (place, where, self.what) if part))

    @property
    def all(self) -> tuple[PathwayError, ...]:
        """This one and the others found in the same file."""
        return (self, *self.others)


class StrictLoader(yaml.CSafeLoader):
    """Safe YAML; a key written twice is a mistake, not a second opinion, and the key `on` is a word, not `true`."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is one word", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is written twice; keep one of them", key.start_mark
                )
            seen.add(key.value)
            if key.tag == YES_OR_NO:
                key.tag = A_WORD
        return super().construct_mapping(node, deep)


@dataclass(frozen=True)
class Source:
    """A file's data, and the nodes that it was made from: lines are looked up only when there is something to say."""

    file: str
    data: Mapping[str, Any]
    _root: yaml.Node = field(repr=False)

    def line(self, place: Place | str = ()) -> int:
        """The line of a value; of what is missing, that of the innermost part which is there."""
        node = self._root
        line = node.start_mark.line
        for part in place_of(place) if isinstance(place, str) else place:
            if isinstance(part, str) and part.startswith(TRIED):
                continue
            if isinstance(node, yaml.MappingNode):
                found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            elif isinstance(node, yaml.SequenceNode):
                item = _item(node, part)
                found = (item, item) if item is not None else None
            else:
                found = None
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        return int(line) + 1

    def error(self, place: Place | str, what: str) -> PathwayError:
        """What is wrong with a value of this file."""
        where = place if isinstance(place, str) else words_of(place)
        return PathwayError(self.file, where, what, line=self.line(place))


def _item(node: yaml.SequenceNode, part: int | str) -> yaml.Node | None:
    """An entry of a list, by its number or by its `id`."""
    if isinstance(part, int):
        return node.value[part] if part < len(node.value) else None
    return next((entry for entry in node.value if _id(entry) == part), None)


def _id(node: yaml.Node) -> str | None:
    fields = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((str(value.value) for key, value in fields if key.value in ("id", "code")), None)


def words_of(place: Place) -> str:
    """`dosing[2].when[0].op`; the types that pydantic tried for a value are not part of the place."""
    words = ""
    for part in place:
        if isinstance(part, int):
            words += f"[{part}]"
        elif part not in ("float", "str", "bool", "int") and not part.startswith(TRIED):
            words += f".{part}" if words else part
    return words


def place_of(words: str) -> Place:
    """The other way round."""
    parts = re.findall(r"\[(\d+)\]|([^.\[\]]+)", words)
    return tuple(int(number) if number else name for number, name in parts)


def read(path: Traversable, *, name: str | None = None) -> Source:
    """One YAML file as a mapping. Raises PathwayError where it is not YAML, or not a mapping.

    `name` is how messages name the file; without it, by its own name.
    """
    file = name or path.name
    try:
        loader = StrictLoader(path.read_text(encoding="utf-8"))
        try:
            root = loader.get_single_node()
            data = loader.construct_document(root) if root is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise PathwayError(file, "", _plainly(error.problem or "this is not YAML"), line=line) from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise PathwayError(file, "", f"cannot be read: {type(error).__name__}") from None
    if root is None or not isinstance(data, dict):
        raise PathwayError(file, "", "a file of this kind is a mapping: `key: value` lines")
    return Source(file, data, root)


YAML_SAYS = {
    "mapping values are not allowed": "a colon with a space after it stands inside a text: put quotes round the text",
    "cannot start any token": "indent with spaces, not with a tab; put quotes round a text that begins with a sign",
    "did not find expected ',' or": "a bracket is not closed, or a text in brackets needs quotes round it",
    "did not find expected key": "this line stands further in or out than its neighbours, or a text needs quotes",
    "could not find expected ':'": "`key: value` is wanted here, with a space after the colon",
}
"""What the parser says of the usual slips, and what would be right."""


def _plainly(problem: str) -> str:
    hint = next((right for said, right in YAML_SAYS.items() if said in problem), None)
    return f"{hint} (YAML: {problem})" if hint else problem


def check(
    source: Source,
    model: type[M],
    data: Mapping[str, Any] | None = None,
    *,
    at: Place = (),
    context: Mapping[str, Any] | None = None,
) -> M:
    """The file's data as a model, validated strictly, as JSON: no word becomes a number and no `yes` becomes 1.

    `data` stands for the file's own where something was put into it, `at` is where it stands in the file; `context`
    is for the model's validators. Raises PathwayError.
    """
    try:
        text = json.dumps(source.data if data is None else data, default=str, allow_nan=False)
    except (ValueError, TypeError):
        raise PathwayError(source.file, "", "a number here is not finite, or a key is not a word") from None
    try:
        return model.model_validate_json(text, strict=True, context=context)
    except ValidationError as error:
        problems = [source.error((*at, *e["loc"]), _what(e, model)) for e in _told_once(error.errors())]
        first = problems[0]
        raise PathwayError(first.file, first.where, first.what, line=first.line, others=tuple(problems[1:])) from None


def _told_once(errors: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """A value that may be of several types is one problem; a field that does not exist comes first, as the cause."""
    seen = set()
    for error in sorted(errors, key=lambda e: e["type"] != "extra_forbidden"):
        where = words_of(error["loc"])
        if where not in seen:
            seen.add(where)
            yield error


def _what(error: ErrorDetails, model: type[BaseModel]) -> str:
    if error["type"] == "extra_forbidden" and error["input"] is None:
        return "a comma cut this text in two: put quotes round the whole text"
    if error["type"] == "extra_forbidden":
        return f"there is no such field{close(str(error['loc'][-1]), _field_names(model))}; correct or remove it"
    if error["type"] == "missing":
        return "this field is missing; add it"
    return error["msg"].removeprefix("Value error, ")


def close(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` where something known is like this word; a word known elsewhere is not its own remedy."""
    near = difflib.get_close_matches(word, [k for k in known if k != word], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


@functools.cache
def _field_names(model: type[BaseModel]) -> frozenset[str]:
    schema = model.model_json_schema()
    names = set(schema["properties"])
    for part in schema.get("$defs", {}).values():
        names |= set(part.get("properties", ()))
    return frozenset(names)
