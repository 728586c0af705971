"""SMART system scopes: what a client asks for, held against what it was given.

Source: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html. Version 2 (`system/Task.rs`, permissions
in the order c r u d s) and, mapped to it, version 1 (`.read`, `.write`, `.*`). A scope narrowed by a query is not known
here, and therefore never granted.
"""

from __future__ import annotations

import re

from gateway.access.caller import WHOLE_TENANT

PERMISSIONS = "cruds"
VERSION_1 = {"read": "rs", "write": "cud", "*": PERMISSIONS}
EVERY_TYPE = "*"
LONGEST = 4096
"""Characters of a scope parameter."""

Granted = dict[str, str]
"""Resource type, or `*`, to permissions in their order."""

_SCOPE = re.compile(r"system/(\*|[A-Z][A-Za-z]{1,63})\.(read|write|\*|c?r?u?d?s?)")


class ScopeUnknown(ValueError):  # noqa: N818
    """Not a scope of this server. Carries the one at fault."""


def read_scopes(text: str, *, strict: bool = False) -> tuple[Granted, frozenset[str]]:
    """Resource scopes, and the others that we know. What we do not know is left out, or with `strict` raises
    ScopeUnknown."""
    resources: dict[str, set[str]] = {}
    others = set()
    for scope in text.split():
        match = _SCOPE.fullmatch(scope)
        if match is not None and match[2]:
            resources.setdefault(match[1], set()).update(VERSION_1.get(match[2], match[2]))
        elif scope == WHOLE_TENANT:
            others.add(scope)
        elif strict:
            raise ScopeUnknown(scope)
    return {name: _in_order(given) for name, given in resources.items()}, frozenset(others)


def granted(asked: str, given: str) -> frozenset[str]:
    """The scopes of a token: what is both asked for and given, in version 2's form. Empty where nothing is both."""
    wanted, other_wanted = read_scopes(asked)
    allowed, other_allowed = read_scopes(given)
    both: dict[str, set[str]] = {}
    for name, permissions in wanted.items():
        for having, may in allowed.items():
            if EVERY_TYPE in (name, having) or name == having:
                narrow = having if name == EVERY_TYPE else name
                both.setdefault(narrow, set()).update(set(permissions) & set(may))
    found = {f"system/{name}.{_in_order(p)}" for name, p in both.items() if p}
    return frozenset(found | (other_wanted & other_allowed if found else set()))


def written(text: str) -> str:
    """Scopes as they are registered: version 2, in alphabetical order. Raises ScopeUnknown."""
    resources, others = read_scopes(text, strict=True)
    return " ".join(sorted([*(f"system/{name}.{p}" for name, p in resources.items()), *others]))


def _in_order(permissions: set[str]) -> str:
    return "".join(letter for letter in PERMISSIONS if letter in permissions)
