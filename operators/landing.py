"""Raw partitions from a warehouse: a query or job that is started once, and a wait for the warehouse to have the day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context

from include.core.errors import DataError, PermanentError, TransientError
from include.core.ledger import Attempt
from include.core.partition import Partition
from include.core.request import Json, Request, Result
from include.core.spec import PartitionOwner
from include.core.task import perform
from include.services.services import Services
from operators.base import ComputeOperator
from operators.hooks import open_services
from operators.run import holder, run_partition, said
from operators.seen import seen
from operators.sensors import SlipstreamSensor, skip_outside
from operators.summary import subject
from operators.triggers import QuestionTrigger, described

if TYPE_CHECKING:
    from include.landing.warehouse import Warehouse

WAIT_SECONDS = 6 * 3600.0  # of one wait in the triggerer; a query that takes longer is waited for again


class LandFromWarehouseOperator(ComputeOperator):
    """Lands a day of a source, or a range of days, from Athena, Redshift or EMR Serverless (`data.warehouse` of the spec).

    The query is started once, whatever becomes of the task, and writes to a folder of its own. Its rows are checked and
    committed as one result; each day is then one raw partition, written whole. Equal queries and days are landed once: to ask the
    warehouse anew, run with `fresh`. A day that comes out otherwise replaces its partition, and is made again like any day that
    landed late. Returns a reference to the result.

    :param source: the source, templated
    :param day: the day (UTC), templated; else the run's parameter `day`, its event's, or the start of its data interval
    :param first: of several days instead, templated
    :param last: of these, included
    :param deferrable: wait for the query in the triggerer; else by polling in place
    :param poll_seconds: how often the engine is asked whether it is done

    **Example** ::

        ready = WarehouseSensor(task_id="ready", model="flight_delay", source="flights", day="{{ ds }}", timeout=86_400)
        landed = LandFromWarehouseOperator(task_id="land", model="flight_delay", source="flights", day="{{ ds }}")
        ready >> landed >> features_group("flight_delay", day="{{ ds }}", wait=False).group
    """

    step = "land"
    function = "include.landing.land_step:run"
    template_fields = ("source", "day", "first", "last")

    def __init__(
        self,
        *,
        source: str,
        day: date | str | None = None,
        first: date | str | None = None,
        last: date | str | None = None,
        poll_seconds: float = 10.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(poll_seconds=poll_seconds, **kwargs)
        self.source, self.day, self.first, self.last = source, day, first, last

    def build(self, context: Context, services: Services) -> Request:
        from include.landing.request import land_request

        spec = services.owner(self.model)
        first, last = self._days(context, spec)
        for day in (first, last):
            skip_outside(spec, day)
        return land_request(spec, self.source, first, last)

    def _days(self, context: Context, spec: PartitionOwner) -> tuple[Partition, Partition]:
        given = [said(each) for each in (self.first, self.last)]
        if not any(given):
            day = run_partition(context, spec.data.cadence, self.day)
            return day, day
        if not all(given) or said(self.day):
            raise DataError(
                "A landing is of one day, or of a first and a last day.",
                seen={"day": said(self.day), "first": given[0], "last": given[1]},
                hint="give day, or both first and last.",
            )
        return run_partition(context, spec.data.cadence, given[0]), run_partition(context, spec.data.cadence, given[1])

    # -- the query, and then its rows ------------------------------------------------------------------

    def compute(self, request: Request, attempt: Attempt, context: Context, services: Services) -> Json:
        from include.landing.land_step import step_with
        from include.landing.query import query_of
        from include.landing.warehouse import State

        warehouse = self._warehouse(request, services)
        query = query_of(request, attempt, services.storage, warehouse)
        self.log.info("  query %s of %s", query, request.params["warehouse"]["engine"])
        if self.deferrable and warehouse.look(query).state is State.RUNNING:
            of_attempt = {"key": attempt.key, "generation": attempt.generation, "number": attempt.number}
            self.defer(
                trigger=QuestionTrigger(f"{__name__}:query_over", {"key": attempt.key, "query": query}, WAIT_SECONDS,
                                        self.poll_seconds),
                method_name="resume_landing",
                kwargs=of_attempt,
            )  # fmt: skip
        try:
            result = perform(request, attempt, services.ledger, services.settings, step_with(warehouse, self.poll_seconds))
        except PermanentError:
            # Another run of the same days was faster, and has cleared away what the engine wrote.
            done = services.ledger.result(attempt.key, attempt.generation)
            if done is None:
                raise
            result = done
        self._log_result(result, services)
        return self._deliver(result, context, services)

    def resume_landing(self, context: Context, event: Mapping[str, Any], key: str, generation: int, number: int) -> Json:
        """Called when the trigger fired. What it said is not trusted: the engine is asked again."""
        del event
        with seen(f"task {self.step}", self.model, context, {"slipstream.key": key, "slipstream.resumed": True}):
            services = open_services()
            known = services.ledger.result(key, generation)
            if known is not None:
                return self._deliver(known, context, services)
            return self.compute(services.ledger.request(key), Attempt(key, generation, number), context, services)

    def deliver(self, result: Result, context: Context, services: Services) -> Json:
        """Its days to their places, by a fence for each of them; then the engine's own files go."""
        from include.forgetting.again import without_forgotten
        from include.landing.delivery import clear_away, deliver

        result = without_forgotten(result, services.ledger, services.owner(self.model), services.settings)
        done = deliver(result, services.ledger, services.control, holder(context))
        for day, what in done.items():
            self.log.info("  %s: %s", day, what)
        clear_away(result, services.storage)
        return super().deliver(result, context, services)

    def _warehouse(self, request: Request, services: Services) -> Warehouse:
        from include.landing.warehouse import open_warehouse

        return open_warehouse(request.params["warehouse"], services.aws)


