"""The patient journey: one module per stage, deterministic, readable as the process it models."""
