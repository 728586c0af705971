"""Logs: one JSON line for one event, without anybody's data.

What an exception says may repeat a patient's values (a database error does), so logs carry its type and the place,
never its words or its variables.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from temporalio import activity, workflow

MAKE_THEIR_OWN_LINES = ("gateway.access_log",)
"""What these write is a line already, with the members that all others have: there is one for each request, and what is
usual costs a tenth of a request."""


def configure(level: str = "info") -> None:
    """Send our own and all libraries' log lines to standard error as JSON."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _only_the_place,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _only_what_is_known],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    # Nothing of this is in a line, and each line would ask for it anew.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    as_it_is = logging.StreamHandler(sys.stderr)
    as_it_is.setFormatter(logging.Formatter("%(message)s"))
    for name in MAKE_THEIR_OWN_LINES:
        logging.getLogger(name).handlers[:] = [as_it_is]
        logging.getLogger(name).propagate = False
    workflow.logger.workflow_info_on_message = False
    workflow.logger.workflow_info_on_extra = False
    activity.logger.activity_info_on_message = False
    activity.logger.activity_info_on_extra = False


def _only_the_place(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An exception becomes its type and where it was raised."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info if isinstance(info, BaseException) else (info[1] if isinstance(info, tuple) else None)
    if error is not None:
        event["error"] = type(error).__name__
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is not None:
            event["at"] = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}"
    event.pop("stack_info", None)
    return event


OURS = ("activities", "channels", "continuum", "gateway", "records", "worker", "workflows", "temporalio.workflow")


def _only_what_is_known(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A library's message is kept as it was written in its source; what was filled in may be anybody's data."""
    record = event.get("_record")
    if isinstance(record, logging.LogRecord) and not record.name.startswith(OURS):
        event["event"] = str(record.msg) if record.args else _first_words(str(record.msg))
    return event


def _first_words(message: str, limit: int = 80) -> str:
    return message.splitlines()[0][:limit] if message else message
