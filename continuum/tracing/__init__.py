"""Traces: what one request or message came to, over gateway, worker and record. docs/monitoring.md says how to switch
them on; decisions/0024 why they look as they do.

    switch.py     on or off; imports the rest only when it is on
    exporting.py  how spans leave, and what of them may: ids and words of ours
    journeys.py   the SDK's interceptor, told where a trace ends
    doors.py      requests and messages
    ids.py        trace ids that two processes come to without telling each other
"""
