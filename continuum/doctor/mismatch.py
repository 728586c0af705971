"""The kinds of mismatch there are: what each means, and what puts it right."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import BaseModel, ConfigDict


class Kind(NamedTuple):
    """One kind. `repair`: what the doctor does, or what a person has to do where `safe` is False."""

    words: str
    repair: str
    safe: bool


FROM_HISTORIES = "write the missing decisions from Temporal's histories"
FROM_RECORD = "start its workflow from the journey that the record keeps"

KINDS: dict[str, Kind] = {
    "referral_not_started": Kind(
        "a referral has waited for its journey to begin", "see that a worker runs, and its log", safe=False
    ),
    "referral_without_journey": Kind("a referral's journey was begun and is nowhere", "begin it again", safe=True),
    "referral_missing": Kind(
        "the record has no referral for this journey: who the patient is was lost",
        "ask the sender for the referral once more, and merge the patient",
        safe=False,
    ),
    "workflow_without_journey": Kind("Temporal has a journey that the record does not have", FROM_HISTORIES, safe=True),
    "journal_behind": Kind("Temporal has decided more than the journal has", FROM_HISTORIES, safe=True),
    "journal_gap": Kind("rows are missing in the middle of the journal", FROM_HISTORIES, safe=True),
    "journey_without_workflow": Kind("the journey is open and no workflow runs for it", FROM_RECORD, safe=True),
    "workflow_behind": Kind(
        "the journal has more decisions than Temporal knows of: their clocks do not run until its next decision",
        f"end the workflow and {FROM_RECORD}",
        safe=True,
    ),
    "closed_but_running": Kind(
        "the journey is closed and a workflow older than that still runs for it", "end the workflow", safe=True
    ),
    "stage_differs": Kind(
        "the record and Temporal have it in different stages or states",
        "write the rows from the journey that the record keeps, or start its workflow from it",
        safe=True,
    ),
    "does_not_replay": Kind(
        "its history does not replay under this version, so it stands still",
        "docs/runbooks/wedged-workflow.md",
        safe=False,
    ),
    "state_not_kept": Kind(
        "the record could not start its workflow again: it does not keep the journey as it stands now",
        "keep it, as Temporal has it",
        safe=True,
    ),
    "projection_behind": Kind(
        "the list of journeys shows an earlier decision than the journal's last",
        "write where it stands from the journey itself",
        safe=True,
    ),
    "projection_differs": Kind(
        "open tasks, visits or plans are not those of the journey", "write them from the journey itself", safe=True
    ),
    "open_in_closed": Kind("something is still open in a closed journey", "settle it", safe=True),
    "no_clock": Kind("the journey is open, and nothing would ever wake it", "hold it, and report a defect", safe=False),
    "notice_unsent": Kind(
        "a message should have left long ago and nobody tries to send it: does a worker run?",
        "it is given up, and somebody gets a task to tell them",
        safe=True,
    ),
    "notice_late": Kind(
        "a message has waited long for the mail server", "see that the mail server takes mail", safe=False
    ),
    "notice_cut_off": Kind(
        "an attempt to send was cut off, and nobody knows whether it left",
        "it counts as uncertain, and somebody gets a task to ask",
        safe=True,
    ),
    "notice_untold": Kind(
        "a message did not arrive and nobody was given the task to tell them", "open that task", safe=True
    ),
    "notice_lost": Kind(
        "a message of a journey that is closed did not arrive", "tell whom it was for another way", safe=False
    ),
    "reply_unwritten": Kind("the referrer's system has still to be told", "write the answer, and tell it", safe=True),
    "ask_stuck": Kind("what a message asks has not been carried out", "continuum inbound says why", safe=False),
    "delivery_stuck": Kind(
        "a subscriber has not been told although it takes messages", "see that a worker runs, and its log", safe=False
    ),
}


class Mismatch(BaseModel):
    """One place where the parts of a site disagree. Ids and numbers only."""

    model_config = ConfigDict(frozen=True)

    kind: str
    journey: str | None
    tenant: str
    detail: str
    about: str | None = None
    """What it is about, where that is more than the journey: a notice, a reply."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Two looks that find the same have the same."""
        return self.kind, self.journey or "", self.about or ""

    @property
    def safe(self) -> bool:
        """Whether the doctor may put it right by itself."""
        return KINDS[self.kind].safe

    def plain(self) -> dict[str, object]:
        """For programs."""
        kind = KINDS[self.kind]
        return {**self.model_dump(), "means": kind.words, "repair": kind.repair, "safe": kind.safe}
