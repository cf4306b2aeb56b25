"""The DAG that takes in many days of features as one unit of work, and its one task."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from include.core.errors import DataError
from include.core.request import Json
from include.core.spec import PartitionOwner
from include.core.time import MICROSECOND
from operators.base import SlipstreamOperator
from operators.hooks import open_services
from operators.run import holder, is_backfill, is_manual, run_token, wants_fresh


class TakeInFeaturesOperator(SlipstreamOperator):
    """Validates, publishes and brings online every day from `first` to `last`, both included; each day commits by itself.

    Days that are done are found. A failed day is named, and holds nothing up; the task is red at the end, with the command
    that goes on. Killed, retried or cleared it goes on at the first day that is missing.

    :param first: the first day, `YYYY-MM-DD`; templated. Empty: the run's parameter `from`, else its data interval's first day
    :param last: the last day; templated. Empty: the run's parameter `to`, else its data interval's last day
    :param workers: processes that make days beside each other; None: as many as there are processors, 0: none

    **Example** ::

        TakeInFeaturesOperator(task_id="take_in", model="flight_delay", first="2013-01-01", last="2013-12-31")
    """

    template_fields = ("first", "last")

    def __init__(self, *, first: str = "", last: str = "", workers: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.first, self.last, self.workers = first, last, workers

    def execute(self, context: Context) -> Mapping[str, Json]:
        from include.ranges.take_in import Range, take_in

        services = open_services()
        spec = services.owner(self.model)
        span = self._span(spec, context)
        self.log.info("The days %s of %s.", span, self.model)
        services.sweep()
        done = take_in(
            Range(
                spec=spec,
                span=span,
                ledger=services.ledger,
                control=services.control,
                settings=services.settings,
                store=services.online,
                run=run_token(context),
                holder=holder(context),
                fresh=run_token(context) if wants_fresh(context) else "",
                workers=self.workers,
                say=lambda words: self.log.info("%s", words),
                warn=lambda words: self.log.warning("%s", words),
            )
        )
        self.log_summary(f"{span} of {self.model} are published and online, after {done.seconds:.1f} s:", [done.words])
        return {"from": done.first, "to": done.last, "days": done.days, "found": done.found, "made": done.made}

    def _span(self, spec: PartitionOwner, context: Context) -> Any:
        """The days: as arguments, else of the run's parameters, else of its data interval, as far as the source has them."""
        from include.ranges.span import Span

        params, cadence = context["params"], spec.data.cadence
        first, last = self.first or params.get("from"), self.last or params.get("to")
        if first or last:
            return Span.of(first, last, cadence)
        start, end = context.get("data_interval_start"), context.get("data_interval_end")
        if is_manual(context) or not isinstance(start, datetime) or not isinstance(end, datetime):
            raise DataError(
                "This run has no range of days.",
                safe="nothing was computed; what is published stays.",
                hint=f'trigger {context["ti"].dag_id} with both: --conf \'{{"from": "2013-01-01", "to": "2013-01-31"}}\'.',
            )
        if not is_backfill(context):
            raise AirflowSkipException(
                f"By the clock {self.model}_features makes each day: ranges are for backfills and for people."
            )
        span = Span(cadence.at(start), cadence.at(max(start, end - MICROSECOND)), cadence)
        within = span.clipped(spec)
        if within is None:
            raise AirflowSkipException(
                f"{span} are outside the source's days ({spec.data.first} to {spec.data.last or 'now'}): nothing to do."
            )
        return within
