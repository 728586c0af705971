"""Topic-based subscriptions: the Subscriptions R5 Backport for R4, STU 1.1 (https://hl7.org/fhir/uv/subscriptions-backport)."""
