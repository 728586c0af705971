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
        name, at, version = pathway.partition("@")
        if at:
            return self._version(name, version).for_journey()
        usable = loader.usable(must_be_signed=self._must_be_signed)
        if pathway in usable:
            return usable[pathway].for_journey()
        known = ", ".join(sorted(usable)) or "none"
        if self._must_be_signed and pathway in loader.usable(must_be_signed=False):
            raise _unsigned(f"signed: {known}")
        raise _unknown(f"there is no pathway of that name; there are: {known}")

    def _version(self, name: str, version: str) -> Pathway:
        """One version, as its file has it: also one that is not the latest."""
        everything = loader.load_all()
        found = everything.get((name, int(version))) if version.isdecimal() else None
        if found is None:
            there = ", ".join(str(v) for i, v in sorted(everything) if i == name) or "none"
            raise _unknown(f"there is no such version of that pathway; there are: {there}")
        if self._must_be_signed and found.status != "signed_off":
            raise _unsigned("have this version signed first")
        return found


def _unknown(words: str) -> ApplicationError:
    return ApplicationError(words, type="UnknownPathway", non_retryable=True)


def _unsigned(rest: str) -> ApplicationError:
    return ApplicationError(
        "no clinician has signed this pathway, and here only signed ones are used "
        f"(CONTINUUM_PATHWAYS_MUST_BE_SIGNED); {rest}",
        type="UnsignedPathway",
        non_retryable=True,
    )
