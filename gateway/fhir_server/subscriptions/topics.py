"""What can be subscribed to, and by what a subscriber may narrow it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args
from urllib.parse import parse_qsl

from activities.replies import TASK_CODE
from care.notice import BusinessStatus, TaskStatus
from gateway.answers import Problem
from records.subscriptions import CONSULT_NOTE, REFERRAL_TASK, Filter

FULFILL = frozenset({"fulfill", f"{TASK_CODE}|fulfill"})
LONGEST_FILTER = 1024
CLINIC = "urn:continuum:clinic"
"""The system of a clinic's identifier, as it stands in `Task.owner`."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic: what it is about, and which filters there are."""

    url: str
    title: str
    resource: str
    filters: tuple[str, ...] = ()


TOPICS = {
    topic.url: topic
    for topic in (
        Topic(
            REFERRAL_TASK,
            "A referral was answered: its coordination Task has changed",
            "Task",
            ("status", "business-status", "requester", "owner:identifier", "code"),
        ),
        Topic(CONSULT_NOTE, "A signed discharge summary is there", "DocumentReference"),
    )
}


def topic_of(criteria: str) -> Topic:
    """The topic that `Subscription.criteria` names, with or without a version. Raises Problem."""
    found = TOPICS.get(criteria.partition("|")[0])
    if found is None:
        raise Problem(
            422,
            "not-supported",
            f"criteria must be the canonical address of a topic: {' or '.join(TOPICS)}",
            path="Subscription.criteria",
        )
    return found


def filters_of(topic: Topic, criteria: tuple[str, ...]) -> tuple[Filter, ...]:
    """Filters as an event is held against them; all must hold. Raises Problem, naming what there is.

    What is true of every event of a topic leaves no filter: each Task is a fulfilment.
    """
    found: list[Filter] = []
    for text in criteria:
        kind, question, query = text.partition("?")
        if kind != topic.resource or not question or not query or len(text) > LONGEST_FILTER:
            raise _wrong(f"a filter of this topic begins with {topic.resource}?" if topic.filters else _none(topic))
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name not in topic.filters:
                known = ", ".join(topic.filters)
                raise _wrong(f"this topic can be filtered by: {known}" if known else _none(topic))
            one = _filter(name, tuple(part for part in value.split(",") if part))
            if one is not None:
                found.append(one)
    return tuple(found)


def _filter(name: str, values: tuple[str, ...]) -> Filter | None:
    if not values:
        raise _wrong(f"{name} needs a value")
    if name == "code":
        if not FULFILL & set(values):
            raise _wrong("every Task of this topic has the code fulfill")
        return None
    if name == "owner:identifier":
        values = tuple(value if "|" in value else f"{CLINIC}|{value}" for value in values)
        if not all(value.startswith(f"{CLINIC}|") for value in values):
            raise _wrong(f"the owner of a Task of this topic is a clinic: owner:identifier={CLINIC}|ID")
    if name in _CODES:
        values = tuple(value.rpartition("|")[2] for value in values)
        if not set(values) <= _CODES[name]:
            raise _wrong(f"{name} is one of: {', '.join(sorted(_CODES[name]))}")
    return Filter(name=name, values=values)


_CODES = {"status": frozenset(get_args(TaskStatus)), "business-status": frozenset(get_args(BusinessStatus))}


def _none(topic: Topic) -> str:
    return f"the topic {topic.url} has no filters"


def _wrong(text: str) -> Problem:
    return Problem(422, "not-supported", text, path="Subscription.criteria.extension")
