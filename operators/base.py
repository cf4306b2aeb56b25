"""The two kinds of task, each written once: ComputeOperator and ReconcileOperator.

Compute: a pure function of its request. Found in the ledger, or computed and committed; a killed, retried
or cleared task re-attaches to the job it submitted or returns the result it committed.
Reconcile: makes the world match a desired state, and re-reads the world every time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from airflow.sdk import BaseOperator, Context

from include.core import fault
from include.core.errors import FencedError, IntegrityError, MemoryLimitError, UnreachableError
from include.core.hardware import require_hardware
from include.core.ledger import Attempt
from include.core.needs import Needs
from include.core.ports import JobBackend, JobStatus
from include.core.request import Json, Request, Result
from include.core.task import job_of, perform
from include.core.tracing import Span
from include.services.services import Services
from operators.defaults import DELAY, RETRIES, TRIES
from operators.hooks import open_services
from operators.inputs import WithInputs
from operators.job_end import failure, is_late, kept, stop_late, told_once_more, too_late
from operators.run import holder, is_retry, run_token, wants_fresh
from operators.seen import seen
from operators.summary import subject, summary
from operators.time_limit import within
from operators.triggers import JobTrigger

if TYPE_CHECKING:
    from airflow.sdk.definitions.retry_policy import RetryPolicy

    from include.overview.datasets import Flow


class SlipstreamOperator(WithInputs, BaseOperator):
    """A task of one model's life. Everything that BaseOperator takes (`pool`, `queue`, `trigger_rule` ...) is taken here, too.

    :param model: the model's name, as its folder is called
    :param retries, retry_delay, retry_policy: three quick retries of what a retry can help, unless the DAG says otherwise
    """

    def __init__(
        self,
        *,
        model: str,
        retries: int | None = TRIES,
        retry_delay: timedelta | float = DELAY,
        retry_policy: RetryPolicy | None = RETRIES,
        **kwargs: Any,
    ) -> None:
        super().__init__(retries=retries, retry_delay=retry_delay, retry_policy=retry_policy, **kwargs)
        self.model = model
        self.links: dict[str, str] = {}  # shown as buttons: see operators/links.py

    def log_subject(self, context: Context, params: Mapping[str, Any], before: str = "") -> None:
        """The first line of a task's log: the day or moment it is about. A day stands in the XCom `day` too."""
        if words := " ".join(filter(None, (before, subject(context, params)))):
            self.log.info("%s", words)
        push = getattr(context["ti"], "xcom_push", None)
        if params.get("day") and push is not None:
            push(key="day", value=params["day"])

    # -- for a catalogue of data outside: Airflow's provider of OpenLineage asks, where it is installed ---------------

    def flow(self, services: Services) -> Flow | None:
        """What this task has read and written, after its work; None where that is no data."""
        del services
        return None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """The provider's `OperatorLineage`; of a task that failed as well, for what it had made by then."""
        services = open_services()
        flow = self.flow(services)
        if flow is None:
            return None
        from operators.commits import commits_at
        from operators.openlineage import lineage_of  # the provider may be absent, and then nobody asks

        commits = commits_at({"ti": task_instance}, self.model, services.settings.models)
        return lineage_of(flow, services.storage.root, commits)

    def log_summary(self, head: str, lines: Iterable[str] = ()) -> None:
        """A task's own summary of what it did: a line that says what, and the figures below it."""
        self.log.info("%s", head)
        for line in lines:
            self.log.info("  %s", line)


