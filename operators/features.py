"""Tasks that make features: a day's offline partition, its online values, and a training set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from airflow.sdk import Context

from include.core.errors import SupersededError
from include.core.request import Json, Request, Result
from include.services.services import Services
from operators.base import ComputeOperator, ReconcileOperator
from operators.run import holder, partition_day, pulled, pulled_json


class PublishFeaturesOperator(ComputeOperator):
    """Computes a day's feature partition and publishes it: readers see the old one or the new one, never half."""

    step = "features"
    function = "include.features.features_step:run"

    def build(self, context: Context, services: Services) -> Request:
        from include.features.request import features_request

        return features_request(services.spec(self.model), partition_day(context), services.storage, pulled(context, "validate"))

    def deliver(self, result: Result, context: Context, services: Services) -> Json:
        """Publish what is still right. Of several publishers at once the first does it; the others see that it is done."""
        from include.core.advisory_lock import exclusive
        from include.data.published import publish, resource

        day, ref = date.fromisoformat(result.value["day"]), services.ledger.ref(result)
        with exclusive(services.control, resource(self.model, day), holder(context)) as epoch:
            self._require_current(result, context, services)  # after the take: whoever replaces it takes later, and fences us
            share = services.spec(self.model).data.minimum_share
            changed = publish(services.control, self.model, day, ref, result.value["rows"], epoch, share)
        self._log_missing(day, result)
        self.log.info("%s", f"{day} is published now." if changed else f"{day} was published with this result already.")
        if changed:
            self._log_late(day, services)
        return ref.to_json()

    def _log_missing(self, day: date, result: Result) -> None:
        for source, days in result.value.get("lacked", {}).items():
            self.log.warning("The features of %s lack %s of %s: those partitions of its look-back have not landed. When they do, "
                             "the day is to be made again (docs/operating.md).", day, source, ", ".join(days))  # fmt: skip

    def _log_late(self, day: date, services: Services) -> None:
        """Later days that read this one's partitions as they were before, or lacked them."""
        from include.data.published import published
        from include.data.raw import RawPartitions
        from include.features.offline.late import Digests, late_days, made_of

        data, raw = services.spec(self.model).data, RawPartitions(services.storage, self.model)
        refs = published(services.control, self.model, day + timedelta(days=1), day + timedelta(days=data.lookback_days))
        late = late_days(raw, data, made_of(services.ledger, refs, {}), Digests(trust_times=True)) if refs else []
        for each in late:
            self.log.warning("%s is to be made again: %s.", each.day, each.words)
        if late:
            self.log.warning("The watcher of landed days does that (triggers.landing), or what this command says: "
                             "slipstream features catch-up %s", self.model)  # fmt: skip

    def _require_current(self, result: Result, context: Context, services: Services) -> None:
        """Raises SupersededError if this run has read raw partitions, or code, that were replaced meanwhile."""
        if self.build(context, services).key != result.key:
            raise SupersededError(
                f"The features of {result.value['day']} were computed from partitions or code that have changed since.",
                seen=result.key,
                safe="nothing was published; the published partition stays.",
                hint="clear the run from its first task: it takes what is there now.",
            )


class MaterializeFeaturesOperator(ReconcileOperator):
    """Brings the day's newest values online, then reads them back and compares."""

    def resource(self, context: Context) -> str:
        return f"materialize/{self.model}/{partition_day(context)}"

    def about(self, context: Context) -> Mapping[str, Any]:
        return {"day": partition_day(context).isoformat()}

    def summary_lines(self, value: Mapping[str, Any]) -> Iterable[str]:
        for name, seen in value["views"].items():
            rows = f"{seen['entities']:,} entities, {seen['written']:,} written, {seen['newer']:,} newer online already"
            yield f"{name}: {rows}"

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.features.online.materialize import materialize

        result = services.ledger.resolve(pulled(context, "publish"))
        return materialize(services.spec(self.model), result, services.ledger, services.settings)


class BuildTrainingSetOperator(ComputeOperator):
    """The training set as it could have been known at `as_of`: an immutable snapshot with a digest."""

    step = "training_set"
    function = "include.features.training_set_step:run"

    def build(self, context: Context, services: Services) -> Request:
        from include.features.request import training_set_request

        spec, plan = services.spec(self.model), pulled_json(context, "plan")
        withdrawn = pulled(context, "withdrawn") if spec.training.without_withdrawn else None
        return training_set_request(spec, datetime.fromisoformat(plan["as_of"]), services.control, withdrawn=withdrawn)


class ListWithdrawnOperator(ComputeOperator):
    """The requests that rolled-back versions answered: the training set leaves them out (`training.without_withdrawn`)."""

    step = "withdrawn"
    function = "include.features.withdrawn_step:run"

    def build(self, context: Context, services: Services) -> Request:
        from include.features.withdrawn_step import snapshot
        from include.rollout.history import withdrawn

        gone = withdrawn(services.control, self.model)
        return snapshot(services.settings, services.spec(self.model), pulled_json(context, "plan")["as_of"], gone)
