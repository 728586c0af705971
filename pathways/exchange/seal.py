"""Whether a resource is still as we wrote it.

Every resource that goes out carries a digest of itself. It tells an edit from an export that an older version of
Continuum wrote in another form. It is no signature: whoever edits on purpose can write a new one.
"""

from __future__ import annotations

from hashlib import sha256

from pathways.exchange.names import DIGEST, Resource, canonical

NOT_OURS = ("meta", "text")
"""What servers add by themselves: who stored it when, and a page made from the rest."""


def sealed(resource: Resource) -> Resource:
    """With its digest."""
    seal = {"url": DIGEST, "valueString": _digest(resource)}
    return {**resource, "extension": [*resource.get("extension", ()), seal]}


def intact(resource: Resource) -> bool:
    """Whether the digest is there and right."""
    extensions = resource.get("extension")
    if not isinstance(extensions, list):
        return False
    return any(
        isinstance(one, dict) and one.get("url") == DIGEST and one.get("valueString") == _digest(resource)
        for one in extensions
    )


def bare(resource: Resource) -> Resource:
    """What counts: without the digest, and without what servers add."""
    rest = {name: value for name, value in resource.items() if name not in (*NOT_OURS, "extension")}
    extensions = resource.get("extension")
    if isinstance(extensions, list):
        kept = [one for one in extensions if not isinstance(one, dict) or one.get("url") != DIGEST]
        rest |= {"extension": kept} if kept else {}
    return rest


def _digest(resource: Resource) -> str:
    return sha256(canonical(bare(resource)).encode()).hexdigest()
