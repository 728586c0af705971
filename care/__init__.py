"""The words and rules of care: pydantic models and pure functions. No I/O, no Temporal, no clock.

`care/*.py` holds the words, `care/rules/` the decisions that can be shown and run again, `care/steps/` what an
action or a clock does to a journey, stage by stage.
"""
