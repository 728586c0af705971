"""The FHIR R4 server: resources made from the record, never stored twice."""
