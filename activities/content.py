"""Clinical content from the pathway library."""

from __future__ import annotations

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.signatures import Content
from care.pathway import Pathway
from pathways import loader


class PathwayLibrary(Content):
    """The pathways that came with this version of Continuum."""

    @activity.defn(name="load_pathway")
    async def load_pathway(self, pathway: str) -> Pathway:
        """See `Content.load_pathway`."""
        usable = {name: found for name, found in loader.latest().items() if found.status != "sketch"}
        if pathway not in usable:
            known = ", ".join(sorted(usable))
            raise ApplicationError(
                f"there is no pathway of that name; there are: {known}", type="UnknownPathway", non_retryable=True
            )
        return usable[pathway]
