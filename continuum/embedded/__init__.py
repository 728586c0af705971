"""The whole stack on one machine, from wheels: Temporal, PostgreSQL, the worker, a mail sink."""
