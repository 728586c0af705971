"""The SDK's sandbox, entered less often: one for all journeys of a stage instead of one for each journey.

The SDK imports a workflow's modules anew for every run, so that no run sees what another left in a module's variables.
Ours keep nothing in any (a test makes sure), and a stage has 46 updates whose definitions cost 10 ms and 0.3 MB each
time. What the sandbox forbids (time, randomness, I/O) is forbidden as before, and as strictly.

The SDK also enters the sandbox once or twice for every value that is encoded or decoded, only to ask in which context
that is done; that was a fifth of the worker's CPU. Our converter depends on none. One that does (a key for each
journey) is given the workflow's own, which names the journey; see `data_converter` in `workflows/connection.py`.

And a run is in one thread at a time. A workflow task that takes longer than two seconds counts as a deadlock: the SDK
fails it, interrupts its thread, and evicts the run at once in another thread. Where the interruption is lost (it is in
a callback of the garbage collector, and a long collection is what takes two seconds) both threads were in the run, it
could never be evicted, and its journey stood still until the worker was started anew. Now the eviction waits.

`_Instance` and `Importer` are no promise of the SDK: its version is locked, and tests fail where they change.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import SerializationContext, StorageDriverStoreContext, WorkflowSerializationContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox._importer import Importer
from temporalio.worker.workflow_sandbox._restrictions import RestrictionContext
from temporalio.worker.workflow_sandbox._runner import _Instance


class _ContextOfThread(threading.local, RestrictionContext):
    """What is forbidden now. Workflows of one stage run in several threads: one that ends must not free another."""


@dataclass(frozen=True)
class SharedSandbox(SandboxedWorkflowRunner):
    """Runs each workflow type in a sandbox of its own, shared by all its runs."""

    _importers: dict[str, Importer] = field(default_factory=dict, init=False, repr=False, compare=False)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """See `WorkflowRunner.create_instance`. The worker asks for one of each type before it starts (`prepare`), so
        that nothing is imported while workflows run side by side."""
        module = det.defn.cls.__module__
        importer = self._importers.get(module)
        if importer is None:
            importer = Importer(self.restrictions, _ContextOfThread(), workflow_module_name=module)
            self._importers[module] = importer
        return _Shared(det, self.runner_class, importer)


class _Shared(_Instance):
    """One run, in a sandbox that others use too."""

    def __init__(
        self, instance_details: WorkflowInstanceDetails, runner_class: type[WorkflowRunner], importer: Importer
    ) -> None:
        self.instance_details = instance_details
        self.runner_class = runner_class
        self.importer = importer
        self._current_thread_id: int | None = None
        self._one_at_a_time = threading.Lock()
        self.globals_and_locals: dict[str, Any] = {"__file__": "workflow_sandbox.py"}
        info = instance_details.info
        self._context = WorkflowSerializationContext(namespace=info.namespace, workflow_id=info.workflow_id)
        self._create_instance()

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """See `WorkflowInstance`. Waits for an activation that the worker has given up."""
        with self._one_at_a_time:
            return super().activate(act)

    def get_serialization_context(self, command_info: object) -> SerializationContext:
        """See `WorkflowInstance`."""
        return self._context

    def get_external_store_context(self, command_info: object) -> StorageDriverStoreContext:
        """See `WorkflowInstance`. Nothing of ours is stored elsewhere."""
        return StorageDriverStoreContext(target=None)
