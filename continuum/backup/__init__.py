"""A copy of a stack's two stores, the record and Temporal's state, taken together, and a stack made from one.

Temporal's state is copied first: what is decided between the two copies is then in the record, which is the one that
must not lose what was acknowledged; the doctor brings the workflow after it.
"""
