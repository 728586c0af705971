"""What is wrong with content beyond its form: mistakes that the schema cannot see and a patient would feel."""

from __future__ import annotations

from pathways.lint.everything import lint, lint_pathway
from pathways.lint.finding import Finding
from pathways.lint.head import sourced

__all__ = ["Finding", "lint", "lint_pathway", "sourced"]
