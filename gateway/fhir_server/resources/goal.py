"""Goal: a measurable aim of a plan of care."""

from __future__ import annotations

from gateway.fhir_server.elements import (
    Resource,
    Row,
    Setting,
    a_patient,
    begin,
    coding,
    compact,
    concept,
    instant,
    measure_concept,
    measures,
    quantity,
)
from gateway.fhir_server.resource_type import ResourceType
from gateway.fhir_server.search.params import Code, Date, Ours
from pathways.exchange.names import HL7

ACHIEVEMENT = f"{HL7}/goal-achievement"
_COMPARATORS = ("<", "<=", ">=", ">")


def build(row: Row, setting: Setting) -> Resource:
    """A goal, by its measure and the value to be reached."""
    goal = row["goal"]
    known = measures().get(goal["measure"])
    amount = quantity(goal["target"], known.unit if known else None)
    if goal["op"] in _COMPARATORS:
        amount["comparator"] = goal["op"]
    name = known.name if known else goal["measure"].replace("_", " ")
    return compact(
        {
            **begin("Goal", row),
            "lifecycleStatus": row["status"],
            "achievementStatus": concept(None, coding(ACHIEVEMENT, row["achievement"])),
            "description": concept(f"{name} {goal['op']} {goal['target']:g} (at the start: {goal['baseline']:g})"),
            "subject": a_patient(row),
            "startDate": instant(row["started_at"])[:10],
            "target": [{"measure": measure_concept(goal["measure"]), "detailQuantity": amount}],
        }
    )


GOAL = ResourceType(
    name="Goal",
    view="fhir_goal",
    build=build,
    columns=("status", "achievement", "goal", "started_at", "patient"),
    params=(
        Code("lifecycle-status", "status", "http://hl7.org/fhir/goal-status"),
        Code("achievement-status", "achievement", ACHIEVEMENT),
        Date("start-date", "started_at"),
        Ours("patient", "patient", target="Patient", uuid=True),
        Ours("subject", "patient", target="Patient", uuid=True),
    ),
    required=("lifecycleStatus", "description", "subject"),
    sorts={"start-date": "started_at"},
)
