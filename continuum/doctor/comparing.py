"""Comparing one journey in the record with the same in Temporal. Pure: reading is elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from care.journey import Journey
from continuum.doctor.histories import Run, Told
from continuum.doctor.mismatch import Mismatch
from records.doctor import Standing

STARTS_WITHIN = timedelta(minutes=10)
"""So long the start of a journey may take while Temporal is away before somebody should look."""


def compare(
    row: Standing | None, run: Run | None, told: Told | None, kept: Journey | None, now: datetime
) -> list[Mismatch]:
    """What is wrong with one journey. `row`: as the record has it; `run` and `told`: as Temporal does; `kept`: as the
    record keeps it whole."""
    if row is None:
        return [] if told is None or told.journey is None else [_unknown(told.journey)]
    return [
        Mismatch(kind=kind, journey=row.journey, tenant=row.tenant, detail=detail)
        for kind, detail in _of_row(row, run, told, kept, now)
    ]


def _unknown(journey: Journey) -> Mismatch:
    detail = f"in {(journey.next_stage or journey.stage).value}, at decision {journey.seq}"
    return Mismatch(kind="workflow_without_journey", journey=journey.id, tenant=journey.tenant, detail=detail)


def _of_row(
    row: Standing, run: Run | None, told: Told | None, kept: Journey | None, now: datetime
) -> Iterator[tuple[str, str]]:
    if row.status is None and row.journal_rows == 0:
        yield from _not_begun(row, run, told, now)
        return
    if not row.referral:
        yield "referral_missing", "the journey goes on without the patient's name and the request"
    if row.journal_rows != row.journal_last:
        yield "journal_gap", f"{row.journal_rows} rows, the last is number {row.journal_last}"
    if row.seq < row.journal_last:
        yield "projection_behind", f"at {row.seq}, the journal at {row.journal_last}"
    seq = told.journey.seq if told is not None and told.journey is not None else None
    if seq is not None and seq > row.journal_last:
        yield "journal_behind", f"Temporal is at decision {seq}, the journal at {row.journal_last}"
    elif row.status == "closed":
        if run is not None and run.running and seq is not None and seq < row.journal_last:
            yield "closed_but_running", f"Temporal is at decision {seq}, the journal at {row.journal_last}"
        if left := sorted(row.tasks | row.visits):
            yield "open_in_closed", ", ".join(left)
    else:
        yield from _open(row, run, told, kept)


def _not_begun(row: Standing, run: Run | None, told: Told | None, now: datetime) -> Iterator[tuple[str, str]]:
    if told is not None and told.journey is not None and told.journey.seq > 0:
        yield "journal_behind", f"Temporal is at decision {told.journey.seq}, the journal is empty"
    elif run is None and row.started:
        yield "referral_without_journey", "neither the record nor Temporal has it"
    elif run is None and row.received_at is not None and now - row.received_at > STARTS_WITHIN:
        yield "referral_not_started", f"received {row.received_at:%Y-%m-%d %H:%M} UTC"


def _open(row: Standing, run: Run | None, told: Told | None, kept: Journey | None) -> Iterator[tuple[str, str]]:
    there = told.journey if told is not None else None
    if run is not None and run.running and told is not None and told.does_not_replay:
        yield "does_not_replay", f"run {run.run}"
    elif run is None or not run.running:
        yield "journey_without_workflow", f"in {row.stage}, at decision {row.journal_last}"
    elif there is not None and there.seq < row.journal_last:
        yield "workflow_behind", f"Temporal is at decision {there.seq}, the journal at {row.journal_last}"
    elif there is not None and row.seq == there.seq:
        in_record = f"{row.stage} {row.status}"
        in_temporal = f"{there.stage.value} {there.status}"
        if in_record != in_temporal:
            yield "stage_differs", f"{in_record} in the record, {in_temporal} in Temporal"
        elif kept is not None and kept.seq == there.seq and (differ := differences(kept, there)):
            yield "stage_differs", f"other {', '.join(differ)} in the record than in Temporal"
    if row.kept_seq != row.journal_last:
        yield "state_not_kept", f"kept at decision {row.kept_seq}, the journal is at {row.journal_last}"
    whole = next((j for j in (there, kept) if j is not None and j.seq == row.journal_last), None)
    if whole is not None:
        yield from _against(row, whole)


def differences(one: Journey, other: Journey) -> list[str]:
    """In what two journeys differ that both stand after the same decision. They should in nothing."""

    def looked_at(journey: Journey) -> dict[str, object]:
        return {
            "stage": (journey.stage, journey.next_stage, journey.status),
            "tasks": sorted(t.id for t in journey.open_tasks),
            "visits": sorted(v.id for v in journey.visits),
            "plans": sorted(p.id for p in journey.active_plans),
            "clocks": sorted((c.kind, c.subject or "") for c in journey.clocks),
        }

    here, there = looked_at(one), looked_at(other)
    return [name for name in here if here[name] != there[name]]


def _against(row: Standing, journey: Journey) -> Iterator[tuple[str, str]]:
    if journey.next_stage is None and journey.next_clock is None:
        yield "no_clock", f"in {journey.stage.value}"
    pairs = (
        ("task", row.tasks, {t.id for t in journey.open_tasks}),
        ("visit", row.visits, {v.id for v in journey.visits}),
        ("plan", row.plans, {p.id for p in journey.active_plans}),
    )
    found = []
    for name, recorded, real in pairs:
        found += [f"{name} {one} is not open in the record" for one in sorted(real - recorded)]
        found += [f"{name} {one} is open in the record only" for one in sorted(recorded - real)]
    if found:
        yield "projection_differs", ", ".join(found)
