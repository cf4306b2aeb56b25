"""A model worked on by hand: the steps of its DAGs, one call each, with the same code, ledger and keys."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from include.core.compute import Computed, find_or_compute
from include.core.errors import DataError
from include.core.hardware import require_hardware
from include.core.nearest import nearest_day
from include.core.needs import Needs
from include.core.request import Ref, Request
from include.core.settings import Settings
from include.core.spec import ModelSpec, PartitionOwner, View
from include.data.landed import whole_days
from include.data.published import newest, published_within
from include.evaluation.request import evaluate_request, measured_again
from include.features.request import training_set_request
from include.features.withdrawn_step import snapshot
from include.local.connections import read_file
from include.local.environment import quiet
from include.monitoring.feedback_step import told_snapshot
from include.notebook.arguments import Moment, as_moment, days_of, known_params, name_of
from include.notebook.comparison import Comparison, refuse_incomparable, refuse_seen
from include.notebook.days import MadeDay, Say, make_days
from include.notebook.fits import Other, find_fit
from include.notebook.fresh_code import refresh
from include.notebook.jobs import find_or_submit
from include.notebook.results import Evaluation, Fit, TrainingSet
from include.overview.models import require_model
from include.point_in_time.known import first_reach
from include.rollout.history import withdrawn
from include.services.services import Services
from include.step_values.evaluation import EvaluateValue
from include.step_values.validation import ValidateValue
from include.training.request import train_request, tune_request
from include.training.run_resources import needs_of
from include.validation.request import training_set_verdict_request
from include.validation.verdict import raise_if_failed

Missing = Literal["make", "refuse", "ignore"]
SHOWN = 5  # days of a message


class Model:
    """One model, by name.

    >>> model = Model("churn")
    >>> data = model.training_set("2024-02-15")      # rows as they were known then
    >>> data.train.head()                            # a pandas DataFrame
    >>> fit = model.fit(data, params={"trees": 90})
    >>> model.evaluate(fit)                          # held-out rows, baselines, champion, gate
    >>> model.compare(fit, model.fit(data))          # or against the champion: model.compare(fit)

    Every result is found by its key if a DAG, or you, computed it before; what is computed here is found by the DAGs. No platform
    has to run: with an empty home, days that have landed are validated, made into features and published as they are needed.

    `services`: the stores to work on, by default those of the environment and of `<home>/connections.env`. `say`: where progress
    goes, by default `print`. Raises DataError for an unknown model, SpecError for a broken one.
    """

    def __init__(self, name: str, *, services: Services | None = None, say: Say = print) -> None:
        self.name = name
        self.services = services if services is not None else open_here()
        self._say = say
        self.services.settings.scratch()  # makes the home, where nothing has ever run
        require_model(name, self.services.settings.models, lambda: self.services.control)
        self.spec  # noqa: B018 - a broken one is refused now

    @property
    def spec(self) -> ModelSpec:
        """The spec as its file says it now. What was imported of the model before it was edited is imported anew."""
        spec = self.services.spec(self.name)
        if refresh(spec):
            spec = self.services.spec(self.name)
        return spec

    @property
    def champion(self) -> Fit | None:
        """The fit in production; None where there is none."""
        record = self.services.champion(self.name)
        return None if record is None else self._stored(record.entry.lineage.train)

    # -- data ------------------------------------------------------------------------------------------

    def features(self, first: Moment, last: Moment | None = None) -> list[MadeDay]:
        """Validate, compute and publish the days from `first` to `last`, both included, as the features DAG does.

        Of a model whose partitions are no days: partitions by their names, or all that begin in those days.

        A day whose inputs are as they were is found. A corrected one replaces what was published. Raises DataError for a day
        that has not landed whole; a day that fails is named, and holds up no other.
        """
        spec = self.spec
        cadence = spec.data.cadence
        days = cadence.between(days_of(cadence, first)[0], days_of(cadence, first if last is None else last)[-1])
        landed = whole_days(spec, self.services.storage)
        if missing := [day for day in days if day not in set(landed)]:
            raise DataError(
                f"{len(missing)} of the days have not landed with all their sources ({', '.join(spec.data.sources)}).",
                seen=", ".join(map(str, missing[:SHOWN])),
                safe="nothing was computed.",
                hint=f"land them; {nearest_day(missing[0], landed)}",
            )
        return make_days(self.services, spec, days, _actor(), self._say)

    def training_set(self, as_of: Moment | None = None, *, missing: Missing = "make") -> TrainingSet:
        """The rows as they were known at `as_of`: `.train`, `.holdout` and `.frame` are pandas DataFrames.

        `as_of`: a day or a time, UTC; by default the end of the newest day that has landed. `missing`: what becomes of days that
        have landed and are not published yet. "make" makes their features here, "refuse" raises DataError, and "ignore" takes
        what is published, as the training DAG does. Raises DataError where the rows cannot be trained on.

        >>> model.training_set("2024-02-15").frame.groupby("held_out")["sent_back"].mean()
        """
        spec = self.spec
        at = self._moment(spec, as_of)
        if missing != "ignore":
            self._need_days(spec, at, missing)
        gone, told = self._withdrawn(spec, at), self._told(spec, at)
        request = training_set_request(spec, at, self.services.control, withdrawn=gone, feedback=told)
        return TrainingSet(self.name, self._compute(request), self.services)

    # -- models ----------------------------------------------------------------------------------------

    def fit(
        self,
        data: TrainingSet | Moment | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        tune: bool = False,
        job: bool = False,
    ) -> Fit:
        """Fit the model to a training set, or to the one as of a moment, once its rows have passed validation.

        `params`: in place of the spec's of those names. `tune`: search the spec's grid first, and take the best. `job`: fit as
        a job of the job backend (workers, another machine) and wait for it, in place of this process. Raises ValidationFailed
        for rows that break a rule, DataError for unknown parameters, and what `fit` raises as CodeError.

        >>> model.fit("2024-02-15", params={"learning_rate": 0.05}).metrics["auc"]
        """
        spec = self.spec
        chosen = known_params(spec, params or {})
        rows = data if isinstance(data, TrainingSet) else self.training_set(data)
        verdict = self._compute(training_set_verdict_request(spec, rows.ref)).result
        raise_if_failed(verdict.read(ValidateValue), {n: self.services.storage.uri(f.path) for n, f in verdict.files.items()})
        needs = replace(needs_of(spec), seconds=0.0)  # who waits here ends it by hand
        if tune:
            chosen = {**self._compute(tune_request(spec, rows.ref), needs, job=job).result.value["params"], **chosen}
        return Fit(self.name, self._compute(train_request(spec, rows.ref, chosen), needs, job=job), self.services)

    def evaluate(self, fit: Fit | TrainingSet | Moment | None = None, *, champion: bool = True) -> Evaluation:
        """Measure a fit on its held-out rows, beside the baselines and the champion; the gate says whether it may go on.

        `fit`: or what to fit first. `champion`: False compares with nothing, as a backfill does. A gate that the latency alone
        has closed is measured again by each call, as by each run of the DAG's task.

        >>> model.evaluate(fit).passed
        """
        made = fit if isinstance(fit, Fit) else self.fit(fit)
        spec, record = self.spec, self.services.champion(self.name) if champion else None
        other = None if record is None else record.entry.lineage.train
        if record is not None:
            self._warn_seen(made.training_set, record.entry.lineage.training_set)
        request = measured_again(evaluate_request(spec, made.training_set, made.ref, other), self.services.ledger)
        return Evaluation(self.name, self._compute(request), self.services)

    def compare(self, one: Other, other: Other = "champion", *, on: TrainingSet | None = None) -> Comparison:
        """Two fits on the same held-out rows, row by row: by how much `one` is better, and whether that may be chance.

        Each is a fit, the key of one or the beginning of it, a version's number, or "champion". `on`: the training set whose
        holdout is used, by default that of the later one. Raises DataError where one of them has learnt from those rows.

        >>> model.compare(fit).verdict
        """
        first, second = self.find(one), self.find(other)
        if first.digest == second.digest:
            raise DataError("Both are the same fit.", seen=first.key, safe="nothing was measured.", hint="name two fits.")
        names = name_of(one, first), name_of(other, second)
        holdout = on.ref if on is not None else max((first, second), key=self._as_of).training_set
        refuse_seen(self.services.ledger, holdout, dict(zip(names, (first.training_set, second.training_set), strict=True)))
        spec = self.spec
        found = self._compute(evaluate_request(spec, holdout, first.ref, second.ref))
        refuse_incomparable(found.result.read(EvaluateValue))
        return Comparison(self.name, found, self.services, *names, spec.evaluation.metric)

    def find(self, which: Other) -> Fit:
        """A fit by its key or the beginning of it, by a version's number, or "champion". Raises DataError for none, or several.

        >>> model.find("train/3fa9")
        """
        return which if isinstance(which, Fit) else self._stored(find_fit(self.services, self.name, which))

    # -- what they share -------------------------------------------------------------------------------

    def _compute(self, request: Request, needs: Needs = Needs(), *, job: bool = False) -> Computed:  # noqa: B008 - frozen
        if job:
            return find_or_submit(request, self.services, needs=needs)
        require_hardware(needs.resources, "a fit in this process")
        settings = self.services.with_connection("slipstream_mlflow")
        given = replace(settings, environ={**settings.environ, **needs.handed_on()})
        return find_or_compute(request, self.services.ledger, given)

    def _stored(self, ref: Ref) -> Fit:
        return Fit(self.name, Computed(self.services.ledger.resolve(ref), reused=True), self.services)

    def _as_of(self, fit: Fit) -> str:
        return str(self.services.ledger.resolve(fit.training_set).value["as_of"])

    def _moment(self, spec: ModelSpec, as_of: Moment | None) -> datetime:
        """UTC, without zone."""
        if as_of is not None:
            return as_moment(as_of)
        last = [*whole_days(spec, self.services.storage)[-1:], *filter(None, [newest(self.services.control, self.name)])]
        if not last:
            raise DataError(
                f"No day of {self.name} has landed with all its sources ({', '.join(spec.data.sources)}).",
                seen=self.services.storage.uri(f"raw/{self.name}"),
                safe="nothing was computed.",
                hint=f"land days as raw/{self.name}/SOURCE/{spec.data.cadence.folder}/part.parquet there.",
            )
        return max(last).end

    def _nearest(self, spec: PartitionOwner, at: datetime) -> str:
        return nearest_day(spec.data.cadence.at(at), whole_days(spec, self.services.storage))

    def _need_days(self, spec: ModelSpec, at: datetime, missing: Missing) -> None:
        """Days that the training set may read, the model's own and those of its feature sets, that have landed and that are not
        published: made, or refused."""
        self._need_days_of(spec, spec.features.own, spec.training.window_days, at, missing)
        for name in spec.features.owners:
            views = [view for view in spec.features.shared if view.set == name]
            self._need_days_of(self.services.owner(name), views, spec.training.window_days, at, missing)

    def _need_days_of(
        self, spec: PartitionOwner, views: Sequence[View], window_days: int, at: datetime, missing: Missing
    ) -> None:
        first = first_reach(views, at - timedelta(days=window_days))
        there = published_within(self.services.control, spec.name, first, at)
        landed = [day for day in whole_days(spec, self.services.storage) if day.end > first and day.end <= at]
        wanted = [day for day in landed if day not in there]
        if not landed and not there:
            raise DataError(
                f"No day of {spec.name} in the {window_days} before {at} has landed with all its sources, and none is published.",
                seen=self.services.storage.uri(f"raw/{spec.name}"),
                safe="nothing was computed.",
                hint=f"land days there, or move as_of; {self._nearest(spec, at)}",
            )
        if wanted and missing == "refuse":
            raise DataError(
                f"{len(wanted)} of {len(landed)} days of {spec.name} that have landed are not published.",
                seen=", ".join(map(str, wanted[:SHOWN])),
                safe="nothing was computed.",
                hint=f"slipstream training-set {self.name} makes them, or trigger the DAG {spec.name}_features for each.",
            )
        if not wanted:
            return
        self._say(f"{len(wanted)} of {len(landed)} days of {spec.name} are not published: their features are made here.")
        failed = [made for made in make_days(self.services, spec, wanted, _actor(), self._say) if made.state == "failed"]
        if failed:
            self._say(f"warning: the training set lacks {len(failed)} days that failed: {', '.join(str(m.day) for m in failed)}")

    def _withdrawn(self, spec: ModelSpec, at: datetime) -> Ref | None:
        if not spec.training.without_withdrawn:
            return None
        gone: Sequence[int] = withdrawn(self.services.control, self.name)
        found = self._compute(snapshot(self.services.prediction_log, spec, at.isoformat(), gone))
        return self.services.ledger.ref(found.result)

    def _told(self, spec: ModelSpec, at: datetime) -> Ref | None:
        if "training" not in spec.serving.feedback:
            return None
        found = self._compute(told_snapshot(self.services.prediction_log, spec, at, spec.training.window_days))
        return self.services.ledger.ref(found.result)

    def _warn_seen(self, holdout: Ref, of_champion: Ref) -> None:
        try:
            refuse_seen(self.services.ledger, holdout, {"the champion": of_champion})
        except DataError as error:
            self._say(f"warning: {error.what}")

    def __repr__(self) -> str:
        return f"Model({self.name!r}) in {self.services.settings.home}"


def open_here() -> Services:
    """The stores that the environment and `<home>/connections.env` name. A control store that is missing is made."""
    quiet()
    given = dict(os.environ)
    return Services(Settings.from_env({**read_file(Settings.from_env(given).home), **given}))


def _actor() -> str:
    """Who the audit chain and a fence name."""
    return f"{getpass.getuser()} (by hand)"
