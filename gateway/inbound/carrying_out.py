"""What a message asks of a journey is carried out: by the relay, or at once for a caller who waits for the answer.

    waiting -> done          the journey took it
            -> refused       the journey said no, and why; the sender is told where its protocol has a way
            -> quarantined   a person has to say whom it is about, or what to do
            -> dead          it cannot be carried out: tried in vain, or it makes the code fall over

Carried out twice, it changes nothing twice: the ask's id is the action's id, and the journal takes that once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog

from care.action import ACTIONS, Answer
from care.actor import Actor, system
from gateway.acting import ActionRefused, NotConfirmed, perform
from gateway.context import Temporal, TemporalAway
from gateway.inbound import deeds, register
from gateway.inbound.decisions.decision import Decision, Nothing, Quarantine, Refuse, Wait
from gateway.inbound.finding import Found, Nobody, NotYet, Unclear, find
from gateway.inbound.meaning import About
from records import inbound
from records.database import Database, DatabaseAway
from records.inbound import AskRow

log = structlog.get_logger(__name__)

DEADLINE = timedelta(seconds=5)
POISONED_AFTER = 5
"""Attempts at an ask that makes our own code fall over."""
WAITED_LONG_ENOUGH = 40
"""Attempts at an ask whose journey never came: about a day and a half."""
OF_A_FEED = frozenset({"hospital_event"})
"""What a hospital tells of all its patients, most of whom are none of ours: no person has to look at those."""
LONGEST_PAUSE = 3600.0
DECIDED = "decided"
"""In the result of an ask that is not settled yet: the actions that it came to."""
MOVING = frozenset({"StageMoved", "VersionMoved", "NotBegun", "LadderMoved"})
"""Refusals that only mean: look again."""


async def carry_out(
    database: Database, temporal: Temporal, ask_id: str, *, deadline: timedelta = DEADLINE
) -> AskRow | None:
    """Carry an ask out, unless it is settled already. Returns it as it stands then; None where there is none.

    Raises DatabaseAway.
    """
    ask = await inbound.ask(database, ask_id)
    if ask is None or ask.status != "waiting":
        return ask
    await attempt(database, temporal, ask, deadline=deadline)
    return await inbound.ask(database, ask_id)


async def attempt(database: Database, temporal: Temporal, ask: AskRow, *, deadline: timedelta = DEADLINE) -> None:
    """One attempt; whatever comes of it is written to the ask."""
    try:
        async with asyncio.timeout((deadline * 2).total_seconds()):
            await _attempt(database, temporal, ask, deadline)
    except DatabaseAway:
        raise
    except TemporalAway as away:
        await inbound.try_later(database, ask.id, 2.0, str(away))
    except Exception as error:  # whatever it is, it is this message's and holds up no other
        log.warning("ask_failed", ask=ask.id, name=ask.name, error=type(error).__name__, attempts=ask.attempts)
        reason = f"our own code failed on it ({type(error).__name__})"
        if ask.attempts >= POISONED_AFTER:
            await inbound.settle(database, ask.id, "dead", code="exception", reason=reason)
        else:
            await inbound.try_later(database, ask.id, pause(ask.attempts), reason)


async def _attempt(database: Database, temporal: Temporal, ask: AskRow, deadline: timedelta) -> None:
    if (of_the_register := register.DEEDS.get(ask.name)) is not None:
        await _settle(database, temporal, ask, await of_the_register(database, ask, actor_of(ask)), deadline)
        return
    about = About.model_validate(ask.about)
    found = Found(ask.journey, about.visit) if ask.journey else await find(database, ask.tenant, ask.sender, about)
    match found:
        case NotYet(reason) if ask.attempts >= WAITED_LONG_ENOUGH:
            await inbound.settle(database, ask.id, "quarantined", code="not-found", reason=reason)
        case NotYet(reason):
            await inbound.try_later(database, ask.id, pause(ask.attempts), reason)
        case Nobody(reason) if ask.name in OF_A_FEED:
            await inbound.settle(database, ask.id, "done", reason=reason, result={})
        case Nobody(reason) | Unclear(reason):
            await inbound.settle(database, ask.id, "quarantined", code="not-found", reason=reason)
        case Found():
            await _act(database, temporal, ask, found, deadline)


async def _settle(
    database: Database, temporal: Temporal, ask: AskRow, settled: register.Settled, deadline: timedelta
) -> None:
    """What is done to the register is done by now; what is a person's to decide becomes a task of the journey."""
    match settled:
        case Quarantine(reason):
            found = await find(database, ask.tenant, ask.sender, About.model_validate(ask.about))
            if isinstance(found, Found):
                await _before_a_person(database, temporal, ask, found, reason, deadline)
            else:
                await inbound.settle(database, ask.id, "quarantined", code="business-rule", reason=reason)
        case Refuse(code, reason):
            await inbound.settle(database, ask.id, "refused", code=code, reason=reason)
        case Nothing(reason):
            await inbound.settle(database, ask.id, "done", reason=reason, result={})


