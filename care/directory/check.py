"""What is wrong with a directory as a whole. One without an error tells somebody, whoever is to be told."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo

from care.directory.changes import PARTS, key, label
from care.directory.model import LONGEST_EMAIL, Absence, Directory, Duty
from care.model import Model
from care.task import TASKS

NEEDED = tuple(sorted({rule.owner for rule in TASKS.values()}))
"""The queues that the table of tasks names: each clinic needs a team behind every one of them."""

_EMAIL = re.compile(r"[^\s@<>()\[\],;:\"\\]+@[^\s@<>()\[\],;:\"\\]+")


class Problem(Model):
    """One thing, and where in the directory: `queues[2].supervisor`. A warning keeps nobody from working."""

    level: Literal["error", "warning"]
    where: str
    what: str


def problems(directory: Directory) -> tuple[Problem, ...]:
    """All that is wrong, errors first. An empty answer, or one of warnings alone: fit for use."""
    found = [
        *_twice(directory),
        *_clinics(directory),
        *_people(directory),
        *_queues(directory),
        *_absences(directory),
        *_rota(directory),
    ]
    return tuple(sorted(found, key=lambda p: p.level))


def _error(where: str, what: str) -> Problem:
    return Problem(level="error", where=where, what=what)


def _warning(where: str, what: str) -> Problem:
    return Problem(level="warning", where=where, what=what)


def _twice(directory: Directory) -> Iterator[Problem]:
    for part in PARTS:
        seen: Counter[Any] = Counter()
        for n, entry in enumerate(getattr(directory, part)):
            seen[key(entry)] += 1
            if seen[key(entry)] == 2:
                yield _error(f"{part}[{n}]", f"{label(entry)} is there twice; keep one of them")


def _known(directory: Directory, where: str, person: str | None) -> Iterator[Problem]:
    if person is not None and directory.person(person) is None:
        there = ", ".join(sorted(p.id for p in directory.people)) or "nobody"
        yield _error(where, f"{person} is not among the people; there are: {there}")


def _known_clinic(directory: Directory, where: str, clinic: str | None) -> Iterator[Problem]:
    if clinic is not None and clinic not in {c.id for c in directory.clinics}:
        there = ", ".join(c.id for c in directory.clinics) or "none"
        yield _error(where, f"{clinic} is not among the clinics; there are: {there}")


def _address(where: str, email: str | None) -> Iterator[Problem]:
    if email is None:
        yield _error(where, "an address is wanted: nobody is told anything without one")
    elif len(email) > LONGEST_EMAIL or not _EMAIL.fullmatch(email):
        yield _error(where, "this is no mail address; name@place is wanted")


def _clinics(directory: Directory) -> Iterator[Problem]:
    if not directory.clinics:
        yield _error("clinics", "at least one clinic is wanted")
    for n, clinic in enumerate(directory.clinics):
        yield from _known(directory, f"clinics[{n}].lead", clinic.lead)
        if not any(clinic.week):
            yield _error(f"clinics[{n}].hours", f"{clinic.id} never opens: no deadline of it would come")
        try:
            ZoneInfo(clinic.timezone)
        except (ValueError, OSError, LookupError):
            yield _error(f"clinics[{n}].timezone", "this is no time zone; one like Europe/Paris is wanted")
        for queue in NEEDED:
            if directory.queue(queue, clinic.id) is None:
                yield _error(
                    "queues", f"clinic {clinic.id} has no queue {queue}; tasks are owed by: {', '.join(NEEDED)}"
                )


def _people(directory: Directory) -> Iterator[Problem]:
    for n, person in enumerate(directory.people):
        yield from _address(f"people[{n}].email", person.email)


def _queues(directory: Directory) -> Iterator[Problem]:
    for n, queue in enumerate(directory.queues):
        yield from _known_clinic(directory, f"queues[{n}].clinic", queue.clinic)
        yield from _address(f"queues[{n}].mailbox", queue.mailbox)
        if queue.supervisor is None:
            yield _error(f"queues[{n}].supervisor", f"queue {queue.id} has no supervisor: a named person is wanted")
        yield from _known(directory, f"queues[{n}].supervisor", queue.supervisor)
        for m, member in enumerate(queue.members):
            yield from _known(directory, f"queues[{n}].members[{m}]", member)


def _absences(directory: Directory) -> Iterator[Problem]:
    for n, absence in enumerate(directory.absences):
        where = f"absences[{n}]"
        yield from _known(directory, f"{where}.person", absence.person)
        yield from _known(directory, f"{where}.delegate", absence.delegate)
        for other in directory.absences[:n]:
            if other.person == absence.person and key(other) != key(absence) and other.overlaps(absence):
                yield _error(where, f"{absence.person} is away twice at one time; the other begins {other.begins}")
        yield from _stands_in(directory, where, absence)


def _stands_in(directory: Directory, where: str, absence: Absence) -> Iterator[Problem]:
    """Follows the delegates at each moment at which the chain may become another one."""
    begins = {a.begins for a in directory.absences if absence.covers(a.begins)} | {absence.begins}
    ends = {a.ends for a in directory.absences if a.ends is not None and absence.covers(a.ends)}
    found = {(_chain(directory, absence, at)): at for at in sorted(begins | ends, reverse=True)}
    for (people, loops), at in sorted(found.items(), key=lambda f: f[1]):
        if loops:
            chain = " to ".join(people)
            yield _error(f"{where}.delegate", f"the delegates of {absence.person} go in a circle at {at}: {chain}")
        elif people and directory.absence(people[-1], at) is not None:
            yield _warning(where, f"nobody stands in for {absence.person} from {at} on: the clinic's lead is told")


def _chain(directory: Directory, absence: Absence, at: datetime) -> tuple[tuple[str, ...], bool]:
    people = [absence.person]
    away: Absence | None = absence
    while away is not None and away.delegate is not None:
        if away.delegate in people:
            return (*people, away.delegate), True
        people.append(away.delegate)
        away = directory.absence(away.delegate, at)
    return tuple(people), False


def _rota(directory: Directory) -> Iterator[Problem]:
    for n, duty in enumerate(directory.on_call):
        yield from _known(directory, f"on_call[{n}].person", duty.person)
        yield from _known_clinic(directory, f"on_call[{n}].clinic", duty.clinic)
        for other in directory.on_call[:n]:
            if other.clinic == duty.clinic and key(other) != key(duty) and other.overlaps(duty):
                yield _warning(f"on_call[{n}]", f"{other.person} is on call at that time too; the later turn counts")
    for clinic in sorted({d.clinic or "" for d in directory.on_call}):
        yield from _gaps([d for d in directory.on_call if (d.clinic or "") == clinic])


def _gaps(rota: list[Duty]) -> Iterator[Problem]:
    covered = sorted(rota, key=lambda d: d.begins)
    until = covered[0].ends
    for _, duty in pairwise(covered):
        if duty.begins - until > timedelta(0):
            yield _warning("on_call", f"nobody is on call from {until} to {duty.begins}: the queue's mailbox is told")
        until = max(until, duty.ends)
