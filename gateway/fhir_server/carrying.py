"""A resource as its sender sent it, out of the message in which it came, with references that hold here.

What a reference meant in the message is kept: to the patient it becomes ours, to another resource of the message that
one is taken along as a contained resource, an absolute address stays. A relative reference to the sender's own server
would mean something else on ours: it becomes absolute where the message says which server that is, and otherwise an
identifier.

Source: FHIR R4, contained resources (https://hl7.org/fhir/R4/references.html#contained) and their rules dom-2 to dom-4:
not nested, referred to, without a version.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from gateway.fhir.decode import decode_object
from gateway.fhir.message import Located, Message, conditional_identifier, is_absolute, relative_name
from gateway.fhir.models import Reference
from gateway.fhir.refusal import RefusedError
from gateway.fhir_server.elements import AS_SENT, Resource

MOST_CONTAINED = 50
"""More than any order refers to; what is beyond is named, not taken along."""
_VERSIONED = ("versionId", "lastUpdated")
_INSIDE = re.compile(r"Task\.contained\[(\d{1,6})\]")
_ENTRY = re.compile(r"Bundle\.entry\[(\d{1,6})\]\.resource")


def as_sent(raw: bytes, path: str | None, *, kind: str, id: str, patient: str | None) -> Resource | None:  # noqa: A002
    """The resource of that kind at a place of a message; None where there is none.

    `id` is ours for it, `patient` ours for its subject, as far as that is known.
    """
    try:
        message = Message(decode_object(raw))
    except RefusedError:
        return None
    found = _at(message, path)
    if found is None or found.resource_type != kind:
        return None
    return _Carrier(message, found, f"{kind}/{id}", f"Patient/{patient}" if patient else None).carried()


def _at(message: Message, path: str | None) -> Located | None:
    if message.bundle is None:
        (root,) = message.entries
        inside = _INSIDE.match(path or "")
        return message.resolve(Reference(reference=f"#{_id(root, int(inside[1]))}"), root) if inside else root
    match = _ENTRY.match(path or "")
    wanted = match.group(0) if match else None
    return next((entry for entry in message.entries if entry.path == wanted), None)


def _id(root: Located, n: int) -> str:
    """The id of the nth resource that is contained in another."""
    contained = root.node.get("contained")
    one = contained[n] if isinstance(contained, list) and n < len(contained) else None
    return str(one.get("id")) if isinstance(one, dict) else ""


class _Carrier:
    """Takes one resource out of its message."""

    def __init__(self, message: Message, root: Located, self_: str, patient: str | None) -> None:
        self._message = message
        self._root = root
        self._ours: dict[Located, str] = {root: self_}
        self._patient = patient
        self._contained: dict[str, Resource] = {}
        self._names: dict[Located, str] = {}
        subject = self._resolved(root.node.get("subject"), root)
        if subject is not None and patient is not None:
            self._ours[subject] = patient

    def carried(self) -> Resource:
        """The resource, with what it refers to."""
        own = {name: value for name, value in self._root.node.items() if name != "contained"}
        resource: Resource = self._walked(own, self._root)
        if self._patient is not None and "subject" in resource:
            subject = resource["subject"]
            display = subject.get("display") if isinstance(subject, dict) else None
            resource["subject"] = {"reference": self._patient, **({"display": display} if display else {})}
        if self._contained:
            resource["contained"] = list(self._contained.values())
        return resource

    def _walked(self, value: Any, holder: Located) -> Any:
        if isinstance(value, dict):
            if isinstance(value.get("reference"), str):
                return self._reference(value, holder)
            return {name: self._walked(inner, holder) for name, inner in value.items() if inner is not None}
        return [self._walked(inner, holder) for inner in value] if isinstance(value, list) else value

    def _reference(self, value: Resource, holder: Located) -> Resource:
        others = {name: self._walked(inner, holder) for name, inner in value.items() if name != "reference"}
        target = self._resolved(value, holder)
        if target is not None:
            name = self._ours.get(target) or self._taken_along(target)
            if name is not None:
                return {"reference": name, **others}
        literal: str = value["reference"]
        if is_absolute(literal):
            return {"reference": literal, **others}
        base = (holder.holder or holder).base or self._root.base
        if base is not None and relative_name(literal) == literal.partition("/_history/")[0]:
            return {"reference": f"{base}/{literal}", **others}
        return self._by_identifier(literal, others)

    def _by_identifier(self, literal: str, others: Resource) -> Resource:
        known = conditional_identifier(Reference(reference=literal))
        if known is not None:
            identifier = {"system": known.system, "value": known.value}
        else:
            identifier = {"system": AS_SENT, "value": literal}
        return {"identifier": identifier, **others}

    def _resolved(self, reference: Any, holder: Located) -> Located | None:
        try:
            return self._message.resolve(Reference.model_validate(reference), holder)
        except (ValidationError, RefusedError):
            return None

    def _taken_along(self, target: Located) -> str | None:
        """As a contained resource, under its own name where it is contained already."""
        if target in self._names:
            return f"#{self._names[target]}"
        if len(self._names) >= MOST_CONTAINED or target.resource_type is None:
            return None
        own = target.id if target.holder is self._root and target.id else None
        name = own or f"sent-{len(self._names) + 1}"
        self._names[target] = name
        self._contained[name] = {}  # its place, before those that it refers to
        node = {n: v for n, v in deepcopy(target.node).items() if n not in ("contained", "id", "text")}
        if isinstance(node.get("meta"), dict):
            node["meta"] = {n: v for n, v in node["meta"].items() if n not in _VERSIONED}
            if not node["meta"]:
                del node["meta"]
        kind = node.pop("resourceType")
        self._contained[name] = {"resourceType": kind, "id": name, **self._walked(node, target)}
        return f"#{name}"
