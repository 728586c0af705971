"""The floor: the least that Temporal can be asked to do the same work. Nothing of care is worked out in it."""
