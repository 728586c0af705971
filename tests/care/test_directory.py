"""Who is told what: absences, delegates, the rota, queues and supervisors, at any moment and in any directory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from care.directory import (
    Absence,
    ClinicEntry,
    Directory,
    Duty,
    Nobody,
    Person,
    Queue,
    changes,
    problems,
    resolve,
)
from care.directory.check import NEEDED

START = datetime(2027, 1, 4, 8, tzinfo=UTC)
WEEK = ((({"opens": "08:00", "closes": "18:00"}),),) * 5 + ((), ())


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def clinic(id_: str = "main", lead: str = "p-lead") -> ClinicEntry:
    return ClinicEntry.model_validate(
        {"tenant": "t", "id": id_, "name": id_, "lead": lead, "timezone": "Asia/Dubai", "country": "AE", "week": WEEK}
    )


def person(id_: str) -> Person:
    return Person(id=id_, name=id_.title(), email=f"{id_}@clinic.example")


def queue(id_: str, supervisor: str | None = "p-boss", at_clinic: str | None = None) -> Queue:
    mailbox = f"{id_}@{at_clinic or 'all'}.example"
    return Queue(id=id_, clinic=at_clinic, name=id_, mailbox=mailbox, supervisor=supervisor)


def directory(**more: Any) -> Directory:
    """A clinic with a lead, a boss and p-0 to p-4."""
    people = tuple(person(p) for p in ("p-lead", "p-boss", *(f"p-{n}" for n in range(5))))
    whole: dict[str, Any] = {"clinics": (clinic(),), "people": people, "queues": tuple(queue(q) for q in NEEDED)}
    return Directory(**{**whole, **more})


def away(who: str, begins: float, ends: float | None, delegate: str | None = None) -> Absence:
    return Absence(person=who, begins=at(begins), ends=None if ends is None else at(ends), delegate=delegate)


def told(found: Directory, audience: str, hours: float = 0, *, at_clinic: str | None = None) -> tuple[str, str]:
    answer = resolve(found, audience, at(hours), clinic=at_clinic)
    return answer.id, answer.why


def errors(found: Directory) -> list[tuple[str, str]]:
    return [(p.where, p.what) for p in problems(found) if p.level == "error"]


def warnings(found: Directory) -> list[str]:
    return [p.what for p in problems(found) if p.level == "warning"]


class TestAPerson:
    def test_who_is_there_is_told(self) -> None:
        assert told(directory(), "person:p-1") == ("person:p-1", "named")

    def test_the_chain_of_delegates_is_followed_to_the_first_who_is_there(self) -> None:
        found = directory(absences=(away("p-1", 0, 24, "p-2"), away("p-2", 6, 12, "p-3")))
        assert told(found, "person:p-1", 1) == ("person:p-2", "named; delegate of p-1")
        assert told(found, "person:p-1", 7)[0] == "person:p-3"
        assert told(found, "person:p-1", 12)[0] == "person:p-2", "an end does not count any more"

    def test_an_absence_begins_at_its_first_moment(self) -> None:
        found = directory(absences=(away("p-1", 0, 24, "p-2"),))
        assert told(found, "person:p-1", -0.001)[0] == "person:p-1"
        assert told(found, "person:p-1", 0)[0] == "person:p-2"
        assert told(found, "person:p-1", 24)[0] == "person:p-1"

    def test_an_absence_without_an_end_lasts(self) -> None:
        assert told(directory(absences=(away("p-1", 0, None, "p-2"),)), "person:p-1", 90_000)[0] == "person:p-2"

    def test_where_nobody_is_left_it_is_the_clinics_lead(self) -> None:
        found = directory(absences=(away("p-1", 0, 24),))
        assert told(found, "person:p-1", 1) == (
            "person:p-lead",
            "named; p-1 is away and nobody stands in: the clinic's lead",
        )

    def test_an_unknown_person_is_not_a_message_lost(self) -> None:
        assert told(directory(), "person:p-gone") == (
            "person:p-lead",
            "p-gone is not in the directory: the clinic's lead",
        )

    def test_a_lead_who_is_away_is_stood_in_for_and_without_anybody_told_all_the_same(self) -> None:
        stood_in_for = directory(absences=(away("p-lead", 0, 24, "p-4"), away("p-1", 0, 24)))
        assert told(stood_in_for, "person:p-1", 1)[0] == "person:p-4"
        alone = directory(absences=(away("p-lead", 0, 24),))
        assert told(alone, "person:p-lead", 1)[0] == "person:p-lead"
        assert told(alone, "person:p-lead", 1)[1].endswith("although away")

    def test_a_circle_of_delegates_ends_with_the_lead(self) -> None:
        found = directory(absences=(away("p-1", 0, 24, "p-2"), away("p-2", 0, 24, "p-1")))
        assert told(found, "person:p-1", 1)[0] == "person:p-lead"


class TestAQueue:
    def test_it_is_its_mailbox(self) -> None:
        answer = resolve(directory(), "queue:triage", START)
        assert (answer.id, answer.email) == ("queue:triage", "triage@all.example")

    def test_a_clinics_own_team_comes_before_the_one_for_all(self) -> None:
        queues = (*(queue(q) for q in NEEDED), queue("triage", "p-1", "north"))
        found = directory(clinics=(clinic(), clinic("north", "p-2")), queues=queues)
        assert resolve(found, "queue:triage", START, clinic="north").email == "triage@north.example"
        assert resolve(found, "queue:triage", START, clinic="main").email == "triage@all.example"
        assert resolve(found, "queue:triage", START).email == "triage@all.example", "the first clinic is the default"
        assert told(found, "supervisor:triage", at_clinic="north")[0] == "person:p-1"
        assert told(found, "person:p-gone", at_clinic="north")[0] == "person:p-2", "each clinic has its own lead"

    def test_its_supervisor_or_whoever_stands_in(self) -> None:
        found = directory(absences=(away("p-boss", 0, 24, "p-3"),))
        assert told(found, "supervisor:triage", -1) == ("person:p-boss", "supervisor of triage")
        assert told(found, "supervisor:triage", 1) == ("person:p-3", "supervisor of triage; delegate of p-boss")

    @pytest.mark.parametrize("audience", ["queue:nowhere", "supervisor:nowhere", "nonsense", "patient", ""])
    def test_what_is_not_there_goes_to_the_lead(self, audience: str) -> None:
        assert told(directory(), audience)[0] == "person:p-lead"


class TestOnCall:
    ROTA = (
        Duty(person="p-1", begins=at(0), ends=at(12)),
        Duty(person="p-2", begins=at(12), ends=at(24)),
        Duty(person="p-3", begins=at(6), ends=at(8), clinic="main"),
    )

    @pytest.mark.parametrize(
        ("hours", "who"),
        [(0, "p-1"), (6, "p-3"), (8, "p-1"), (11.99, "p-1"), (12, "p-2"), (23.99, "p-2")],
    )
    def test_whoever_is_on_duty_is_told(self, hours: float, who: str) -> None:
        assert told(directory(on_call=self.ROTA), "queue:on_call", hours) == (f"person:{who}", "on call")

    @pytest.mark.parametrize("hours", [-0.01, 24])
    def test_with_nobody_on_duty_it_is_the_mailbox(self, hours: float) -> None:
        assert told(directory(on_call=self.ROTA), "queue:on_call", hours)[0] == "queue:on_call"

    def test_another_queue_has_no_rota(self) -> None:
        assert told(directory(on_call=self.ROTA), "queue:triage", 1)[0] == "queue:triage"

    def test_one_on_duty_who_is_away_is_stood_in_for_else_it_is_the_mailbox(self) -> None:
        found = directory(on_call=self.ROTA, absences=(away("p-1", 0, 6, "p-4"), away("p-2", 12, 24)))
        assert told(found, "queue:on_call", 1) == ("person:p-4", "on call; delegate of p-1")
        assert told(found, "queue:on_call", 13)[0] == "queue:on_call"


def test_without_a_clinic_there_is_nobody() -> None:
    with pytest.raises(Nobody):
        resolve(Directory(), "person:p-1", START)


class TestMistakes:
    def test_a_directory_that_holds_together_has_none(self) -> None:
        assert problems(directory()) == ()

    @pytest.mark.parametrize(
        ("more", "where", "word"),
        [
            ({"clinics": ()}, "clinics", "at least one clinic"),
            ({"clinics": (clinic(lead="p-gone"),)}, "clinics[0].lead", "p-gone is not among the people"),
            ({"clinics": (clinic().model_copy(update={"week": ((),) * 7}),)}, "clinics[0].hours", "never opens"),
            ({"clinics": (clinic().model_copy(update={"timezone": "Dubai"}),)}, "clinics[0].timezone", "no time zone"),
            ({"clinics": (clinic(), clinic())}, "clinics[1]", "main is there twice"),
            ({"queues": tuple(queue(q) for q in NEEDED[1:])}, "queues", f"no queue {NEEDED[0]}"),
            ({"queues": tuple(queue(q, None) for q in NEEDED)}, "queues[0].supervisor", "has no supervisor"),
            ({"queues": tuple(queue(q, "p-gone") for q in NEEDED)}, "queues[0].supervisor", "p-gone is not among"),
            ({"queues": tuple(queue(q, at_clinic="far") for q in NEEDED)}, "queues[0].clinic", "not among the clinics"),
            ({"absences": (away("p-gone", 0, 1),)}, "absences[0].person", "p-gone is not among the people"),
            ({"absences": (away("p-1", 0, 1, "p-gone"),)}, "absences[0].delegate", "p-gone is not among the people"),
            ({"absences": (away("p-1", 0, 9, "p-1"),)}, "absences[0].delegate", "in a circle"),
            ({"absences": (away("p-1", 0, 9, "p-2"), away("p-1", 5, 12, "p-3"))}, "absences[1]", "away twice"),
            ({"on_call": (Duty(person="p-gone", begins=START, ends=at(1)),)}, "on_call[0].person", "p-gone is not"),
        ],
    )
    def test_each_says_where_and_what(self, more: dict[str, Any], where: str, word: str) -> None:
        found = errors(directory(**more))
        assert any(place == where and word in what for place, what in found), found

    @pytest.mark.parametrize(
        "address", ["", "desk", "a b@c.example", "a@b@c", "a@b\nBcc: x@y.example", "<a@b.example>"]
    )
    def test_an_address_is_one_address(self, address: str) -> None:
        people = (*directory().people, Person(id="p-9", name="Nine", email=address))
        assert errors(directory(people=people)) == [
            ("people[7].email", "this is no mail address; name@place is wanted")
        ]

    def test_a_circle_is_found_where_it_closes_later(self) -> None:
        """Nobody goes in a circle at first; from hour 5 to 9 both are away, and each names the other."""
        found = directory(absences=(away("p-1", 0, 9, "p-2"), away("p-2", 5, 20, "p-1")))
        assert all("circle" in what for _, what in errors(found))
        assert {where for where, _ in errors(found)} == {"absences[0].delegate", "absences[1].delegate"}

    def test_two_who_stand_in_for_one_another_at_different_times_are_no_circle(self) -> None:
        assert errors(directory(absences=(away("p-1", 0, 5, "p-2"), away("p-2", 5, 9, "p-1")))) == []

    def test_nobody_standing_in_is_a_warning(self) -> None:
        assert "nobody stands in for p-1" in warnings(directory(absences=(away("p-1", 0, 5),)))[0]

    def test_a_gap_on_call_is_a_warning(self) -> None:
        first, last = Duty(person="p-1", begins=at(0), ends=at(5)), Duty(person="p-2", begins=at(6), ends=at(9))
        assert "nobody is on call from" in warnings(directory(on_call=(last, first)))[0]
        joined = Duty(person="p-3", begins=at(5), ends=at(6))
        assert warnings(directory(on_call=(last, first, joined))) == []


class TestChanges:
    def test_none_between_a_directory_and_itself_in_another_order(self) -> None:
        found = directory(absences=(away("p-1", 0, 1), away("p-2", 0, 1)))
        turned = found.model_copy(update={p: getattr(found, p)[::-1] for p in ("people", "queues", "absences")})
        assert changes(found, turned) == ()

    def test_they_say_ids_and_fields_and_no_value(self) -> None:
        before, people = directory(), directory().people
        renamed = people[0].model_copy(update={"name": "Zq Secret", "email": "zq@secret.example"})
        made = changes(before, directory(people=(renamed, *people[2:], person("p-new"))))
        assert {(c.what, c.id, c.fields) for c in made} == {
            ("changed", "p-lead", ("name", "email")),
            ("added", "p-new", ()),
            ("removed", "p-boss", ()),
        }
        assert "ecret" not in str(made)

    def test_another_default_clinic_is_a_change(self) -> None:
        two = (clinic(), clinic("north"))
        assert [c.fields for c in changes(directory(clinics=two), directory(clinics=two[::-1]))] == [("default",)]


HOURS = st.integers(0, 40)
PEOPLE = st.sampled_from([p.id for p in directory().people])


@st.composite
def absences(draw: st.DrawFn, *, tidy: bool = True) -> tuple[Absence, ...]:
    """Of people who may name anybody; `tidy`: nobody is away twice at one time."""
    found: list[Absence] = []
    for _ in range(draw(st.integers(0, 7))):
        begins = draw(HOURS)
        ends = draw(st.none() | st.integers(begins + 1, 41))
        new = away(draw(PEOPLE), begins, ends, draw(st.none() | PEOPLE))
        if not tidy or not any(other.person == new.person and other.overlaps(new) for other in found):
            found.append(new)
    return tuple(found)


@st.composite
def rotas(draw: st.DrawFn) -> tuple[Duty, ...]:
    found: list[Duty] = []
    for _ in range(draw(st.integers(0, 5))):
        begins = draw(HOURS)
        ends, where = at(draw(st.integers(begins + 1, 41))), draw(st.sampled_from([None, "main", "north"]))
        found.append(Duty(person=draw(PEOPLE), begins=at(begins), ends=ends, clinic=where))
    return tuple(found)


AUDIENCES = st.sampled_from(
    [*(f"person:{p.id}" for p in directory().people), *(f"{k}:{q}" for k in ("queue", "supervisor") for q in NEEDED)]
)


@given(absences(), rotas(), AUDIENCES, HOURS, st.sampled_from([None, "main", "north", "gone"]))
def test_somebody_with_an_address_is_told_and_nobody_who_is_away_but_the_lead_of_last_resort(
    away_: tuple[Absence, ...], rota: tuple[Duty, ...], audience: str, hour: int, where: str | None
) -> None:
    """Of every directory that holds together."""
    found = directory(clinics=(clinic(), clinic("north", "p-4")), absences=away_, on_call=rota)
    assume(not errors(found))
    answer = resolve(found, audience, at(hour), clinic=where)
    assert answer.email is not None
    kind, _, id_ = answer.id.partition(":")
    if kind == "queue":
        assert audience == answer.id
    elif found.absence(id_, at(hour)) is not None:
        here = found.clinic(where)
        assert here is not None
        assert id_ == here.lead
        assert "although away" in answer.why


@given(absences(tidy=False), AUDIENCES, HOURS)
def test_it_answers_also_where_the_directory_is_wrong(away_: tuple[Absence, ...], audience: str, hour: int) -> None:
    """Circles and overlaps included: a message is never lost for a mistake in the directory."""
    found = directory(absences=away_)
    answer = resolve(found, audience, at(hour))
    assert answer.email is not None
    assert answer == resolve(found.model_copy(update={"absences": away_[::-1]}), audience, at(hour))


@given(absences(), HOURS)
def test_what_passes_the_check_never_goes_in_a_circle(away_: tuple[Absence, ...], hour: int) -> None:
    found = directory(absences=away_)
    assume(not errors(found))
    for start in found.people:
        asked, who = set(), start.id
        while (absence := found.absence(who, at(hour))) is not None and absence.delegate is not None:
            assert who not in asked
            asked.add(who)
            who = absence.delegate


@given(absences(), rotas(), absences(), rotas())
def test_changes_are_none_only_between_equals(
    a: tuple[Absence, ...], rota_a: tuple[Duty, ...], b: tuple[Absence, ...], rota_b: tuple[Duty, ...]
) -> None:
    r, s = ({(d.person, d.begins, d.clinic): d for d in rota} for rota in (rota_a, rota_b))
    one, two = (directory(absences=away_, on_call=tuple(rota.values())) for away_, rota in ((a, r), (b, s)))
    same = set(a) == set(b) and r == s
    assert (changes(one, two) == ()) == same
