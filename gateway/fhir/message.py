"""A message and the resources in it: where each one is, and which one a reference means.

Source: FHIR R4, resolving references in Bundles (https://hl7.org/fhir/R4/bundle.html#references), contained
resources (https://hl7.org/fhir/R4/references.html#contained), conditional references in transactions
(https://hl7.org/fhir/R4/http.html#trules).

A reference that could mean two resources means none: whom a referral is about is never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import TypeVar

from gateway.fhir.models import AnyElement, Bundle, Identifier, Node, Reference, read_as
from gateway.fhir.refusal import RefusedError

_RESTFUL = re.compile(r"(?P<base>https?://\S+)/(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9.\-]{1,64})")
_RELATIVE = re.compile(r"(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9.\-]{1,64})")
_CONDITIONAL = re.compile(r"(?P<type>[A-Z][A-Za-z]+)\?identifier=(?P<system>[^|&]+)\|(?P<value>[^|&]+)")

MAX_ENTRIES = 5_000
"""A whole record of a long life has a few hundred."""

NAMED = frozenset({"ServiceRequest", "Task", "QuestionnaireResponse", "Observation", "Appointment"})
"""Types that may come alone."""

AnyKey = TypeVar("AnyKey", bound=Hashable)


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """One resource as sent, and its place in the message; `holder` is the resource that contains it."""

    node: Node
    path: str
    full_url: str | None = None
    holder: Located | None = None

    @property
    def resource_type(self) -> str | None:
        kind = self.node.get("resourceType")
        return kind if isinstance(kind, str) else None

    @property
    def id(self) -> str | None:
        name = self.node.get("id")
        return name if isinstance(name, str) and name else None

    @property
    def base(self) -> str | None:
        """The sender's server, when the resource came with the address it has there."""
        match = _RESTFUL.fullmatch(self.full_url or "")
        return match["base"] if match else None

    def read(self, model: type[AnyElement]) -> AnyElement:
        return read_as(model, self.node, self.path)


class Message:
    """A bare resource, or a Bundle with its entries; looked up by index, so that cost follows size."""

    def __init__(self, root: Node) -> None:
        kind = root.get("resourceType")
        if not isinstance(kind, str):
            raise RefusedError("structure", "resourceType is missing; a FHIR resource names its type")
        entries = root.get("entry")
        if kind == "Bundle" and isinstance(entries, list) and len(entries) > MAX_ENTRIES:
            raise RefusedError("too-costly", f"the Bundle has more than {MAX_ENTRIES} entries", "Bundle.entry")
        self.bundle = read_as(Bundle, root, "Bundle") if kind == "Bundle" else None
        self.entries = _entries(self.bundle) if self.bundle else (Located(root, _bare_path(kind)),)
        self._held: dict[Located, dict[str | None, list[Located]]] = {}

    @cached_property
    def _by_address(self) -> dict[str, list[Located]]:
        return _index(self.entries, lambda entry: [_address(entry.full_url or "")])

    @cached_property
    def _by_name(self) -> dict[tuple[str | None, str | None, str | None], list[Located]]:
        return _index(self.entries, _names)

    @cached_property
    def _by_identifier(self) -> dict[tuple[str | None, str, str], list[Located]]:
        return _index(self.entries, _business_identifiers)

    def of_type(self, kind: str) -> Iterator[Located]:
        return (entry for entry in self.entries if entry.resource_type == kind)

    def resolve(self, reference: Reference, holder: Located) -> Located | None:
        """The one resource of this message that `reference`, written in `holder`, means."""
        literal = reference.reference
        if not literal:
            return self._identified(reference.identifier, reference.type)
        if literal.startswith("#"):
            container = holder.holder or holder
            return container if literal == "#" else self._contained(container, literal[1:])
        conditional = _CONDITIONAL.fullmatch(literal)
        if conditional is not None:
            wanted = Identifier(system=conditional["system"], value=conditional["value"])
            return self._identified(wanted, conditional["type"])
        return self._addressed(literal.partition("/_history/")[0], holder.holder or holder)

    def _addressed(self, literal: str, holder: Located) -> Located | None:
        """By full address; else by type and id, unless both sides name servers and these differ."""
        exact = _only(self._by_address.get(_address(literal), ()))
        relative = _RELATIVE.fullmatch(literal)
        if exact is not None or relative is None:
            return exact
        bases = ("any",) if holder.base is None else (holder.base, None)
        name = (relative["type"], relative["id"])
        return _only(*(self._by_name.get((*name, base), ()) for base in bases))

    def _identified(self, wanted: Identifier | None, kind: str | None) -> Located | None:
        if wanted is None or not wanted.system or not wanted.value:
            return None
        return _only(self._by_identifier.get((kind, wanted.system, wanted.value), ()))

    def _contained(self, container: Located, name: str) -> Located | None:
        if container not in self._held:
            self._held[container] = _index(_inside(container), lambda one: [one.id])
        return _only(self._held[container].get(name, ()))


