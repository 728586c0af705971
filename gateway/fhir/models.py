"""The elements we read, of the resources we read, and nothing else.

Unknown elements are ignored: profiles, extensions and later versions add them freely. A known element of a
wrong type is refused with its path. Definitions: https://hl7.org/fhir/R4/resourcelist.html; formats of
`date`, `dateTime` and `code`: https://hl7.org/fhir/R4/datatypes.html#primitive.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    StrictBool,
    StrictInt,
    StrictStr,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from gateway.fhir.refusal import IssueCode, RefusedError

_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
_TIME = re.compile(r"T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-](0\d|1[0-4]):[0-5]\d)", re.ASCII)


def _date(value: str) -> str:
    """A FHIR date may stop at the year or the month; what is there must be a real day."""
    if not value.isascii() or _DATE.fullmatch(value) is None:
        raise ValueError
    date.fromisoformat({4: f"{value}-01-01", 7: f"{value}-01"}.get(len(value), value))
    return value


def _date_time(value: str) -> str:
    day, separator, time = value.partition("T")
    _date(day)
    if separator and (len(day) < len("yyyy-mm-dd") or _TIME.fullmatch(separator + time) is None):
        raise ValueError
    return value


Text = StrictStr
Token = Annotated[StrictStr, StringConstraints(strip_whitespace=True, max_length=255)]
Date = Annotated[StrictStr, AfterValidator(_date)]
DateTime = Annotated[StrictStr, AfterValidator(_date_time)]
Node = dict[str, Any]
WHOLE = "resource"
"""What an entry of a Bundle holds is read on its own."""


class Element(BaseModel):
    """Reads a JSON object: unknown names ignored, values never shown in an error. `read_as` takes `null` as absent."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, alias_generator=to_camel)


class Coding(Element):
    system: Token | None = None
    code: Token | None = None
    display: Text | None = None


class CodeableConcept(Element):
    coding: tuple[Coding, ...] = ()
    text: Text | None = None

    def has(self, system: str, code: str) -> bool:
        return any(coding.system == system and coding.code == code for coding in self.coding)


class Identifier(Element):
    use: Text | None = None
    type: CodeableConcept | None = None
    system: Token | None = None
    value: Token | None = None


class Reference(Element):
    reference: Text | None = None
    type: Text | None = None
    identifier: Identifier | None = None
    display: Text | None = None


class Meta(Element):
    source: Text | None = None


class Annotation(Element):
    text: Text | None = None


class HumanName(Element):
    use: Text | None = None
    text: Text | None = None
    family: Text | None = None
    given: tuple[Text | None, ...] = ()
    prefix: tuple[Text | None, ...] = ()


class ContactPoint(Element):
    system: Text | None = None
    value: Text | None = None
    use: Text | None = None
    rank: StrictInt | None = None


class Resource(Element):
    id: Text | None = None
    meta: Meta | None = None


class ServiceRequest(Resource):
    """https://hl7.org/fhir/R4/servicerequest.html; `status` and `intent` are judged in `order`."""

    identifier: tuple[Identifier, ...] = ()
    replaces: tuple[Reference, ...] = ()
    status: Text | None = None
    intent: Text | None = None
    priority: Literal["routine", "urgent", "asap", "stat"] | None = None
    do_not_perform: StrictBool = False
    category: tuple[CodeableConcept, ...] = ()
    code: CodeableConcept | None = None
    order_detail: tuple[CodeableConcept, ...] = ()
    subject: Reference | None = None
    requester: Reference | None = None
    authored_on: DateTime | None = None
    reason_code: tuple[CodeableConcept, ...] = ()
    reason_reference: tuple[Reference, ...] = ()
    note: tuple[Annotation, ...] = ()
    patient_instruction: Text | None = None


class Task(Resource):
    """https://hl7.org/fhir/R4/task.html: the coordination task of Clinical Order Workflows and of BSeR."""

    status: Text | None = None
    code: CodeableConcept | None = None
    focus: Reference | None = None
    requester: Reference | None = None


class MessageSource(Element):
    endpoint: Text | None = None


class MessageResponse(Element):
    identifier: Text | None = None


class MessageHeader(Resource):
    """https://hl7.org/fhir/R4/messageheader.html"""

    event_coding: Coding | None = None
    source: MessageSource | None = None
    sender: Reference | None = None
    reason: CodeableConcept | None = None
    response: MessageResponse | None = None
    focus: tuple[Reference, ...] = ()


class Communication(Element):
    language: CodeableConcept | None = None
    preferred: StrictBool = False


class Party(Resource):
    """What Practitioner, Patient, RelatedPerson and Organization share; their `name` differs."""

    identifier: tuple[Identifier, ...] = ()
    telecom: tuple[ContactPoint, ...] = ()


class Person(Party):
    name: tuple[HumanName, ...] = ()


class Organization(Party):
    name: Text | None = None


class PractitionerRole(Party):
    practitioner: Reference | None = None
    organization: Reference | None = None


class Patient(Person):
    birth_date: Date | None = None
    gender: Literal["male", "female", "other", "unknown"] | None = None
    communication: tuple[Communication, ...] = ()
    deceased_boolean: StrictBool = False
    deceased_date_time: DateTime | None = None


class Condition(Resource):
    code: CodeableConcept | None = None


class Entry(Element):
    full_url: Text | None = None
    resource: Node | None = None


class Bundle(Resource):
    """https://hl7.org/fhir/R4/bundle.html; resources are read one by one, when something asks for them."""

    identifier: Identifier | None = None
    type: Text | None = None
    entry: tuple[Entry, ...] = ()


AnyElement = TypeVar("AnyElement", bound=Element)

_EXPECTED: dict[str, tuple[IssueCode, str]] = {
    "string_type": ("structure", "must be a string"),
    "bool_type": ("structure", "must be true or false"),
    "int_type": ("structure", "must be a whole number"),
    "tuple_type": ("structure", "must be a list"),
    "dict_type": ("structure", "must be an object"),
    "model_type": ("structure", "must be an object"),
    "string_too_long": ("too-long", "must not be longer than 255 characters"),
    "literal_error": ("value", "must be one of the codes FHIR R4 binds to this element"),
    "value_error": ("value", "must be a real date in FHIR's format"),
}


def read_as(model: type[AnyElement], node: Any, path: str) -> AnyElement:
    """The node as this model, or `RefusedError` naming the element at fault and never its value.

    A `null` is as if it were not there.
    """
    try:
        return model.model_validate(node)
    except ValidationError:
        pass  # perhaps of a null: they are rare, and looking for them in every message costs a third of reading it
    try:
        return model.model_validate(_without_nulls(node))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    code, what = _EXPECTED.get(first["type"], ("structure", "is not as FHIR R4 defines it"))
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
    raise RefusedError(code, f"this element {what}", path + steps)


def _without_nulls(node: Any) -> Any:
    """Without the members that are null; what a resource holds as a whole is left as it was sent."""
    if isinstance(node, dict):
        return {
            name: value if name == WHOLE else _without_nulls(value) for name, value in node.items() if value is not None
        }
    return [_without_nulls(one) for one in node] if isinstance(node, list) else node
