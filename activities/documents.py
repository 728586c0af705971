"""Documents written from the record, as text and as PDF."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from temporalio import activity

from activities.signatures import DischargeSummary, Documents
from activities.summary.compose import compose
from activities.summary.text import as_text
from care.pathway import Pathway
from pathways import loader
from records import documents
from records.database import Database

log = structlog.get_logger(__name__)

KIND = "discharge_summary"

PathwayLookup = Callable[[str, int], Pathway]
"""A pathway of that id in that version. Raises PathwayError where there is none such."""


class WrittenDocuments(Documents):
    """Reads the record from PostgreSQL, writes the document, and saves it there."""

    def __init__(self, database: Database, pathway: PathwayLookup = loader.load) -> None:
        self._database = database
        self._pathway = pathway

    @activity.defn(name="write_summary")
    async def write_summary(self, summary: DischargeSummary) -> str:
        """See `Documents.write_summary`. Written again, it replaces what was written under the same id."""
        course = await documents.course(self._database, summary.tenant, summary.journey)
        # Reading content and setting pages is CPU work: the worker's loop goes on meanwhile.
        body, pdf = await asyncio.to_thread(self._write, course)
        await documents.save(
            self._database,
            document=summary.document,
            journey=summary.journey,
            tenant=summary.tenant,
            kind=KIND,
            body=body,
            pdf=pdf,
        )
        return summary.document

    def _write(self, course: dict[str, Any]) -> tuple[str, bytes]:
        written = compose(course, self._pinned(course["pathway"]))
        from activities.summary.pdf import as_pdf  # fonts and shaping: a third of a second at the worker's start

        return as_text(written), as_pdf(written)

    def _pinned(self, label: str | None) -> Pathway | None:
        """The version that the journey is pinned to. A later one never stands in for it: its thresholds are others.

        A version that cannot be read does not stop the summary: the referrer is told what is missing.
        """
        if label is None:
            return None
        id, _, version = label.rpartition("@")  # noqa: A001 - the field's own word
        try:
            return self._pathway(id, int(version))
        except (loader.PathwayError, ValueError):
            log.warning("summary_without_pathway", pathway=label)
            return None