async def _act(database: Database, temporal: Temporal, ask: AskRow, found: Found, deadline: timedelta) -> None:
    decided = await _decided(database, ask, found)
    match decided:
        case Wait(reason) if ask.attempts >= WAITED_LONG_ENOUGH:
            await _before_a_person(database, temporal, ask, found, reason, deadline)
        case Wait(reason):
            await inbound.try_later(database, ask.id, pause(ask.attempts), reason)
        case Quarantine(reason):
            await _before_a_person(database, temporal, ask, found, reason, deadline)
        case Refuse(code, reason):
            await inbound.settle(database, ask.id, "refused", journey=found.journey, code=code, reason=reason)
        case Nothing(reason):
            await inbound.settle(database, ask.id, "done", journey=found.journey, reason=reason, result={})
        case _:
            await _perform(database, temporal, ask, found, decided, deadline)


async def _decided(database: Database, ask: AskRow, found: Found) -> Decision:
    if ask.name in ACTIONS:
        return [(ask.name, ask.data)]
    deed = deeds.OF_A_JOURNEY.get(ask.name)
    if deed is None:
        return Refuse("not-supported", "this version of Continuum knows nothing of that name")
    if (before := _decided_before(ask, found)) is not None:
        return before
    decided = await deed(database, ask, found)
    if isinstance(decided, list):
        # Once the first of several is done the journey stands otherwise, and what follows would be decided otherwise,
        # under the ids of what was begun.
        await inbound.keep_decided(database, ask.id, {DECIDED: decided, "journey": found.journey})
    return decided


def _decided_before(ask: AskRow, found: Found) -> Decision | None:
    kept = ask.result or {}
    if DECIDED not in kept or kept["journey"] != found.journey:
        return None
    return [(name, data) for name, data in kept[DECIDED]]


async def _perform(
    database: Database,
    temporal: Temporal,
    ask: AskRow,
    found: Found,
    actions: Sequence[tuple[str, dict[str, Any]]],
    deadline: timedelta,
) -> None:
    client = await temporal.client()
    answer: Answer | None = None
    for number, (name, data) in enumerate(actions):
        action_id = ask.id if number == 0 else f"{ask.id}.{number}"
        note = {"note": ask.note} if ask.note and number == 0 else {}
        try:
            answer = await perform(
                client,
                database,
                journey=found.journey,
                name=name,
                data={**data, **note},
                actor=actor_of(ask),
                action_id=action_id,
                deadline=deadline,
            )
        except ActionRefused as refused:
            if number and refused.kind not in MOVING:
                reason = f"only the first part of it could be done. {name}: {refused}"
                await _before_a_person(database, temporal, ask, found, reason, deadline)
            else:
                if not number:  # nothing of it was done
                    await inbound.keep_decided(database, ask.id, None)
                await _refused(database, ask, found, refused, name)
            return
        except NotConfirmed:
            await inbound.try_later(database, ask.id, pause(ask.attempts), "the journey has not confirmed it yet")
            return
    result = answer.model_dump(mode="json") if answer else {}
    await deeds.after(database, ask, found, result)
    await inbound.settle(database, ask.id, "done", journey=found.journey, result=result)


async def _before_a_person(
    database: Database, temporal: Temporal, ask: AskRow, found: Found, reason: str, deadline: timedelta
) -> None:
    """The journey gets a task first, so that nothing waits for a person whom nobody tells."""
    try:
        await perform(
            await temporal.client(),
            database,
            journey=found.journey,
            name="note_message",
            data={"message": ask.id, "about": ask.name},
            actor=actor_of(ask),
            action_id=f"{ask.id}.noted",
            deadline=deadline,
        )
    except NotConfirmed:
        await inbound.try_later(database, ask.id, pause(ask.attempts), "the journey has not confirmed it yet")
        return
    except ActionRefused as refused:
        if refused.kind in MOVING:
            await inbound.try_later(database, ask.id, 0.5, str(refused))
            return
        # The journey takes no task any more, closed meanwhile perhaps: as if none had it, so that the team is told.
        reason = f"{reason}; journey {found.journey} takes no task of it: {refused}"
        await inbound.settle(database, ask.id, "quarantined", code="business-rule", reason=reason, of_no_journey=True)
        return
    await inbound.settle(database, ask.id, "quarantined", journey=found.journey, code="business-rule", reason=reason)


async def _refused(database: Database, ask: AskRow, found: Found, refused: ActionRefused, name: str) -> None:
    if refused.kind in MOVING:
        await inbound.try_later(database, ask.id, 0.5, str(refused))
        return
    await inbound.settle(
        database, ask.id, "refused", journey=found.journey, code=refused.kind, reason=f"{name}: {refused}"
    )


def actor_of(ask: AskRow) -> Actor:
    """Who acts: a person or a patient as themselves, a system through Continuum and on its own behalf."""
    if ask.actor is not None:
        return Actor.model_validate(ask.actor)
    kind, _, id_ = (ask.sender or "").partition(":")
    if kind == "client":
        return Actor(person="continuum", role="system", tenant=ask.tenant, on_behalf_of=id_)
    return system(ask.tenant)


def pause(attempts: int) -> float:
    """Seconds until the next attempt."""
    return float(min(LONGEST_PAUSE, 2 ** min(attempts, 12)))
