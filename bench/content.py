"""`python -m bench.content`: loading and linting all content, and decisions on a journey of 100 visits.

The targets: everything loaded and linted in under 1.5 s, a decision on a 100-visit journey in under 1 ms. Times
differ from machine to machine; the ratio to the yardstick, taken in the same run, differs less.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

from care import action as act
from care.actor import Actor
from care.draft import Draft
from care.gate import named_facts
from care.journey import Stage
from care.rules.gates import GATE, AtGate
from care.rules.progress import REVIEW, course
from care.steps import plans, post_surgery, therapy
from continuum import output
from pathways import loader
from pathways.lint import lint
from tests.care.driver import NOTE, TENANT, Driver

VISITS = 100
TARGETS_MS = {"load and lint everything": 1500.0, "progress review": 1.0, "gate": 1.0}
BASELINE: dict[str, Any] = {"nprs": 7, "odi": 44, "psfs": 3, "start_back": "medium"}
KNEE: dict[str, Any] = {"koos_jr": 47.487, "promis10": 38, "tug": 14, "sts30": 8, "knee_flex": 108, "nprs": 6}

Decision = Callable[[], object]


def milliseconds(work: Decision, *, times: int) -> float:
    """The best of so many: what else runs on the machine only ever adds."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return 1000 * min(taken)


def yardstick() -> float:
    """A fixed piece of work: a list of 10,000 numbers to JSON and back."""
    numbers = list(range(10_000))
    return milliseconds(lambda: json.loads(json.dumps(numbers)), times=50)


def load_and_lint() -> None:
    """Everything, as the command does it: the library, the pathways, the vignettes."""
    found = lint()
    if found:
        raise SystemExit(f"the content is not clean: {found[0]}")


def in_therapy() -> Driver:
    """Low back pain after 100 visits, each with scores."""
    driver = _evaluated("low_back_pain", BASELINE)
    driver.act("edit_plan", "therapist", plan=driver.plan.id, dose={"visits": 400, "weeks": 104}, note=NOTE)
    _visits(driver, {"nprs": 5, "odi": 36})
    return driver


def after_surgery() -> Driver:
    """A knee replacement after 100 visits, still in its first phase with visits."""
    driver = _evaluated("total_knee_replacement", KNEE)
    driver.act("record_surgery", "surgeon", done_at=driver.now)
    _visits(driver, {"nprs": 5, "knee_flex": 80})
    return driver


def _evaluated(pathway: str, scores: dict[str, Any]) -> Driver:
    driver = Driver(pathway, age=60)
    driver.act("screen", "therapist", others_absent=True)
    driver.act("record_consent", messages=True)
    driver.act("accept")
    driver.visit()
    driver.act("evaluate", "therapist", scores=scores, clinician="p-therapist")
    return driver


def _visits(driver: Driver, scores: dict[str, Any]) -> None:
    for n in range(VISITS):
        if driver.owed & {"certify_plan", "recertify_plan"}:
            driver.act("certify_plan", "therapist", plan=driver.plan.id, by="signature")
        driver.visit(days=0.2, scores=scores if n % 5 == 0 else None)


def review_of(driver: Driver) -> Decision:
    """The pure decision of a progress review, with the facts it is made from."""
    journey, pathway = driver.journey, driver.journey.the_pathway
    draft, plan = Draft(journey, driver.now), driver.plan

    def decide() -> object:
        facts = plans.facts(journey, draft, plan)
        return REVIEW.decide(course(pathway.label, pathway.progress, pathway.discharge, facts))

    return decide


def gate_of(driver: Driver) -> Decision:
    """The pure decision at a gate, with the facts it is made from."""
    journey, plan = driver.journey, driver.plan
    draft, phase = Draft(journey, driver.now), journey.phase_content()
    if phase is None:
        raise LookupError("the knee is in no phase")

    def decide() -> object:
        facts = plans.facts(journey, draft, plan)
        return GATE.decide(
            AtGate(
                pathway=journey.the_pathway.label,
                phase=phase.n,
                criteria=phase.gate,
                facts=named_facts(phase.gate, facts),
                next_window_day=42,
                surgery_at=plan.started_at,
                now=driver.now,
            )
        )

    return decide


def step_of(driver: Driver) -> Decision:
    """The whole step: a draft of the journey, the scores recorded, goals and rules tried, and what is to be written."""
    action = act.RecordScores(
        action_id="bench",
        actor=Actor(person="p-therapist", role="therapist", tenant=TENANT),
        expected=act.Expected(stage=driver.journey.stage),
        scores={"nprs": 4},
    )

    def decide() -> object:
        draft = Draft(driver.journey, driver.now, action.actor, action_id=action.action_id)
        (post_surgery if driver.at(Stage.POST_SURGERY_REHAB) else therapy).record_scores(draft, action)
        return draft.commit()

    return decide


def measure() -> list[dict[str, Any]]:
    """One row for each: milliseconds, the target, and how many yardsticks it is."""
    loader.load_all()
    therapy_, surgery = in_therapy(), after_surgery()
    yard = yardstick()
    taken = {
        "load and lint everything": milliseconds(load_and_lint, times=5),
        "progress review": milliseconds(review_of(therapy_), times=200),
        "gate": milliseconds(gate_of(surgery), times=200),
        "a whole step in therapy": milliseconds(step_of(therapy_), times=100),
        "a whole step after surgery": milliseconds(step_of(surgery), times=100),
    }
    return [
        {"what": what, "ms": round(ms, 3), "target_ms": TARGETS_MS.get(what), "yardsticks": round(ms / yard, 2)}
        for what, ms in taken.items()
    ]


def show(rows: list[dict[str, Any]]) -> None:
    """For people."""
    output.table(
        f"Content, and decisions on a journey of {VISITS} visits (one yardstick: 10,000 numbers to JSON and back)",
        ("What", "ms", "Target", "Yardsticks"),
        ((r["what"], r["ms"], f"{r['target_ms']:g}" if r["target_ms"] else "", r["yardsticks"]) for r in rows),
        empty="",
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    rows = measure()
    if parser.parse_args().json:
        output.as_json(rows)
    else:
        show(rows)


if __name__ == "__main__":
    main()
