"""A journey in therapy to measure with, and what is done to it again and again.

Made by the rules themselves, without Temporal and PostgreSQL (`tests.care.driver`), so that a run can begin where a
journey has a plan, tasks, clocks and scores, and so that the floor can write exactly what Continuum writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from care.action import ACTIONS, Action, Expected
from care.actor import Actor
from care.commit import Commit
from care.journey import Journey, Stage
from care.keeping import kept
from continuum.site import EXAMPLE_CLINIC
from tests.care.driver import TENANT, Driver
from workflows import attributes

NAME = "jtest"
"""What the driver calls its journey; replaced by the journey's own id wherever it stands."""
BEGAN = timedelta(days=21)
VISITS = 3
CLINICIAN = f"p-{NAME}"
"""Each journey has its own, so that no two want the same hour."""


@dataclass(frozen=True)
class Deed:
    """One action, ready to be sent, and what comes of it: all as text in which only the journey's id is missing."""

    name: str
    action: str
    floor: str

    def for_journey(self, journey: str) -> Action:
        """The action, for one journey."""
        return ACTIONS[self.name].model_validate_json(self.action.replace(NAME, journey))


@dataclass(frozen=True)
class Course:
    """Where the journey stands when it begins, and what is done to it from then on."""

    start: str
    due: datetime
    deeds: tuple[Deed, ...]

    def begun(self, journey: str) -> Journey:
        """The state with which the journey's workflow begins."""
        return Journey.model_validate_json(self.start.replace(NAME, journey))

    def floor(self) -> str:
        """What the floor must write, step by step, as one JSON document."""
        return json.dumps([json.loads(deed.floor) for deed in self.deeds])


def course(now: datetime, visits: int) -> Course:
    """So many appointments booked, scored and cancelled again by a patient who is three visits into therapy."""
    driver = _in_therapy(now)
    tenant = f'"tenant":"{EXAMPLE_CLINIC.tenant}"'

    def as_here(text: str) -> str:
        return text.replace(f'"tenant":"{TENANT}"', tenant)

    start, due = as_here(driver.journey.model_dump_json()), driver.journey.next_clock
    if due is None:
        raise LookupError("the journey waits for nothing")
    deeds: list[Deed] = []
    for name, role, data in _work(driver, visits):
        commit = driver.act(name, role, **data)
        action = ACTIONS[name].model_validate(
            {
                **data,
                "action_id": f"bench-{len(deeds)}",
                "actor": Actor(person="p-someone", role=role, tenant=TENANT),
                "expected": Expected(stage=Stage.THERAPY),
            }
        )
        floor = json.dumps(_floor(driver, commit, action.action_id), separators=(",", ":"))
        deeds.append(Deed(name, as_here(action.model_dump_json()), as_here(floor)))
    return Course(start, due.due, tuple(deeds))


def _in_therapy(now: datetime) -> Driver:
    driver = Driver("low_back_pain", age=60, now=now - BEGAN)
    driver.act("screen", "therapist", others_absent=True)
    driver.act("record_consent", messages=False)  # what messages cost is counted in the year; at night none leave
    driver.act("accept")
    driver.visit()
    baseline = {"nprs": 8, "odi": 60, "psfs": 2, "start_back": "high"}
    driver.act("evaluate", "therapist", scores=baseline, clinician="p-therapist")
    if driver.owed & {"certify_plan", "recertify_plan"}:
        driver.act("certify_plan", "therapist", plan=driver.plan.id, by="signature")
    for n in range(VISITS):
        driver.visit(days=2, scores={"nprs": 7, "odi": 50} if n == 1 else None)
    if driver.now >= now:
        raise LookupError("the preparation takes longer than it should")
    driver.wait(until=now)
    return driver


def _work(driver: Driver, visits: int) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """What is done, worked out as it goes on: each appointment has the id that its journey gave it."""
    for n in range(visits):
        starts_at = driver.slot(days=3 + n % 5, minutes=45)
        yield "book_visit", "coordinator", {"clinician": CLINICIAN, "starts_at": starts_at}
        booked = next(v for v in driver.journey.visits if v.starts_at == starts_at)
        yield "record_scores", "therapist", {"scores": {"nprs": 7 - n % 3, "odi": 50 - n % 5}}
        yield "cancel_visit", "coordinator", {"visit": booked.id, "reason": "patient"}


def _floor(driver: Driver, commit: Commit, action_id: str) -> dict[str, Any]:
    """One step as the floor has it: the document it writes, what is shown, and when something is due.

    The journey as it stands after the step is part of the document, as it is of Continuum's own.
    """
    whole = kept(driver.journey, with_base=False)
    document = commit.model_copy(update={"kept": whole}).model_dump(mode="json")
    for entry in document["entries"]:
        if entry["action_id"] is not None:
            entry["action_id"] = action_id
    clock = driver.journey.next_clock
    return {
        "document": document,
        "shown": {
            pair.key.name: pair.value.astimezone(UTC).isoformat() if isinstance(pair.value, datetime) else pair.value
            for pair in attributes.of(commit)
        },
        "due": clock.due.isoformat() if clock else None,
    }
