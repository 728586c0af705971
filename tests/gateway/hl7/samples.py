"""The messages of `tests/fixtures/hl7`, and what tests make of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

FIXTURES = Path(__file__).parents[2] / "fixtures" / "hl7"
NOW = datetime(2026, 11, 2, 6, 0, tzinfo=UTC)


def fixture(name: str) -> bytes:
    """The bytes of a message of ours."""
    return (FIXTURES / f"{name}.hl7").read_bytes()


def fields(message: bytes | None, name: str, separator: str = "|") -> list[str]:
    """The first segment of that name, by the numbers of the standard (MSH-1 is the separator)."""
    assert message is not None
    lines = [line for line in message.decode("latin-1").split("\r") if line.startswith(name)]
    assert lines, f"no {name} in the message"
    found = lines[0].split(separator)
    return [found[0], separator, *found[1:]] if name == "MSH" else found


def names(message: bytes | None) -> list[str]:
    """The names of its segments."""
    assert message is not None
    return [line[:3] for line in message.decode("latin-1").split("\r") if line]
