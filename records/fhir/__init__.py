"""Reading the views of `0010_fhir_views.sql`: who sees what, conditions, and pages."""

from records.fhir.conditions import (
    All,
    Any_,
    Condition,
    Holds,
    Is,
    Missing,
    Not,
    Starts,
    Within,
)
from records.fhir.reading import Own, Page, Position, Scope, count, find, read

__all__ = [
    "All",
    "Any_",
    "Condition",
    "Holds",
    "Is",
    "Missing",
    "Not",
    "Own",
    "Page",
    "Position",
    "Scope",
    "Starts",
    "Within",
    "count",
    "find",
    "read",
]
