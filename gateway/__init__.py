"""How the world comes in: FHIR, the staff API, HL7 v2, web pages, sign-in and permissions."""
