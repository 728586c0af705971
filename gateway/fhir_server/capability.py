"""`/fhir/metadata`: what was declared in the registry, as a CapabilityStatement."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from gateway.answers import FHIR_JSON
from gateway.fhir_server.elements import Resource, compact
from gateway.fhir_server.registry import Declared, Interactions, Operation

FHIR_VERSION = "4.0.1"
DATE = "2026-11-29"
"""When what it says of the server as a whole was changed last."""
SMART = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_ORDER = ("read", "vread", "update", "patch", "delete", "history-instance", "create", "search-type")

SECURITY = (
    "Every request but this one bears a token. Systems: SMART Backend Services (private_key_jwt, scopes "
    "system/TYPE.cruds). People: the clinic's OpenID provider. A referrer sees the referrals that they sent; what is "
    "another's, or another tenant's, looks as if it were not there."
)
ABOUT = (
    "Referrals to rehabilitation, and what becomes of them. The order (ServiceRequest) belongs to its sender; one Task "
    "(fulfill) carries its execution. Unknown search parameters are refused unless the request prefers "
    "handling=lenient. Searches go by GET, or by POST to _search, where no parameter stands in an address."
)


def capability_statement(base: str, token_url: str, declared: Declared) -> Resource:
    """What this server does, at `base`; valid R4."""
    return {
        "resourceType": "CapabilityStatement",
        "id": "continuum",
        "status": "active",
        "date": DATE,
        "kind": "instance",
        "software": compact({"name": "Continuum", "version": _version()}),
        "implementation": {"description": "Continuum's FHIR server", "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": [FHIR_JSON, "json"],
        "rest": [
            compact(
                {
                    "mode": "server",
                    "documentation": ABOUT,
                    "security": _security(token_url),
                    "resource": [_resource(one) for _, one in sorted(declared.types.items())],
                    "interaction": [{"code": code} for code in sorted(declared.system)],
                    "operation": [_operation(one) for one in declared.operations],
                }
            )
        ],
    }


def _security(token_url: str) -> Resource:
    service = {"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR"}
    return {
        "cors": False,
        "service": [{"coding": [service], "text": "OAuth2, SMART Backend Services"}],
        "description": SECURITY,
        "extension": [{"url": SMART, "extension": [{"url": "token", "valueUri": token_url}]}],
    }


def _resource(one: Interactions) -> Resource:
    codes = sorted(one.interactions, key=_ORDER.index)
    found: dict[str, Any] = {
        "type": one.type,
        "supportedProfile": list(one.profiles),
        "documentation": one.documentation,
        "interaction": [{"code": code} for code in codes],
        "versioning": "versioned-update" if "update" in codes else "versioned",
        "readHistory": False,
        "searchInclude": list(one.includes),
        "searchRevInclude": list(one.revincludes),
        "searchParam": [
            compact({"name": p.name, "type": p.type, "documentation": p.documentation})
            for p in sorted(one.search, key=lambda p: p.name)
        ],
        "operation": [_operation(operation) for operation in one.operations],
    }
    if "update" in codes:
        found["updateCreate"] = one.update_create
    if "create" in codes:
        found["conditionalCreate"] = one.conditional_create
    if "read" in codes:
        found["conditionalRead"] = "not-match" if one.conditional_read else "not-supported"
    return compact(found)


def _operation(one: Operation) -> Resource:
    return compact({"name": one.name, "definition": one.definition, "documentation": one.documentation})


def _version() -> str | None:
    try:
        return version("continuum")
    except PackageNotFoundError:
        return None
