"""The authorisation matrix (RELIABILITY cases 2 and 27): each operation x everybody who may come, from the routes."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TypeVar
from uuid import uuid4

import pytest

from care.directory import Person
from gateway.access.policy import Policy
from records.database import Database
from tests.conftest import House
from tests.gateway.access.matrix import EVERYTHING, Ids, Operation, Tenancy, World, nobodys, operations, world

GARBAGE = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0."
AT_ONCE = 8
"""Fewer than the record has connections."""
Right = Callable[[int], bool]


@pytest.fixture(scope="module")
async def two(house: House) -> AsyncIterator[World]:
    async with world(house) as built:
        yield built


T = TypeVar("T")


def batched(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Some at a time."""
    for begin in range(0, len(things), size):
        yield things[begin : begin + size]


class Asked:
    """Requests, each under an id of its own."""

    def __init__(self) -> None:
        self.cells: dict[str, tuple[str, Operation, int]] = {}

    async def ask(self, house: Tenancy, operation: Operation, who: str, token: str | None, ids: Ids) -> tuple[int, str]:
        """Status and text."""
        request_id = str(uuid4())
        status, text = await house.ask(operation, ids, token, request_id)
        self.cells[request_id] = (who, operation, status)
        return status, ids.hidden(text)

    async def differences(self, database: Database) -> list[str]:
        """Cells that have not exactly the one row in the audit that they should have; public operations need none."""
        found = await database.fetch(
            "select request_id, array_agg(outcome) as outcomes, array_agg(caller) as callers from continuum.audit"
            " where request_id = any($1) group by 1",
            list(self.cells),
        )
        rows = {row["request_id"]: row for row in found}
        wrong = []
        for request_id, (who, operation, status) in self.cells.items():
            if operation.policy.public:
                continue
            row = rows.get(request_id)
            if row is None or list(row["outcomes"]) != [status]:
                wrong.append(f"{operation} by {who}: {status}, in the audit {row['outcomes'] if row else 'nothing'}")
        return wrong


async def read_only(house: House) -> Database:
    """The same record, in which nothing can be changed."""
    return await Database.open(f"{house.stack.dsn('app')}&default_transaction_read_only=on", size=2)


def is_nobody(status: int) -> bool:
    return status == 401


def may_not(status: int) -> bool:
    return status == 403


def gets_in(status: int) -> bool:
    """Whatever the handler makes of it."""
    return status not in (401, 403, 429) and status < 500


async def test_every_cell_is_as_its_policy_says_and_in_the_audit_once(two: World, house: House) -> None:
    here, asked, wrong = two.here, Asked(), []
    unknown = {
        "nobody": None,
        "rubbish": GARBAGE,
        "an expired token": here.system("sender", EVERYTHING, now=time.time() - 1000),
        "an expired person": here.issuer.token(Person(id="p-all", name="All", email=None), now=time.time() - 10_000),
        "a token of another gateway": two.elsewhere.system("sender", EVERYTHING),
    }
    ids, writing, record = nobodys(), here.gateway.database, await read_only(house)
    known = here.callers(ids.journey)

    async def cell(operation: Operation, who: str, token: str | None, right: Right) -> None:
        status, _ = await asked.ask(here, operation, who, token, ids)
        if not right(status):
            wrong.append(f"{operation} by {who}: {status}")

    denied: list[tuple[Operation, str, str | None, Right]] = []
    allowed: list[tuple[Operation, str, str | None, Right]] = []
    for operation in operations(here.app):
        is_open = operation.policy.public
        for who, token in unknown.items():
            (allowed if is_open else denied).append((operation, who, token, gets_in if is_open else is_nobody))
        (allowed if is_open else denied).append(
            (operation, "a stranger", here.person("p-nobody"), gets_in if is_open else may_not)
        )
        for who, (token, caller) in known.items():
            may = is_open or operation.policy.allows(caller)
            (allowed if may else denied).append((operation, who, token, gets_in if may else may_not))
    try:
        # What is denied changes nothing: it could not.
        for record_then, cells in ((record, denied), (writing, allowed)):
            here.gateway.database = record_then
            for some in batched(cells, AT_ONCE):
                await asyncio.gather(*(cell(*one) for one in some))
    finally:
        here.gateway.database = writing
        await record.close()
    assert wrong == []
    assert await asked.differences(two.database) == []
    assert len(asked.cells) > 500


async def test_what_is_not_theirs_looks_like_what_is_not_there(two: World) -> None:
    """Everybody of another tenant, and referrers of this one, ask for what somebody else sent."""
    here, elsewhere = two.here, two.elsewhere
    strangers = {
        "everybody of another tenant": (elsewhere, elsewhere.person("p-all")),
        "a system of another tenant": (elsewhere, elsewhere.system("sender", EVERYTHING)),
        "a link of another tenant": (elsewhere, elsewhere.patient(two.ids.journey)),
        "a physician who sent something else": (here, here.person("p-physician")),
        "a system that sent something else": (here, here.system("another", EVERYTHING)),
        "a patient with another link": (here, here.patient(nobodys().journey)),
    }
    asked, wrong = Asked(), []

    async def compare(house: Tenancy, operation: Operation, who: str, token: str) -> None:
        real = await asked.ask(house, operation, who, token, two.ids)
        never = await asked.ask(house, operation, who, token, nobodys())
        if real != never or real[0] < 400:
            wrong.append(f"{operation} by {who}: {real[0]} {real[1][:200]} / {never[0]} {never[1][:200]}")

    for who, (house, token) in strangers.items():
        closed = [o for o in operations(house.app) if "{" in o.path and not o.policy.public]
        for some in batched(closed, AT_ONCE):
            await asyncio.gather(*(compare(house, operation, who, token) for operation in some))
    assert wrong == []


async def test_whose_it_is_sees_it(two: World) -> None:
    """Without this the test before could not fail."""
    here = two.here
    seen: set[str] = set()
    tokens = [here.person("p-all"), here.system("sender", EVERYTHING)]
    for operation in operations(here.app):
        if operation.method == "GET" and "{" in operation.path and not operation.policy.public:
            for token in tokens:
                status, _ = await Asked().ask(here, operation, "theirs", token, two.ids)
                seen |= {str(operation)} if status == 200 else set()
    assert "GET /api/journeys/{journey}" in seen
    if any(o.path == "/fhir/ServiceRequest/{id}" for o in operations(here.app)):
        assert any(name.startswith("GET /fhir/") for name in seen)


def test_those_who_change_nothing_may_use_nothing_that_changes(two: World) -> None:
    for operation in operations(two.here.app):
        roles = operation.policy.roles
        if operation.method in ("POST", "PUT", "PATCH", "DELETE") and not operation.path.endswith("_search"):
            assert "auditor" not in roles, str(operation)
        if "patient" in roles:
            assert re.search(r"patient|answer|QuestionnaireResponse|/actions/\{", operation.path), str(operation)


CLINICAL = (
    "journeys",
    "Patient",
    "ServiceRequest",
    "Observation",
    "QuestionnaireResponse",
    "CarePlan",
    "Appointment",
    "Communication",
    "DocumentReference",
    "EpisodeOfCare",
    "Goal",
    "Task",
    "tasks",
)


def test_operators_and_authors_see_nothing_clinical(two: World) -> None:
    for operation in operations(two.here.app):
        parts = operation.path.split("/")
        if operation.policy.roles & {"operator", "author"}:
            assert not set(parts) & set(CLINICAL), str(operation)


def test_every_operation_is_for_somebody(two: World) -> None:
    nobody = Policy()
    assert [str(o) for o in operations(two.here.app) if o.policy == nobody] == []
