"""From an audience to the one person or mailbox that is told, and why it is that one."""

from __future__ import annotations

from datetime import datetime

from care.directory.model import ON_CALL, ClinicEntry, Directory, Person, Queue
from care.model import Model
from care.notice import Audience


class Nobody(LookupError):  # noqa: N818 - what was found
    """This tenant has no clinic, and so nobody who answers for anything."""


class Resolved(Model):
    """Exactly one person or mailbox."""

    id: str
    """`person:ID` or `queue:NAME`."""
    name: str
    email: str | None
    """None where the directory has no address for them."""
    language: str = "en"
    why: str
    """In words, with ids only."""


def resolve(directory: Directory, audience: Audience, at: datetime, *, clinic: str | None = None) -> Resolved:
    """Who is told, at this care time, for a journey of this clinic (None: the tenant's default).

    `person:ID` is that person, or whoever stands in for them; `queue:NAME` is its team's mailbox, and for
    `queue:on_call` the person on duty; `supervisor:NAME` is that queue's supervisor, or whoever stands in. Where
    nobody is left, or the id is not known, it is the clinic's named lead: also one who is away, as the last resort.

    Raises Nobody where the directory has no clinic.
    """
    here = directory.clinic(clinic)
    if here is None:
        raise Nobody("this tenant has no clinic")
    kind, _, name = audience.partition(":")
    if kind == "person":
        return _person(directory, here, name, at, why="named")
    queue = directory.queue(name, here.id)
    if queue is None or kind not in ("queue", "supervisor"):
        return _lead(directory, here, at, why=f"{audience} is not in the directory")
    if kind == "supervisor":
        if queue.supervisor is None:
            return _lead(directory, here, at, why=f"queue {name} has no supervisor")
        return _person(directory, here, queue.supervisor, at, why=f"supervisor of {name}")
    return (_on_duty(directory, here, at) if name == ON_CALL else None) or _mailbox(queue)


def stands_in_for(directory: Directory, person: str, at: datetime) -> tuple[str, ...]:
    """Those who are away at that care time and whose messages come to this person instead, at any clinic."""
    mine = f"person:{person}"
    return tuple(
        sorted(
            other.id
            for other in directory.people
            if other.id != person
            and any(resolve(directory, f"person:{other.id}", at, clinic=c.id).id == mine for c in directory.clinics)
        )
    )


def _person(directory: Directory, clinic: ClinicEntry, person: str, at: datetime, *, why: str) -> Resolved:
    found = _present(directory, person, at)
    if found is not None:
        return _named(found, why if found.id == person else f"{why}; delegate of {person}")
    if directory.person(person) is None:
        return _lead(directory, clinic, at, why=f"{person} is not in the directory")
    return _lead(directory, clinic, at, why=f"{why}; {person} is away and nobody stands in")


def _present(directory: Directory, person: str, at: datetime) -> Person | None:
    """The person, or the first along the chain of delegates who is there; None where the chain ends or bites itself."""
    asked: set[str] = set()
    while person not in asked:
        asked.add(person)
        found = directory.person(person)
        away = directory.absence(person, at)
        if found is None or away is None:
            return found
        if away.delegate is None:
            return None
        person = away.delegate
    return None


def _lead(directory: Directory, clinic: ClinicEntry, at: datetime, *, why: str) -> Resolved:
    """The end of every way. Who stands in for a lead who is away comes before the lead."""
    found = _present(directory, clinic.lead, at)
    if found is not None:
        stands_in = "" if found.id == clinic.lead else f", by delegate of {clinic.lead}"
        return _named(found, f"{why}: the clinic's lead{stands_in}")
    last = directory.person(clinic.lead) or Person(id=clinic.lead, name=clinic.lead, email=None)
    return _named(last, f"{why}: the clinic's lead, although away")


def _on_duty(directory: Directory, clinic: ClinicEntry, at: datetime) -> Resolved | None:
    duty = directory.duty(clinic.id, at)
    found = _present(directory, duty.person, at) if duty else None
    if duty is None or found is None:
        return None
    return _named(found, "on call" if found.id == duty.person else f"on call; delegate of {duty.person}")


def _named(person: Person, why: str) -> Resolved:
    return Resolved(id=f"person:{person.id}", name=person.name, email=person.email, language=person.language, why=why)


def _mailbox(queue: Queue) -> Resolved:
    return Resolved(id=f"queue:{queue.id}", name=queue.name, email=queue.mailbox, why="mailbox of the queue")
