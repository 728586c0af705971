"""Every resource type that is made from the record, one module for each."""

from __future__ import annotations

from gateway.fhir_server.resource_type import ResourceType
from gateway.fhir_server.resources.appointment import APPOINTMENT
from gateway.fhir_server.resources.audit_event import AUDIT_EVENT
from gateway.fhir_server.resources.care_plan import CARE_PLAN
from gateway.fhir_server.resources.communication import COMMUNICATION
from gateway.fhir_server.resources.document import BINARY, DOCUMENT_REFERENCE
from gateway.fhir_server.resources.episode_of_care import EPISODE_OF_CARE
from gateway.fhir_server.resources.goal import GOAL
from gateway.fhir_server.resources.observation import OBSERVATION
from gateway.fhir_server.resources.patient import PATIENT
from gateway.fhir_server.resources.practitioner import PRACTITIONER
from gateway.fhir_server.resources.provenance import PROVENANCE
from gateway.fhir_server.resources.questionnaire_response import QUESTIONNAIRE_RESPONSE
from gateway.fhir_server.resources.service_request import SERVICE_REQUEST
from gateway.fhir_server.resources.task import TASK

SEARCHED: tuple[ResourceType, ...] = (
    SERVICE_REQUEST,
    TASK,
    PATIENT,
    APPOINTMENT,
    OBSERVATION,
    QUESTIONNAIRE_RESPONSE,
    CARE_PLAN,
    GOAL,
    EPISODE_OF_CARE,
    PRACTITIONER,
    COMMUNICATION,
    DOCUMENT_REFERENCE,
    PROVENANCE,
    AUDIT_EVENT,
)
TYPES: dict[str, ResourceType] = {type_.name: type_ for type_ in (*SEARCHED, BINARY)}
