"""What a process tells whoever watches it: Prometheus metrics and readiness. docs/monitoring.md lists them.

Ours go out at the SDK's own endpoint, by its meter: one port for each process, no second library. Labels are words of
our own (a stage, a queue, a route's template), never what somebody sent, never an id.
"""
