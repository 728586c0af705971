"""Clinical content as YAML, its loader, its linter and its schema. See `docs/authors/pathways.md`."""

from __future__ import annotations

from pathways.loader import PathwayError, latest, load, load_all, usable

__all__ = ["PathwayError", "latest", "load", "load_all", "usable"]
