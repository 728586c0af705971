"""What the floor writes, step by step: what Continuum's own rules made of the same actions, worked out before."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

FILE = "BENCH_FLOOR"
"""The file with the documents, by the environment."""


@cache
def _texts() -> list[str]:
    path = os.environ.get(FILE)
    if path is None:
        raise LookupError(f"{FILE} names the file of what the floor writes")
    return [json.dumps(one, separators=(",", ":")) for one in json.loads(Path(path).read_text("utf-8"))]


def step(n: int, name: str, journey: str) -> dict[str, Any]:
    """The n-th step of a journey; `name` is what the documents call it."""
    found: dict[str, Any] = json.loads(_texts()[n].replace(name, journey))
    return found
