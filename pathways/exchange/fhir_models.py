"""The elements of other people's PlanDefinitions that we read, and nothing else.

Unknown elements are ignored; a known one of a wrong type is refused with its path. Definitions:
https://hl7.org/fhir/R4/plandefinition.html and https://hl7.org/fhir/R4/activitydefinition.html.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, StrictFloat, StrictInt, StrictStr
from pydantic.alias_generators import to_camel

Number = StrictInt | StrictFloat


class Element(BaseModel):
    """Reads a JSON object: unknown names ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class Coding(Element):
    system: StrictStr | None = None
    code: StrictStr | None = None
    display: StrictStr | None = None


class Concept(Element):
    coding: tuple[Coding, ...] = ()
    text: StrictStr | None = None

    @property
    def words(self) -> str:
        """Its text, else the first display or code."""
        found = [self.text, *(c.display for c in self.coding), *(c.code for c in self.coding)]
        return next((" ".join(words.split()) for words in found if words and words.strip()), "")


class Quantity(Element):
    value: Number | None = None
    unit: StrictStr | None = None
    code: StrictStr | None = None
    comparator: StrictStr | None = None


class Range(Element):
    low: Quantity | None = None
    high: Quantity | None = None


class Expression(Element):
    description: StrictStr | None = None
    language: StrictStr | None = None
    expression: StrictStr | None = None


class Condition(Element):
    kind: StrictStr | None = None
    # STU3 has the expression here as a word, and its language beside it.
    expression: Expression | StrictStr | None = None
    language: StrictStr | None = None


class RelatedArtifact(Element):
    display: StrictStr | None = None
    citation: StrictStr | None = None
    url: StrictStr | None = None


class UsageContext(Element):
    code: Coding | None = None
    value_codeable_concept: Concept | None = None
    value_range: Range | None = None


class Target(Element):
    measure: Concept | None = None
    detail_quantity: Quantity | None = None
    detail_range: Range | None = None
    detail_codeable_concept: Concept | None = None


class Goal(Element):
    description: Concept | None = None
    addresses: tuple[Concept, ...] = ()
    target: tuple[Target, ...] = ()
    documentation: tuple[RelatedArtifact, ...] = ()


class Action(Element):
    id: StrictStr | None = None
    title: StrictStr | None = None
    description: StrictStr | None = None
    text_equivalent: StrictStr | None = None
    condition: tuple[Condition, ...] = ()
    definition_canonical: StrictStr | None = None
    definition_uri: StrictStr | None = None
    definition: Any = None
    """Only in STU3."""
    action: tuple[Action, ...] = ()

    @property
    def words(self) -> str:
        """What it is called."""
        found = (self.title, self.text_equivalent, self.description)
        return next(
            (" ".join(words.split()) for words in found if words and words.strip()), "an action without a title"
        )


class PlanDefinition(Element):
    id: StrictStr | None = None
    url: StrictStr | None = None
    version: StrictStr | None = None
    name: StrictStr | None = None
    title: StrictStr | None = None
    type: Concept | None = None
    status: StrictStr | None = None
    description: StrictStr | None = None
    purpose: StrictStr | None = None
    use_context: tuple[UsageContext, ...] = ()
    topic: tuple[Concept, ...] = ()
    related_artifact: tuple[RelatedArtifact, ...] = ()
    library: Any = None
    """In R4 a list of addresses, in STU3 of references."""
    contributor: Any = None
    """Only in STU3."""
    goal: tuple[Goal, ...] = ()
    action: tuple[Action, ...] = ()
    contained: tuple[dict[str, Any], ...] = ()


class Repeat(Element):
    bounds_duration: Quantity | None = None
    count: StrictInt | None = None
    count_max: StrictInt | None = None
    duration: Number | None = None
    duration_unit: StrictStr | None = None
    frequency: StrictInt | None = None
    period: Number | None = None
    period_unit: StrictStr | None = None


class Timing(Element):
    repeat: Repeat | None = None


class Participant(Element):
    role: Concept | None = None


class ActivityDefinition(Element):
    id: StrictStr | None = None
    url: StrictStr | None = None
    version: StrictStr | None = None
    title: StrictStr | None = None
    description: StrictStr | None = None
    kind: StrictStr | None = None
    code: Concept | None = None
    timing_timing: Timing | None = None
    participant: tuple[Participant, ...] = ()

    @property
    def words(self) -> str:
        """What it is called."""
        found = (self.title, self.code.words if self.code else None, self.description, self.id)
        return next(
            (" ".join(words.split()) for words in found if words and words.strip()), "an activity without a title"
        )
