"""The whole page of a pathway."""

from __future__ import annotations

import yaml

from care.pathway import Pathway
from pathways import words
from pathways.page import course, intake
from pathways.page.evidence import evidence, signature
from pathways.page.markdown import Lines, join, one_line, section, table

STATUS = {
    "sketch": "**Sketch: not complete, never suggested for a referral, not for care.**",
    "draft": "**Draft: no clinician has signed it. Not for care.**",
    "signed_off": "Signed; see the end of this page.",
}
SAID = {
    *(
        "schema_version",
        "id",
        "version",
        "name",
        "status",
        "signed_off",
        "signed_off_by",
        "service_line",
        "basis",
        "source",
    ),
    *("purpose", "eligibility", "exclude", "late_enrolment", "codes", "terms", "checklist", "red_flags", "urgencies"),
    *(
        "modalities",
        "triage",
        "usual_level",
        "baseline",
        "measures",
        "dosing",
        "conditions",
        "goals",
        "review",
        "progress",
    ),
    *("before_surgery", "at_surgery", "phases", "phases_from", "discharge", "home_programme", "follow_up", "gaps"),
}
"""The fields that this page says in words. A field that is newer than this page stands at the end as it is."""


def page(pathway: Pathway, written_by: str) -> str:
    """The page as markdown; the picture stands beside it, under the same name."""
    parts = (
        [f"# {one_line(pathway.name)}"],
        [written_by],
        [STATUS[pathway.status]],
        _facts(pathway),
        section("Purpose", [one_line(pathway.purpose)]) if pathway.purpose else [],
        section("The journey", [f"![The journey on this pathway, as text in the picture]({pathway.id}.svg)"]),
        intake.who(pathway),
        intake.screens(pathway),
        intake.triage(pathway),
        course.dose(pathway),
        course.measures(pathway),
        course.goals(pathway),
        course.reviews(pathway),
        course.surgery(pathway),
        course.phases(pathway),
        course.discharge(pathway),
        course.follow_up(pathway),
        _further(pathway),
        evidence(pathway),
        signature(pathway),
    )
    return join(parts)


def _facts(pathway: Pathway) -> Lines:
    rows = [
        ("Id and version", f"`{pathway.label}`"),
        ("Service line", words.plain(pathway.service_line)),
        ("Status", pathway.status.replace("_", " ")),
        ("Digest", f"`{pathway.digest}`"),
        ("Basis", pathway.basis),
        ("Source", one_line(pathway.source)),
    ]
    return table(("", ""), rows)


def _further(pathway: Pathway) -> Lines:
    new = {name for name in type(pathway).model_fields if name not in SAID}
    data = pathway.model_dump(mode="json", include=new, exclude_defaults=True)
    if not data:
        return []
    return section(
        "Further content", ["```yaml", yaml.safe_dump(data, sort_keys=False, allow_unicode=True).rstrip(), "```"]
    )
