"""The SDK's tracing interceptor, told where a trace ends: with what somebody asked for, not with the journey.

As it comes, the SDK puts all that a workflow ever does into the trace of whoever started it, and that of a journey
would go on for a year, over all its stages. Here an action's trace holds what the action came to: its handler, the
decision written, the alarms sent, the stage that it led to. What a stage does by its clocks is a trace of
its own, with a link to the stage's beginning.

Spans within a workflow have no length, since a replay may not depend on them; how long a decision took, those of update
and activity say. Only headers go into the history, and no replay looks at those, so tracing can be switched on and off
under journeys that are open.

`attached_context` and the methods with a `_` are no promise of the SDK: its version is locked, and tests fail where
they change.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from temporalio import client, worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.contrib.opentelemetry import TracingInterceptor, TracingWorkflowInboundInterceptor
from temporalio.contrib.opentelemetry._context import attached_context

ONE_GO = timedelta(minutes=1)
"""So long a stage's own doing still belongs to what began it. Its first decision is made at once."""
PROPAGATOR = TraceContextTextMapPropagator()
"""Without baggage, which could hold anything."""
_OF_THE_RUN = contexts.create_key("continuum_of_the_run")

Headers = Mapping[str, Payload]
Carrier = dict[str, Any]


class JourneyTracing(TracingInterceptor):
    """For clients, and for the workers that are made with them."""

    def __init__(self, tracer: Tracer) -> None:
        # Always: a stage's clocks have nobody who called them.
        super().__init__(tracer, always_create_workflow_spans=True)
        self.text_map_propagator = PROPAGATOR

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:  # noqa: A002
        """See `temporalio.client.Interceptor`."""
        return super().intercept_client(_Naming(next))

    def workflow_interceptor_class(self, input: worker.WorkflowInterceptorClassInput) -> type[_Journey]:  # noqa: A002
        """See `temporalio.worker.Interceptor`."""
        super().workflow_interceptor_class(input)
        return _Journey


class _Naming(client.OutboundInterceptor):
    """Names the action in the span of its update."""

    async def start_workflow_update(
        self,
        input: client.StartWorkflowUpdateInput,  # noqa: A002 - the SDK's name
    ) -> client.WorkflowUpdateHandle[Any]:
        if input.update_id is not None:
            trace.get_current_span().set_attribute("continuum.action", _action_in(input.update_id))
        return await super().start_workflow_update(input)


class _Journey(TracingWorkflowInboundInterceptor):
    """One run of a stage."""

    def __init__(self, next: worker.WorkflowInboundInterceptor) -> None:  # noqa: A002
        super().__init__(next)
        self.text_map_propagator = PROPAGATOR
        self.last_asked: tuple[Headers, datetime] | None = None
        """The header of what was asked last, and when."""

    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        """See `WorkflowInboundInterceptor`."""
        super().init(_Onward(outbound, self))

    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:  # noqa: A002
        """See `WorkflowInboundInterceptor`."""
        context = contexts.set_value(_OF_THE_RUN, True, self._context_of(self._load_workflow_context_carrier()))
        with attached_context(context):
            self._completed_span(f"RunWorkflow:{workflow.info().workflow_type}", kind=SpanKind.SERVER)
            return await self.next.execute_workflow(input)

    def handle_update_validator(self, input: worker.HandleUpdateInput) -> None:  # noqa: A002
        """See `WorkflowInboundInterceptor`."""
        with attached_context(self._context_of(self._carrier_in(input.headers))):
            self._asked("ValidateUpdate", input)
            self.next.handle_update_validator(input)

    async def handle_update_handler(self, input: worker.HandleUpdateInput) -> Any:  # noqa: A002
        """See `WorkflowInboundInterceptor`."""
        self.last_asked = input.headers, workflow.now()
        with attached_context(self._context_of(self._carrier_in(input.headers))):
            self._asked("HandleUpdate", input)
            return await self.next.handle_update_handler(input)

    def _asked(self, what: str, input: worker.HandleUpdateInput) -> None:  # noqa: A002
        self._completed_span(
            f"{what}:{input.update}",
            additional_attributes={
                "continuum.action": _action_in(input.id),
                "continuum.stage": workflow.info().workflow_type,
            },
            kind=SpanKind.SERVER,
        )

    def _completed_span(self, span_name: str, **more: Any) -> None:
        info = workflow.info()
        if contexts.get_value(_OF_THE_RUN) is None or workflow.now() - info.start_time <= ONE_GO:
            super()._completed_span(span_name, **more)
            return
        with attached_context(self._context_of(None)):
            super()._completed_span(span_name, link_context_carrier=self._load_workflow_context_carrier(), **more)

    def _context_of(self, carrier: Carrier | None) -> Context:
        found = Context() if carrier is None else self.text_map_propagator.extract(carrier, Context())
        return self._set_on_context(found)

    def _carrier_in(self, headers: Headers) -> Carrier | None:
        header = headers.get(self.header_key)
        return None if header is None else self.payload_converter.from_payloads([header])[0]


class _Onward(worker.WorkflowOutboundInterceptor):
    """The next stage belongs to what led to it, if that was just now. The SDK would hand on what led to this one."""

    def __init__(self, next: worker.WorkflowOutboundInterceptor, journey: _Journey) -> None:  # noqa: A002
        super().__init__(next)
        self._journey = journey

    def continue_as_new(self, input: worker.ContinueAsNewInput) -> NoReturn:  # noqa: A002 - the SDK's name
        key = self._journey.header_key
        others = {name: value for name, value in input.headers.items() if name != key}
        asked, at = self._journey.last_asked or ({}, workflow.now())
        led_to_it = {key: asked[key]} if key in asked and workflow.now() - at <= ONE_GO else {}
        input.headers = {**others, **led_to_it}
        super().continue_as_new(input)


def _action_in(update_id: str) -> str:
    """An update's id is the action's, often with a digest behind it."""
    action, _, digest = update_id.rpartition(":")
    return action or digest
