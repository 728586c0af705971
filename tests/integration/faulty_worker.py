"""A worker whose activities fail at first, with somebody's data in the exception. Run by `test_canaries`."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import worker
from activities import clinics, content
from channels.mail import Mail
from continuum.patience import leave
from pathways import loader
from records import decisions, documents, notices, post

FAILURES = 2
CANARY = os.environ.get("CANARY", "")
FAULTY: dict[str, tuple[Any, str]] = {
    "persist": (decisions, "commit"),
    "prepare": (clinics, "clinic_of"),
    "post": (post, "ready"),
    "alarm": (notices, "status"),
    "write_summary": (documents, "course"),
    "hand_over": (Mail, "_content"),
}


def faulty(name: str, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The same, but the first calls raise."""
    failing = first_fails(name, lambda: None)

    async def fail_first(*args: Any, **kwargs: Any) -> Any:
        failing()
        return await real(*args, **kwargs)

    return fail_first


def first_fails(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    """The same, but the first calls raise, with data in the exception and in its cause."""
    left = [FAILURES]

    def fail_first(**how: Any) -> Any:
        if left[0]:
            left[0] -= 1
            secret = f"{CANARY}-{name}"
            try:
                raise KeyError(secret)
            except KeyError as cause:
                raise RuntimeError(f"{secret} could not be done for {secret}") from cause
        return real(**how)

    return fail_first


if __name__ == "__main__":
    for name, (holder, attribute) in FAULTY.items():
        setattr(holder, attribute, faulty(name, getattr(holder, attribute)))
    read = "loader"  # of `activities.content` alone: other activities read pathways too
    setattr(content, read, SimpleNamespace(usable=first_fails("load_pathway", loader.usable)))
    leave(worker.main())