def relative_name(reference: str) -> str | None:
    """`Type/id` of a literal reference, if it has that form."""
    literal = reference.partition("/_history/")[0]
    match = _RELATIVE.fullmatch(literal) or _RESTFUL.fullmatch(literal)
    return f"{match['type']}/{match['id']}" if match else None


def referenced_type(reference: Reference) -> str | None:
    """The resource type a reference claims to point at, as far as it says."""
    name = relative_name(reference.reference or "")
    conditional = _CONDITIONAL.fullmatch(reference.reference or "")
    return name.partition("/")[0] if name else conditional["type"] if conditional else reference.type


def conditional_identifier(reference: Reference) -> Identifier | None:
    """The identifier inside `Patient?identifier=system|value`."""
    match = _CONDITIONAL.fullmatch(reference.reference or "")
    return Identifier(system=match["system"], value=match["value"]) if match else None


def is_absolute(reference: str) -> bool:
    return _RESTFUL.fullmatch(reference.partition("/_history/")[0]) is not None


def _bare_path(kind: str) -> str:
    """A type that we read is named; any other word is the sender's, and is not repeated."""
    return kind if kind in NAMED else "$"


def _entries(bundle: Bundle) -> tuple[Located, ...]:
    return tuple(
        Located(entry.resource, f"Bundle.entry[{index}].resource", entry.full_url or None)
        for index, entry in enumerate(bundle.entry)
        if entry.resource is not None
    )


def _inside(container: Located) -> Iterator[Located]:
    held = container.node.get("contained") or ()
    if not isinstance(held, list | tuple):
        raise RefusedError("structure", "this element must be a list", f"{container.path}.contained")
    for index, node in enumerate(held):
        if isinstance(node, dict):
            yield Located(node, f"{container.path}.contained[{index}]", holder=container)


def _address(url: str) -> str:
    """`urn:uuid:` addresses are the same in either case; nothing else is."""
    return url.lower() if url[:4].lower() == "urn:" else url


def _names(entry: Located) -> Iterator[tuple[str | None, str | None, str | None]]:
    yield entry.resource_type, entry.id, entry.base
    yield entry.resource_type, entry.id, "any"


def _business_identifiers(entry: Located) -> Iterator[tuple[str | None, str, str]]:
    """With and without the resource's type; identifiers in another shape are none for us."""
    given = entry.node.get("identifier")
    for one in given if isinstance(given, list) else [given]:
        if isinstance(one, dict):
            system, value = one.get("system"), one.get("value")
            if isinstance(system, str) and isinstance(value, str):
                yield entry.resource_type, system.strip(), value.strip()
                yield None, system.strip(), value.strip()


def _index(resources: Iterable[Located], keys: Callable[[Located], Iterable[AnyKey]]) -> dict[AnyKey, list[Located]]:
    index: dict[AnyKey, list[Located]] = {}
    for resource in resources:
        for key in dict.fromkeys(keys(resource)):
            index.setdefault(key, []).append(resource)
    return index


def _only(*found: Sequence[Located]) -> Located | None:
    first_two = list(islice(chain(*found), 2))
    return first_two[0] if len(first_two) == 1 else None
