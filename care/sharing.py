"""Values that many journeys carry alike: read once, and one object for all of them."""

from __future__ import annotations

import json
from collections import OrderedDict
from hashlib import sha256
from typing import Any

from pydantic import ValidatorFunctionWrapHandler

KEPT = 256
"""Different values kept; beyond it the one that was used longest ago is forgotten, and read anew when it is wanted."""

_READ: OrderedDict[bytes, Any] = OrderedDict()


def one_for_all(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """Reads a value as its type would, or gives the object that the same words were read into before.

    Only for types that never change. What was refused is not kept.
    """
    if not isinstance(value, dict):
        return read(value)
    key = sha256(json.dumps(value, sort_keys=True, default=str).encode()).digest()
    found = _READ.pop(key, None)
    if found is None:
        found = read(value)
    _READ[key] = found
    while len(_READ) > KEPT:
        _READ.popitem(last=False)
    return found
