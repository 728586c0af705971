"""Who stands behind a notice's audience when it is sent, and where they are reached."""

from __future__ import annotations

from datetime import datetime

from care.directory import Directory, Nobody, Resolved, resolve
from care.notice import Audience
from records import notices
from records.database import Database
from records.directory import load

OUTSIDE = ("patient", "referrer")
"""Audiences that the referral knows, not the directory."""


async def addressed(database: Database, queued: list[notices.Queued]) -> list[notices.Queued]:
    """The same notices, with the name and address of whoever the directory says at the care time of each.

    Whom it came down to is written into the notice's row. One that comes down to nobody stays without an address.
    """
    inside = [notice for notice in queued if notice.recipient not in OUTSIDE]
    found: dict[str, Resolved | None] = {}
    for tenant in sorted({notice.tenant for notice in inside}):
        directory = await load(database, tenant)
        theirs = [n for n in inside if n.tenant == tenant]
        known = {n.id: resolved(directory, n.recipient, n.send_after, clinic=n.clinic) for n in theirs}
        await notices.resolved(database, tenant, {id_: (to.id, to.why) for id_, to in known.items() if to is not None})
        found |= known
    return [_with(notice, found.get(notice.id)) for notice in queued]


def resolved(directory: Directory, audience: Audience, at: datetime, *, clinic: str | None) -> Resolved | None:
    """The one person or mailbox; None where the tenant has no directory."""
    try:
        return resolve(directory, audience, at, clinic=clinic)
    except Nobody:
        return None


def _with(notice: notices.Queued, to: Resolved | None) -> notices.Queued:
    if to is None:
        return notice
    return notice.model_copy(update={"name": to.name, "email": to.email, "languages": [to.language]})
