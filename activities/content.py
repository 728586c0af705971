"""Clinical content from the pathway library."""

from __future__ import annotations

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.signatures import Content
from care.pathway import Pathway
from pathways import loader


class PathwayLibrary(Content):
    """The pathways that came with this version of Continuum."""

    def __init__(self, *, must_be_signed: bool) -> None:
        self._must_be_signed = must_be_signed

    @activity.defn(name="load_pathway")
    async def load_pathway(self, pathway: str) -> Pathway:
        """See `Content.load_pathway`."""
        usable = loader.usable(must_be_signed=self._must_be_signed)
        if pathway in usable:
            return usable[pathway].for_journey()
        known = ", ".join(sorted(usable)) or "none"
        if self._must_be_signed and pathway in loader.usable(must_be_signed=False):
            raise ApplicationError(
                "no clinician has signed this pathway, and here only signed ones are used "
                f"(CONTINUUM_PATHWAYS_MUST_BE_SIGNED); signed: {known}",
                type="UnsignedPathway",
                non_retryable=True,
            )
        raise ApplicationError(
            f"there is no pathway of that name; there are: {known}", type="UnknownPathway", non_retryable=True
        )
