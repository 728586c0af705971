"""Every red flag has vignettes: what it finds, what it lets pass, and what it asks for. Here by the rule alone; through
the real journey they are played by `tests/workflows/test_vignettes.py`."""

from __future__ import annotations

from collections import Counter

import pytest

from care.condition import Truth
from care.red_flag import RedFlag
from care.rules.screening import SCREEN, Screening, ScreeningResult
from pathways import vignette
from pathways.loader import library
from pathways.vignette import Vignette, said

FLAGS = library().red_flags
LEVELS = library().urgencies
FILES = [vignette.read_vignettes(path, name=name) for name, path in vignette.files() if name.startswith("red_flags/")]
CASES = [
    pytest.param(FLAGS[file.content.flag], case, id=case.id)
    for file in FILES
    if file.content.flag is not None
    for case in file.content.vignettes
]


def screened(flag: RedFlag, case: Vignette) -> ScreeningResult:
    """The one red flag against the answers of a vignette, the others absent where it says so."""
    rest: dict[str, Truth] = {s.id: False for s in flag.signs} if case.rest == "absent" else {}
    facts = {"age": case.referral.age} | ({"sex": case.referral.sex} if case.referral.sex else {})
    return SCREEN.apply(Screening(flags=(flag,), answers={**rest, **said(case.screen)}, facts=facts, levels=LEVELS))[0]


@pytest.mark.parametrize(("flag", "case"), CASES)
def test_it_comes_as_the_vignette_says(flag: RedFlag, case: Vignette) -> None:
    result = screened(flag, case)
    wanted = (case.expect.flags or {}).get(flag.id)
    assert [f.urgency for f in result.findings] == ([wanted] if wanted else [])
    own = {s.id for s in flag.signs}
    assert set(result.ask("E0", "E1", "E2", "E3")) == set(case.expect.asked or ()) & own


@pytest.mark.parametrize(("flag", "case"), [c for c in CASES if "_positive" in str(c.id)])
def test_nothing_urgent_is_found_without_somebody_told_and_booking_held(flag: RedFlag, case: Vignette) -> None:
    for finding in screened(flag, case).findings:
        if finding.urgency in ("E0", "E1"):
            assert finding.held != "nothing"
            assert "on_call" in finding.tell
            assert finding.working_days == 0
            assert case.expect.booked is False
        assert finding.action.strip()


@pytest.mark.parametrize("flag", FLAGS.values(), ids=FLAGS)
def test_each_flag_has_a_positive_a_negative_and_an_incomplete_one(flag: RedFlag) -> None:
    own = [case for file in FILES if file.content.flag == flag.id for case in file.content.vignettes]
    kinds = Counter(case.id.removeprefix(f"{flag.id}_").split("_")[0] for case in own)
    assert {"positive", "negative", "incomplete"} <= set(kinds)
    assert all(case.expect.asked for case in own if "_incomplete" in case.id)


@pytest.mark.parametrize("flag", FLAGS.values(), ids=FLAGS)
def test_nobody_asked_is_never_nothing_found(flag: RedFlag) -> None:
    """Without a single answer every urgency of the flag is still open, and none is found."""
    result = SCREEN.apply(Screening(flags=(flag,), answers={}, levels=LEVELS))[0]
    assert not result.findings
    assert {u.urgency for u in result.unsettled} == {rule.urgency for rule in flag.rules}