def query_over(key: str, query: str) -> str | None:
    """What has become of the query of a landing; None while it runs. For the triggerer, which only looks."""
    from include.landing.warehouse import State, open_warehouse

    services = open_services()
    section = services.ledger.request(key).params["warehouse"]
    try:
        state = open_warehouse(section, services.aws).look(query).state
    except PermanentError:  # the task asks the engine itself, and reports it
        return "refused"
    return None if state is State.RUNNING else str(state)


class WarehouseSensor(SlipstreamSensor):
    """Succeeds when the warehouse has the day: the partition of the Glue catalogue is there, and the question returns a row.

    Which of the two is asked, the spec says (`data.warehouse`: `table` and `partition`, `ready`). It frees its slot between
    looks. A day outside the source's own range is skipped.

    :param source: the source, templated
    :param day: the day (UTC), templated; else the run's parameter `day`, its event's, or the start of its data interval

    **Example** ::

        ready = WarehouseSensor(task_id="ready", model="flight_delay", source="flights", day="{{ ds }}", timeout=86_400)
    """

    template_fields = ("source", "day")

    def __init__(self, *, source: str, day: date | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source, self.day = source, day

    def poke(self, context: Context) -> bool:
        from include.landing.ready import lacks
        from include.landing.request import section_of

        services = open_services()
        spec = services.owner(self.model)
        day = run_partition(context, spec.data.cadence, self.day)
        skip_outside(spec, day)
        try:
            missing = lacks(section_of(spec, self.source), day, services.aws, self._seconds())
        except (TransientError, OSError) as error:
            self.log.warning("This check failed, the next comes in %g s: %s", self.poke_interval, described(error))
            return False
        if missing:
            self.log.info("%s Waiting for %s", subject(context, {"day": day.name}), missing)
        return not missing

    def _seconds(self) -> float:
        every: timedelta | float = self.poke_interval
        return every.total_seconds() if isinstance(every, timedelta) else float(every)
