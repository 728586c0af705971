"""Vignettes come as their authors expect, played through the real journey; and a wrong expectation is told.

A tenth of every fourth file is played here, and all of these that go on to the end; `CONTINUUM_LONG_TESTS=1` plays all
of all, as `continuum pathways test` does. The rules of all are tried in `tests/care` in any case.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from continuum.vignettes import playing
from continuum.vignettes.clinic import Clinics
from pathways import vignette
from records.database import Database
from tests.conftest import House
from tests.thorough import times

FILES = dict(vignette.files())
ONE_IN = times(10, 1)
PLAYED = list(FILES)[:: times(4, 1)]


def chosen(scripts: list[playing.Script]) -> list[playing.Script]:
    """Those of a file that are played here."""
    return [one for one in scripts if one.vignette.to_the_end or one.n % ONE_IN == 0]


@pytest.fixture(scope="session")
async def theatre(house: House) -> AsyncIterator[playing.Stage]:
    """The session's house as a stage for vignettes."""
    owner = await Database.open(house.stack.dsn("owner"), size=1)
    yield playing.Stage(house.client, house.database, Clinics(owner, datetime.now(UTC)))
    await owner.close()


async def played(theatre: playing.Stage, scripts: list[playing.Script]) -> list[str]:
    outcomes = await theatre.play_all(scripts)
    return [line for outcome in outcomes for line in outcome.lines()]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PLAYED)
async def test_vignettes_come_as_expected(theatre: playing.Stage, name: str) -> None:
    file = vignette.read_vignettes(FILES[name], name=name)
    assert await played(theatre, chosen(playing.scripts(file))) == []


WRONG = """
pathway: low_back_pain
vignettes:
- id: wrong_at_intake
  title: Nothing of this comes
  basis: by_authors
  referral: {codes: [{system: icd-10, code: M54.5}], age: 45}
  expect:
    flags: {ces: E1}
    pathway: null
    priority: P9
    first_visit_days: 99
    booked: false
    stage: FollowUp
    outcome: completed
- id: wrong_later
  title: Nothing of this comes either
  basis: by_authors
  referral: {codes: [{system: icd-10, code: M54.5}], age: 45}
  course:
  - day: 1
    evaluate: {odi: 44, nprs: 7, psfs: 3, start_back: medium}
    expect:
      plan: {medium_risk: 99}
  - day: 8
    visit: attended
    scores: {nprs: 6}
    expect:
      recommend: discharge
      gate: {phase: 1, opens: true}
      follow_up: call
  - day: 9
    follow_up: {nprs: 6}
  expect: {}
"""


async def test_each_wrong_expectation_is_told_with_its_line(theatre: playing.Stage, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(WRONG, encoding="utf-8")
    told = await played(theatre, playing.scripts(vignette.read_vignettes(tmp_path / "wrong.yaml")))
    line = {text.strip(): n for n, text in enumerate(WRONG.splitlines(), 1)}
    for wanted in (
        f"{line['flags: {ces: E1}']}: wrong_at_intake: at the end: flags: expected ces E1; found none",
        f"{line['pathway: null']}: wrong_at_intake: after matching: pathway: expected none; found low_back_pain",
        f"{line['first_visit_days: 99']}: wrong_at_intake: after intake: first_visit_days: expected 99; found ",
        f"{line['priority: P9']}: wrong_at_intake: after intake: priority: expected P9; found P",
        f"{line['booked: false']}: wrong_at_intake: after intake: booked: expected no; found yes",
        f"{line['stage: FollowUp']}: wrong_at_intake: at the end: stage: expected FollowUp; found Therapy",
        f"{line['outcome: completed']}: wrong_at_intake: at the end: outcome: expected completed; found none",
        f"{line['plan: {medium_risk: 99}']}: wrong_later: day 1 (evaluate): plan: expected medium_risk 99; found medi",
        f"{line['recommend: discharge']}: wrong_later: day 8 (visit): recommend: expected discharge; found continue",
        f"{line['gate: {phase: 1, opens: true}']}: wrong_later: day 8 (visit): gate: expected phase 1, opens yes; f",
        f"{line['follow_up: call']}: wrong_later: day 8 (visit): follow_up: expected call; found none",
        f"{line['- day: 9']}: wrong_later: day 9 (follow up): done: expected that it can be done; found a refusal: ",
    ):
        assert any(one.startswith(f"wrong.yaml:{wanted}") for one in told), (wanted, told)
    assert len(told) == 12
