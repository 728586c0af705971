"""Small pieces of markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Lines = list[str]


def one_line(text: str) -> str:
    """Text that markdown takes as text: no line ends, nothing that would become a table, a tag or emphasis."""
    plain = " ".join(text.split())
    for mark in ("\\", "|", "<", "*", "`"):
        plain = plain.replace(mark, f"\\{mark}")
    return plain


def section(title: str, *parts: Lines, level: int = 2) -> Lines:
    """A heading and what stands under it; nothing where there is nothing to say."""
    said = [part for part in parts if part]
    if not said:
        return []
    lines = [f"{'#' * level} {title}", ""]
    for part in said:
        lines += [*part, ""]
    return lines[:-1]


def bullets(texts: Iterable[str]) -> Lines:
    """A list."""
    return [f"- {text}" for text in texts]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Lines:
    """A table; nothing where there are no rows."""
    body = [f"| {' | '.join(cell or '–' for cell in row)} |" for row in rows]
    return [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}", *body] if body else []


def join(parts: Iterable[Lines]) -> str:
    """Parts with an empty line between them, as the text of a file."""
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"