class ComputeOperator(SlipstreamOperator):
    """Computes one request. A subclass says which (`build`) and what follows a commit (`deliver`).

    :param where: "process" runs the step here; "job" submits it to the job backend under the attempt's name
    :param deferrable: wait for a job in the triggerer; else by polling in place
    :param poll_seconds: how often a job's status is asked for
    :param fresh: ignore earlier results of the same inputs; so does the run's parameter `fresh`
    """

    step: ClassVar[str]
    function: ClassVar[str]
    result: Result | None = None  # that was made or found by now

    def __init__(
        self,
        *,
        where: Literal["process", "job"] = "process",
        deferrable: bool = True,
        poll_seconds: float = 2.0,
        fresh: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.where, self.deferrable, self.poll_seconds, self.fresh = where, deferrable, poll_seconds, fresh

    # -- what a subclass says --------------------------------------------------------------------------

    def build(self, context: Context, services: Services) -> Request:
        """The request of this run: everything the result depends on, and nothing else."""
        raise TypeError(f"{type(self).__name__} must define build()")

    def deliver(self, result: Result, context: Context, services: Services) -> Json:
        """After the commit, on every run of the task: idempotent. Returns the XCom value."""
        return services.ledger.ref(result).to_json()

    def machine(self, context: Context, services: Services) -> Needs:
        """What an attempt needs of a machine, and its time. A resubmission asks for the same name, whatever this says."""
        del context, services
        return Needs()

    def flow(self, services: Services) -> Flow | None:
        from include.overview.datasets import flow_of

        return None if self.result is None else flow_of(self.result, services.ledger)

    # -- the life of a compute task --------------------------------------------------------------------

    def execute(self, context: Context) -> Json:
        with seen(f"task {self.step}", self.model, context) as span:
            return self._execute(context, span)

    def _execute(self, context: Context, span: Span) -> Json:
        services = open_services()
        request = self.build(context, services)
        self.log_subject(context, request.params, f"{request.step} of {request.model}.")
        self.log.info("  key %s", request.key)
        span.set({"slipstream.key": request.key})
        services.ledger.record(request)
        generation = self._generation(request, context, services)
        services.sweep(request.key, generation)
        known = services.ledger.result(request.key, generation)
        span.set({"slipstream.reused": known is not None})
        if known is not None:
            self._log_result(known, services, reused=True)
            return self._deliver(known, context, services)
        if self.where == "job" and not is_retry(context):
            self._end_unwatched(request.key, generation, context, services)
        backend = "task" if self.where == "process" else services.settings.job_backend
        attempt = services.ledger.open_attempt(request.key, generation, self.machine(context, services).told(backend))
        about = {name: request.params[name] for name in ("day", "as_of") if name in request.params}
        self._show_progress(context, {**about, "key": request.key, "generation": generation, "attempt": attempt.number})
        if self.where == "process":
            return self.compute(request, attempt, context, services)
        return self._wait(attempt, context, services)

    def compute(self, request: Request, attempt: Attempt, context: Context, services: Services) -> Json:
        """In this process, where this machine has what it needs."""
        needs = self._needs(attempt, context, services)
        require_hardware(needs.resources, "a step in the task's own process")
        settings = services.for_request(request)
        settings = replace(settings, environ={**settings.environ, **needs.handed_on()})
        try:
            with within(needs.seconds, lambda: too_late(needs, kept(attempt, services))):
                result = perform(request, attempt, services.ledger, settings)
        except MemoryLimitError as short:
            services.ledger.record_error(attempt, short)
            services.ledger.end_attempt(attempt, str(short))
            raise told_once_more(short, attempt, services) from short
        self._log_result(result, services)
        return self._deliver(result, context, services)

    def wants_fresh(self, context: Context) -> bool:
        return self.fresh or wants_fresh(context)

    def _generation(self, request: Request, context: Context, services: Services) -> int:
        """The generation this run works on. A committed result whose bytes changed is never served again."""
        ledger, key = services.ledger, request.key
        if self.wants_fresh(context):
            return ledger.open_generation(key, run_token(context), "fresh")
        generation = ledger.current(key)
        known = ledger.result(key, generation)
        if known is not None and (broken := ledger.verify(known)):
            self.log.warning("%s is damaged (%s): computing it again.", known.path, ", ".join(broken))
            return ledger.open_generation(key, f"repair:g{generation}", f"damaged: {', '.join(broken)}")
        return generation

    def _end_unwatched(self, key: str, generation: int, context: Context, services: Services) -> None:
        """Where a person or a new run asks: a job that ended while nobody waited is logged, and another attempt is made. So it is
        where the attempt's time passed before there was a job.

        A retry of Airflow's own adopts such a job, and reports what became of it: to stop a job must stop its task.
        """
        ledger = services.ledger
        attempt = ledger.live_attempt(key, generation)
        if attempt is None or ledger.result(key, generation):
            return
        status = services.jobs().status(attempt.job)
        never = status is JobStatus.UNKNOWN and is_late(self._needs(attempt, context, services))
        if not (status.over or never):
            return
        error = ledger.error(attempt)
        words = f"{status}, with nobody waiting for it{f': {error}' if error else ''}"
        self.log.warning("Job %s ended as %s. Another attempt is made, from its checkpoints.", attempt.job, words)
        ledger.end_attempt(attempt, words)

    def _wait(self, attempt: Attempt, context: Context, services: Services) -> Json:
        jobs = services.jobs()
        self.links["Job"] = jobs.url(attempt.job)
        self._say_who_waits(attempt, context, services)
        needs = self._needs(attempt, context, services)
        fault.point("compute.submit")
        jobs.submit(job_of(attempt, services.ledger, needs))
        fault.point("compute.submitted")
        if self.deferrable and not self._is_over(attempt, jobs):
            self._defer(attempt, needs, services)
        said = ""
        while not (status := jobs.status(attempt.job)).over:
            if is_late(needs):
                return self._late(attempt, needs, context, services)
            if status is JobStatus.UNKNOWN:  # the backend forgot it: same name, so still one job
                jobs.submit(job_of(attempt, services.ledger, needs))
            if status is JobStatus.PENDING and (waits := jobs.waits_for(attempt.job)) != said:
                self.log.info("Job %s waits: %s", attempt.job, said := waits)
            time.sleep(self.poll_seconds)
        return self._settle(attempt, status, context, services)

    def _needs(self, attempt: Attempt, context: Context, services: Services) -> Needs:
        """With the moment at which the attempt is to be over: in the task's own process from now on, else since it was opened."""
        needs = self.machine(context, services)
        if not needs.seconds:
            return needs
        opened = services.ledger.opened_at(attempt) if self.where == "job" else None
        return replace(needs, until=(opened.timestamp() if opened else time.time()) + needs.seconds)

    def _is_over(self, attempt: Attempt, jobs: JobBackend) -> bool:
        """A backend that does not answer now, or asks for fewer questions, says nothing of the job: the trigger asks again."""
        try:
            return jobs.status(attempt.job).over
        except UnreachableError as error:
            self.log.warning("Job %s was submitted; its status could not be had: %s", attempt.job, error.what)
            return False

    def _say_who_waits(self, attempt: Attempt, context: Context, services: Services) -> None:
        """In an author's own DAG: the reconciler and `slipstream jobs` know those that are made from a spec by their names."""
        from include.governance.waiters import Waiter, own_dag, record

        ti = context["ti"]
        if ti.dag_id != own_dag(self.model, self.step):
            record(services.control, attempt.job, Waiter(ti.dag_id, ti.run_id, ti.task_id))

    def _defer(self, attempt: Attempt, needs: Needs, services: Services) -> NoReturn:
        self.defer(
            trigger=JobTrigger(services.settings.job_backend, attempt.job, self.poll_seconds, needs.until),
            method_name="resume",
            kwargs={"key": attempt.key, "generation": attempt.generation, "number": attempt.number},
        )

    def resume(self, context: Context, event: Mapping[str, Any], key: str, generation: int, number: int) -> Json:
        """Called when the trigger fired. What it said is not trusted: the backend is asked again."""
        with seen(f"task {self.step}", self.model, context, {"slipstream.key": key, "slipstream.resumed": True}):
            return self._resume(context, Attempt(key, generation, number))

    def _resume(self, context: Context, attempt: Attempt) -> Json:
        services = open_services()
        status = services.jobs().status(attempt.job)
        self.links["Job"] = services.jobs().url(attempt.job)  # this is a new operator: what execute set is gone
        if services.ledger.result(attempt.key, attempt.generation) is None and not status.over:
            needs = self._needs(attempt, context, services)
            if is_late(needs):
                return self._late(attempt, needs, context, services)
            return self._wait(attempt, context, services)
        return self._settle(attempt, status, context, services)

    def _settle(self, attempt: Attempt, status: JobStatus, context: Context, services: Services) -> Json:
        ledger = services.ledger
        result = ledger.result(attempt.key, attempt.generation)
        if result is not None:
            if broken := ledger.verify(result):
                raise IntegrityError(f"{result.path} is damaged.", seen=broken, hint="clear the task: it is computed again.")
            self._log_result(result, services)
            return self._deliver(result, context, services)
        raise failure(attempt, status, services)

    def _late(self, attempt: Attempt, needs: Needs, context: Context, services: Services) -> Json:
        """Its time is over: the job is stopped, and what it has committed by then is taken."""
        if (error := stop_late(attempt, needs, services)) is not None:
            raise error
        return self._settle(attempt, JobStatus.SUCCEEDED, context, services)

    def _log_result(self, result: Result, services: Services, *, reused: bool = False) -> None:
        """What was computed, in a few lines: before it is delivered, so that a verdict that stops the task is logged too."""
        made = f"attempt {result.attempt} in {result.seconds:.1f} s, {result.committed_at[:19]} UTC"
        head = f"{'Reused' if reused else 'Computed'} {result.key}, generation {result.generation} ({made}):"
        self.log_summary(head, [*summary(self.step, result.value), f"it lies at {services.storage.uri(result.path)}"])
        if reused:
            self.log.info("  to compute it anew: run with fresh=true, or `slipstream invalidate %s` and clear.", result.key)

    def _deliver(self, result: Result, context: Context, services: Services) -> Json:
        self.result = result
        fault.point("compute.deliver")
        value = self.deliver(result, context, services)
        fault.point("compute.delivered")
        return value

    def _show_progress(self, context: Context, progress: dict[str, Any]) -> None:
        """Show in the UI what this run works on. The ledger needs none of it: losing it is harmless."""
        store = context.get("task_state_store")
        if store is not None:
            store.set("slipstream", progress)

    # on_kill is deliberately not overridden: Airflow calls it on clear too, after the next try has
    # adopted the job. A job is stopped by `slipstream cancel`.


class ReconcileOperator(SlipstreamOperator):
    """Makes the world match a desired state. Every mutation is keyed and fenced by `epoch`."""

    # Seconds to wait for others that may rightly do the same at this moment. 0: whoever comes last does it, at once.
    lock_timeout: ClassVar[float] = 0

    def resource(self, context: Context) -> str:
        """What this task mutates. Starting it fences off every attempt that started before."""
        raise TypeError(f"{type(self).__name__} must define resource()")

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        raise TypeError(f"{type(self).__name__} must define reconcile()")

    def done(self, services: Services) -> dict[str, Any] | None:
        """What was done before, where nothing is left to do; else None. Looked at before the resource is taken: an attempt that
        comes late, or is cleared when others have gone on, fences nobody off."""
        del services
        return None

    def about(self, context: Context) -> Mapping[str, Any]:
        """The `day` or `as_of` that the task is about, if it is about one."""
        del context
        return {}

    def summary_lines(self, value: Mapping[str, Any]) -> Iterable[str]:
        """What it found or changed, in a few lines."""
        return summary("", value)

    def execute(self, context: Context) -> dict[str, Any]:
        with seen(f"task {type(self).__name__.removesuffix('Operator')}", self.model, context) as span:
            return self._execute(context, span)

    def _execute(self, context: Context, span: Span) -> dict[str, Any]:
        services, started = open_services(), time.monotonic()
        services.sweep()
        fault.point("reconcile.begin")
        resource, who = self.resource(context), holder(context)
        span.set({"slipstream.resource": resource})
        self.log_subject(context, self.about(context))
        if (known := self.done(services)) is not None:
            value = known
        elif self.lock_timeout:
            value = self._with_lock(resource, who, context, services)
        else:
            value = self.reconcile(context, services, services.control.take(resource, who))
        fault.point("reconcile.done")
        self.log_summary(f"{resource} is as it should be, after {time.monotonic() - started:.1f} s:", self.summary_lines(value))
        return value

    def _with_lock(self, resource: str, who: str, context: Context, services: Services) -> dict[str, Any]:
        from include.core.advisory_lock import exclusive  # SQLAlchemy: not while DAG files are parsed

        for last in (False, False, True):
            try:
                with exclusive(services.control, resource, who, self.lock_timeout) as epoch:
                    return self.reconcile(context, services, epoch)
            except FencedError:  # it took longer than the others wait: what they did is found now
                if last:
                    raise
        raise AssertionError("the loop returns or raises")
