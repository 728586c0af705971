"""How old a patient is, from what a message says of their birth."""

from __future__ import annotations

from datetime import date

OLDEST = 90
"""Ages from here on are one: a high age alone can name a person."""


def age_in_years(birth_date: str | None, today: date) -> int | None:
    """In years; a FHIR date may have only a year, or a year and a month."""
    if not birth_date:
        return None
    year, month, day = (int(part) for part in [*birth_date.split("-"), "7", "1"][:3])
    return max(0, min(OLDEST, today.year - year - ((today.month, today.day) < (month, day))))
