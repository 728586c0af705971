"""Taking a message in costs the same however many there are: nothing is looked for row by row.

PostgreSQL plans it while its tables are empty and unknown to it, and keeps the plan for as long as a connection lives.
"""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import asyncpg

from gateway.fhir import Refusal, read_referral
from gateway.inbound.meaning import Envelope, NewReferral
from gateway.inbound.taking import message_of
from tests.conftest import House
from tests.integration.tools import PATIENT, order

MESSAGES = 120
LOOKED_AT = """
    select sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) from pg_stat_xact_user_tables
    where schemaname = 'continuum' and relname in ('inbound', 'referral', 'patient')
"""

FORGET = """
    select pg_clear_relation_stats(schemaname, relname) from pg_stat_user_tables where schemaname = 'continuum'
"""
"""Until the end of the transaction, in which nobody else may look at them anew."""


def message() -> tuple[str, bytes]:
    """A referral, as the function gets it."""
    own = secrets.token_hex(6)
    number = [{"system": "https://patients.example.org", "value": own}]
    named = {**PATIENT, "identifier": number, "name": [{"family": f"Family-{own}"}]}
    raw = json.dumps(order(patient=named)).encode()
    referral = read_referral(raw)
    assert not isinstance(referral, Refusal)
    envelope = Envelope(
        tenant="clinic",
        protocol="fhir",
        sender="client:hospital",
        source="client:hospital|fhir",
        transport_key=f"sha256:{sha256(raw).hexdigest()}",
        raw=raw,
        media_type="application/fhir+json",
        kind="ServiceRequest",
        received_at=datetime.now(UTC),
    )
    return message_of(envelope, NewReferral(referral=referral)).as_json(), raw


async def test_no_message_looks_through_the_others(quiet_house: House) -> None:
    connection: asyncpg.Connection[Any] = await asyncpg.connect(quiet_house.stack.dsn("owner"))
    try:
        transaction = connection.transaction()
        await transaction.start()
        # As on the first day: no statistics. Others have used these tables, and some may have been gathered since.
        await connection.execute(FORGET)
        for _ in range(MESSAGES):
            answer = await connection.fetchval("select continuum.take_in($1, $2)", *message())
            assert json.loads(answer)["outcome"] == "accepted"
        looked_at = await connection.fetchval(LOOKED_AT)
        await transaction.rollback()
    finally:
        await connection.close()
    assert looked_at <= 5 * MESSAGES, "each looks at its own rows alone"
