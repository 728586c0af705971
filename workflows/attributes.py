"""Search attributes: what coordinators filter by. Plain text in Temporal, so never anything that names a patient."""

from __future__ import annotations

from typing import Any

from temporalio.common import SearchAttributeKey, SearchAttributePair, SearchAttributeUpdate, TypedSearchAttributes

from care.commit import Commit

PATHWAY = SearchAttributeKey.for_keyword("Pathway")
PRIORITY = SearchAttributeKey.for_keyword("Priority")
WAITING_ON = SearchAttributeKey.for_keyword("WaitingOn")
CLINIC = SearchAttributeKey.for_keyword("Clinic")
NEXT_DUE = SearchAttributeKey.for_datetime("NextDue")
OVERDUE = SearchAttributeKey.for_bool("Overdue")

ALL = {
    "Pathway": "Keyword",
    "Priority": "Keyword",
    "WaitingOn": "Keyword",
    "Clinic": "Keyword",
    "NextDue": "Datetime",
    "Overdue": "Bool",
}
"""Names and types, for whoever registers them with a server."""


KEYS: tuple[SearchAttributeKey[Any], ...] = (PATHWAY, PRIORITY, WAITING_ON, CLINIC, NEXT_DUE, OVERDUE)


def of(commit: Commit) -> TypedSearchAttributes:
    """The attributes as they stand after a commit. What is not known yet is left out."""
    pairs: list[SearchAttributePair[Any]] = [
        SearchAttributePair(WAITING_ON, commit.waiting_on),
        SearchAttributePair(CLINIC, commit.clinic),
        SearchAttributePair(OVERDUE, commit.overdue),
    ]
    if commit.pathway:
        pairs.append(SearchAttributePair(PATHWAY, commit.pathway))
    if commit.priority:
        pairs.append(SearchAttributePair(PRIORITY, commit.priority))
    if commit.next_due:
        pairs.append(SearchAttributePair(NEXT_DUE, commit.next_due))
    return TypedSearchAttributes(pairs)


def changes(before: TypedSearchAttributes, now: TypedSearchAttributes) -> list[SearchAttributeUpdate[Any]]:
    """What to upsert: all of them together when one changed, and what is no longer known is taken away."""
    if all(before.get(key) == now.get(key) for key in KEYS):
        return []
    kept = [pair.key.value_set(pair.value) for pair in now.search_attributes]
    return [*kept, *(k.value_unset() for k in KEYS if before.get(k) is not None and now.get(k) is None)]
