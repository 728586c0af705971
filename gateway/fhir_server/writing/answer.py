"""What a writer is answered, before it is known whether as a response, an entry of a Bundle or a message."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from starlette.responses import Response

from gateway.answers import operation_outcome
from gateway.fhir_server.writing.headers import FHIR_JSON, Prefer, etag

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and what says where the resource is."""

    status: int
    body: Resource | None = field(default=None, repr=False)
    location: str | None = None
    """Absolute."""
    version: int | None = None
    modified_at: datetime | None = None
    told: str | None = None
    """What became of it, in our own words; the body where the caller wants an OperationOutcome."""

    @property
    def outcome(self) -> Resource:
        """What became of it, as an OperationOutcome."""
        return operation_outcome("informational", self.told or "done", severity="information")

    def headers(self) -> dict[str, str]:
        """Location, ETag and Last-Modified, as far as they are known."""
        found: dict[str, str] = {}
        if self.location is not None:
            found["Location"] = self.location
        if self.version is not None:
            found["ETag"] = etag(self.version)
        if self.modified_at is not None:
            found["Last-Modified"] = format_datetime(self.modified_at, usegmt=True)
        return found

    def as_preferred(self, prefer: Prefer) -> Answer:
        """With the body that the caller asked for. What is not done yet says so, unless nothing is wanted."""
        if prefer == "minimal":
            return replace(self, body=None)
        if prefer == "OperationOutcome" or self.body is None:
            return replace(self, body=self.outcome)
        return self

    def response(self) -> Response:
        """As an HTTP response."""
        if self.body is None:
            return Response(status_code=self.status, headers=self.headers())
        content = json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        return Response(content, self.status, self.headers(), FHIR_JSON)
