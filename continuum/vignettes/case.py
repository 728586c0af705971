"""Plays one vignette: the referral, everybody's acts day by day, and what came of it against what was expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from care.journey import Stage
from continuum.vignettes import findings
from continuum.vignettes.deeds import Deeds
from continuum.vignettes.letters import letter
from continuum.vignettes.looking import Look, pathway_of
from continuum.vignettes.people import CARE, VISIT_HOURS, People
from continuum.vignettes.the_end import play_on
from gateway.acting import ActionRefused
from pathways.vignette import Expected, Step, Vignette, said

AFTER_INTAKE = ("pathway", "candidates", "asked", "priority", "first_visit_days", "booked")
"""What a vignette as a whole expects is looked at when it is known: these after the intake, the rest at the end."""
AFTER_CARE = ("follow_up", "call")
AT_THE_END = ("stage", "outcome", "flags")


@dataclass(frozen=True)
class Difference:
    """Something that did not come as expected."""

    place: tuple[int | str, ...]
    """Where in the vignette the expectation stands."""
    when: str
    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.when}: {self.what}: expected {self.expected}; found {self.found}"


class Case:
    """One vignette under way."""

    def __init__(self, vignette: Vignette, people: People, *, about: tuple[str, ...]) -> None:
        """`about` are the pathways on which it may take place; where the referral settles none, it is the first."""
        self._vignette = vignette
        self._people = people
        self._player = people.player
        self._about = about
        self._deeds, self._look = Deeds(people, vignette.conditions), Look(people)
        self.differences: list[Difference] = []

    async def play(self) -> list[Difference]:
        """From the referral to the end; what differed."""
        vignette = self._vignette
        try:
            await self._intake()
            for n, step in enumerate(vignette.course):
                await self._step(n, step)
            rest = vignette.expect.model_fields_set - {*AFTER_INTAKE, *AT_THE_END}
            await self._compare(vignette.expect, rest, (), "at the end of the course", since=0)
            if vignette.to_the_end:
                await play_on(self._people)
            elif vignette.expect.stage == Stage.FOLLOW_UP:
                await self._sign_off()
            last = vignette.expect.model_fields_set & set(AT_THE_END)
            await self._compare(vignette.expect, last, (), "at the end", since=0)
        except ActionRefused as refused:
            self._stuck("it", refused)
        finally:
            await self._leave()
        return self.differences

    # --- intake

    async def _intake(self) -> None:
        vignette, player = self._vignette, self._player
        clinic = self._people.clinic
        await player.refer(
            letter(vignette.referral, clinic.calendar.local(clinic.begins).date()),
            source="vignette",
            received_at=clinic.begins,
        )
        suggested = await self._pathway()
        await self._compare(vignette.expect, {"candidates"}, (), "after matching", since=0)
        if "pathway" in vignette.expect.model_fields_set and (vignette.expect.pathway is None or not vignette.choose):
            self._differ("pathway", vignette.expect.pathway, suggested, (), "after matching")
        await self._choose(suggested)
        if "pathway" in vignette.expect.model_fields_set and vignette.expect.pathway is not None and vignette.choose:
            self._differ("pathway", vignette.expect.pathway, await self._pathway(), (), "after the choice")
        await player.act("record_consent", messages=False)  # nobody is reminded of visits: see `sign_off`
        if await self._pathway() is not None:
            await self._screen()
        await self._intake_ends()
        wanted = (vignette.expect.model_fields_set & set(AFTER_INTAKE)) - {"pathway", "candidates"}
        await self._compare(vignette.expect, wanted, (), "after intake", since=0)
        if vignette.course:
            await self._people.clear_flags()
            await self._intake_ends()
            if await self._people.stage() == Stage.REFERRAL:
                await self._people.accept()

    async def _intake_ends(self) -> None:
        """Wait for the next stage where nothing is missing any more."""
        if await self._people.stage() == Stage.INTAKE and any(
            row["kind"] == "intake_complete" for row in await self._player.journal()
        ):
            await self._player.until_stage(Stage.REFERRAL)

    async def _choose(self, suggested: str | None) -> None:
        """The coordinator chooses, or says of the one that was suggested how long it has been going on.

        Nobody chooses for a vignette that is about the matching itself.
        """
        vignette = self._vignette
        settled = suggested in self._about or "pathway" in vignette.expect.model_fields_set
        chosen = vignette.choose or (suggested if settled else self._about[0])
        days = vignette.referral.days_since_onset
        if chosen is not None and (chosen != suggested or days is not None):
            await self._player.act("choose_pathway", pathway=chosen, days_since_onset=days)

    async def _screen(self) -> None:
        """All that the vignette says was asked; what the physician's words hint at has an answer of its own."""
        others_absent = self._vignette.rest == "absent"
        hinted = findings.hinted(await self._player.journal()) if others_absent else ()
        answers = {**dict.fromkeys(hinted, False), **said(self._vignette.screen)}
        await self._player.act("screen", "therapist", answers=answers, others_absent=others_absent)

    async def _pathway(self) -> str | None:
        return pathway_of(await self._player.state())

    # --- the course

    async def _step(self, n: int, step: Step) -> None:
        people = self._people
        before = int((await self._player.state())["seq"])
        when = f"day {step.day} ({step.deed.replace('_', ' ')})"
        try:
            await people.do_what_is_owed()
            if step.deed in AFTER_CARE:
                await self._sign_off()
            else:
                await people.clear_flags()
            await self._deeds.do(step)
            await people.arrive()
            await self._book_ahead(n)
        except ActionRefused as refused:
            self._stuck(when, refused, ("course", n))
            raise
        if step.expect is not None:
            if step.expect.stage == Stage.FOLLOW_UP:
                await self._sign_off()
            place = ("course", n)
            await self._compare(step.expect, step.expect.model_fields_set, place, when, since=before)

    async def _sign_off(self) -> None:
        """What comes next is after the discharge: its summary does not stand in the way."""
        if await self._people.stage() == Stage.DISCHARGE:
            await self._people.sign_off()

    async def _book_ahead(self, n: int) -> None:
        """Where the course of care goes on, the next visit is booked at once."""
        if await self._people.stage() not in CARE:
            return
        steps = [step for step in self._vignette.course[n + 1 :] if step.deed not in AFTER_CARE]
        if steps and steps[0].deed != "surgery":
            visit = next((s for s in steps if s.deed == "visit"), None)
            await self._people.keep_booked(visit.day if visit else steps[-1].day + 1, VISIT_HOURS)

    # --- what came of it

    async def _compare(
        self, expected: Expected, names: set[str], place: tuple[int | str, ...], when: str, *, since: int
    ) -> None:
        names = names & expected.model_fields_set
        if not names:
            return
        found = await self._look.found(expected, names, since)
        for name in sorted(names):
            self._differ(name, _plain(getattr(expected, name)), found[name], place, when)

    def _differ(self, name: str, expected: Any, found: Any, place: tuple[int | str, ...], when: str) -> None:
        if isinstance(expected, list) and isinstance(found, list):
            expected, found = sorted(expected), sorted(found)
        if expected != found:
            where = (*place, "expect", name)
            self.differences.append(Difference(where, when, name, _words(expected), _words(found)))

    def _stuck(self, when: str, refused: ActionRefused, place: tuple[int | str, ...] = ()) -> None:
        if not any(d.what == "done" for d in self.differences):
            self.differences.append(Difference(place, when, "done", "that it can be done", f"a refusal: {refused}"))

    async def _leave(self) -> None:
        """Nobody goes on with this journey: its workflow ends where it is."""
        if self._player.journey and (await self._player.state())["status"] != "closed":
            await self._player.abandon()


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        plain = value.model_dump(mode="json", exclude_none=True)
        if plain.get("missing") is not None:
            plain["missing"] = sorted(plain["missing"])
        return plain
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, dict):
        return dict(sorted(value.items()))
    return str(value) if isinstance(value, Stage) else value


def _words(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{k} {_words(v)}" for k, v in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return str(value)
