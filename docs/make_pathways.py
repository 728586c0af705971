"""Writes docs/pathways/: a page and a picture for each pathway, and the index.

    make pages

A test (`tests/test_pathway_pages.py`) fails when a page and the content disagree.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pathways import loader
from pathways.diagram import diagram
from pathways.page import index, page

FOLDER = Path(__file__).parent / "pathways"
WRITTEN = "This page is written by `make pages` from the content. Do not edit it by hand."


def pages() -> dict[str, str]:
    """Every file of the folder, by name."""
    latest = loader.latest()
    found = {"README.md": index(latest.values(), WRITTEN)}
    for id, pathway in latest.items():  # noqa: A001 - the field's own word
        found |= {f"{id}.md": page(pathway, WRITTEN), f"{id}.svg": diagram(pathway)}
    return found


def write() -> None:
    """All pages; what no pathway has any more is removed."""
    FOLDER.mkdir(exist_ok=True)
    current = pages()
    for path in FOLDER.iterdir():
        if path.name not in current:
            path.unlink()
    for name, text in current.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{len(current)} files in {FOLDER}", file=sys.stderr)


if __name__ == "__main__":
    write()
