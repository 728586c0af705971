"""A discharge summary: labels, sections and tables, before it is set as text or as PDF."""

from __future__ import annotations

from datetime import datetime

from care.model import Model


class Table(Model):
    """Rows under column headings."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Section(Model):
    """One part of the summary: a heading, and under it paragraphs, a table, a list; any of them may be missing."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    table: Table | None = None
    items: tuple[str, ...] = ()


class Summary(Model):
    """A discharge summary, ready to be set as text or as PDF."""

    title: str = "Discharge summary"
    clinic: str
    patient: str
    """Name and birth date in one line, for the foot of every page."""
    referral: str
    about: tuple[tuple[str, str], ...]
    """Label and value: who, which referral, why discharged."""
    sections: tuple[Section, ...]
    signature: str
    signed: bool
    written_at: datetime
    """The latest moment on record: signature, else discharge. Never the clock of the machine that writes."""
