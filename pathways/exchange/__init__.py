"""Pathways as FHIR R4, out and in: PlanDefinition, ActivityDefinition and Questionnaire.

What goes out is written from the pathway alone (`export`). Our own export carries the whole pathway in an extension and
is read back from it; it is then written anew and compared, so that an edit of any standard element is seen (`own`).
Other people's PlanDefinitions become a sketch with gaps, or are refused with reasons (`foreign`).
Why so: docs/decisions/0013-pathways-as-fhir.md.
"""
