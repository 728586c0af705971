"""Every route says who may use it; a route that does not is refused when the application is built.

    @router.get("/fhir/Task")
    @policy(roles={"coordinator", "therapist"}, scope="Task.s")
    async def search_tasks(request: Request) -> Response: ...

The decision is made in one place, before the handler runs (`gateway/access/guard.py`). What of the tenant's records a
caller sees is the other half, and is in the SQL (`Caller.sees_own_only`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.access.caller import Caller, CallerRole

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may use a route. `public`: everybody, without a token."""

    public: bool = False
    roles: frozenset[CallerRole] = frozenset()
    scope: str | None = None
    """For systems: resource and permission, `ServiceRequest.c` of `system/ServiceRequest.c`. None: no system may."""

    def allows(self, caller: Caller) -> bool:
        """Whether this caller may use the route."""
        if caller.kind == "system":
            return self.scope is not None and covers(caller.scopes, self.scope)
        return bool(caller.roles & self.roles)


def covers(granted: Collection[str], wanted: str) -> bool:
    """Whether SMART v2 system scopes cover one permission on one resource type, `*` being every type.

    Source: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html (permissions in the order c r u d s).
    """
    resource, _, permission = wanted.partition(".")
    for scope in granted:
        context, _, rest = scope.partition("/")
        name, _, permissions = rest.partition(".")
        if context == "system" and name in ("*", resource) and permission and permission in permissions:
            return True
    return False


PUBLIC = Policy(public=True)
_MARK = "__policy__"


def policy(*, roles: Collection[CallerRole] = (), scope: str | None = None) -> Callable[[Endpoint], Endpoint]:
    """Mark an endpoint with its policy."""
    return marked(Policy(roles=frozenset(roles), scope=scope))


def marked(with_: Policy) -> Callable[[Endpoint], Endpoint]:
    """Mark an endpoint with a policy made elsewhere, `PUBLIC` for instance."""

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _MARK, with_)
        return endpoint

    return mark


def policy_of(endpoint: object) -> Policy | None:
    """The policy of an endpoint; None where nobody gave it one."""
    found = getattr(endpoint, _MARK, None)
    return found if isinstance(found, Policy) else None
