"""ModelSpec: the sections together, and what must hold between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from include.core.names import clashes
from include.core.spec.base import Frozen, Name, OptionalReference
from include.core.spec.cost import Cost
from include.core.spec.data import Data
from include.core.spec.evaluation import Evaluation
from include.core.spec.experiments import Experiment
from include.core.spec.fairness import Fairness
from include.core.spec.features import Features
from include.core.spec.margins import left_out
from include.core.spec.monitoring import Monitoring, Retraining
from include.core.spec.problem import Binary, Problem
from include.core.spec.profile import Profile, problems, regulated
from include.core.spec.rollout import Rollout
from include.core.spec.scoring import Scoring
from include.core.spec.search import Search
from include.core.spec.serving import Objectives, Serving, Triggers
from include.core.spec.streams import Streams
from include.core.spec.training import Training


class ModelSpec(Frozen):
    """One model. The folder `include/models/<name>/` holds it and all the code it names."""

    name: Name
    """The name of the model, which is also the name of its folder and begins the ids of its DAGs."""

    owner: str
    """Who answers for the model. Airflow, MLflow and the model card show it."""

    description: str
    """What the model predicts, in a sentence. Airflow, MLflow and the model card show it."""

    label: Name
    """The column of the label: 0 or 1, unless `problem` says otherwise."""

    problem: Problem = Binary()
    """What kind of label that is, and so what the model predicts: `Binary`, `Regression`, `MultiClass` or `Ranking`."""

    data: Data = Data()
    """Where the raw partitions come from. By default from nowhere: see `data.sources`."""

    features: Features
    """The model's inputs, and the SQL that makes them."""

    streams: Streams = Streams()
    """Which raw sources come as events, and the views computed from them at once. By default none: every source lands."""

    expectations: OptionalReference = ""
    """The mapping `{source or "training_set": (Expectation, ...)}` of what the data must look like."""

    training: Training = Training()
    """How the model is fitted."""

    evaluation: Evaluation = Evaluation()
    """What a trained model must show before it becomes a candidate."""

    fairness: Fairness = Fairness()
    """Whom it may not treat differently, and by how much it may. By default nothing is measured."""

    rollout: Rollout = Rollout()
    """How a candidate takes over the traffic."""

    experiments: tuple[Experiment, ...] = ()
    """Versions held against the champion on what callers report. By default there are none."""

    monitoring: Monitoring = Monitoring()
    """How predictions and labels are watched."""

    retraining: Retraining = Retraining()
    """When the model is trained again."""

    serving: Serving = Serving()
    """How the gateway answers."""

    scoring: Scoring = Scoring()
    """What becomes of batches of scores."""

    objectives: Objectives = Objectives()
    """What callers are promised."""

    triggers: Triggers = Triggers()
    """What starts the DAGs beside their schedules."""

    cost: Cost = Cost()
    """What its machines and its errors cost, in money."""

    profile: Profile = Field("standard", exclude_if=lambda value: value == "standard")
    """How strictly the model is governed: `regulated` asks two persons before any traffic, explains, keeps a signed dossier of
    each promotion, and has `slipstream check` tell what else a regulation wants (docs/regulation.md). `SLIPSTREAM_PROFILE` is the
    least that a platform takes."""

    profile_exceptions: dict[str, str] = Field({}, exclude_if=lambda value: not value)
    """Why something that the profile asks for is not for this model, by its name (`explanations`, `fairness`, `privacy`,
    `retention`, `robustness`, `slices`): at least 20 characters each, which the dossier shows."""

    @model_validator(mode="after")
    def _by_the_profile(self) -> Self:
        """What a regulated spec leaves out, and what it may not go below."""
        if self.profile == "regulated":
            for section, values in regulated(self.evaluation, self.rollout, self.profile_exceptions, self.managed).items():
                self.__dict__[section] = getattr(self, section).model_copy(update=values)
        if wrong := [*problems(self.profile, self.profile_exceptions, self.rollout, self.data.retention)]:
            raise ValueError("; ".join(wrong))
        return self

    @model_validator(mode="after")
    def _by_the_problem(self) -> Self:
        """What a spec leaves out depends on the kind of problem: the metric, its floor, and margins in the metric's unit."""
        for section, values in left_out(self.problem, self.evaluation, self.retraining, self.rollout).items():
            self.__dict__[section] = getattr(self, section).model_copy(update=values)
        return self

    @model_validator(mode="after")
    def _cuts_its_views(self) -> Self:
        """Each of its views says how its partitions are cut, wherever the view goes."""
        self.__dict__["features"] = self.features.cut(self.data.cadence)
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [
            *self._unmanaged(), *self._unfit(), *self._untried(), *self._unscored(), *self._unasked(),
            *self.streams.problems(self.data.sources, self.features.own), *self._given_up_early(), *clashes(self),
        ]  # fmt: skip
        if self.retraining.price == "cost" and self.cost.error is None:
            problems.append('retraining.price: "cost" follows from what an error costs in money, and cost.error is not given')
        if problems:
            raise ValueError("; ".join(problems))
        texts = [feature.name for feature in self.features.inputs if feature.dtype == "text"]
        if texts and self.training.fit and self.training.inputs == "tensor":
            raise ValueError(
                f"training.inputs: {texts} of features is text, which has no place in a tensor of numbers; "
                'say training.inputs="columns", or make it a category, a vector or numbers'
            )
        if self.unresolved:  # what the sets bring is not known yet: the catalogue checks the whole
            return self
        names = [feature.name for feature in self.features.inputs]
        for field, used in (
            ("evaluation.slices", self.evaluation.slices),
            ("evaluation.baseline", (self.evaluation.baseline,)),
            ("serving.redact", self.serving.redact),
            ("problem", self._served_costs()),
        ):
            fields = tuple(each.name for each in self.features.request_fields) if field == "serving.redact" else ()
            unknown = [name for name in used if name and name not in (*names, *self.features.keys, *fields)]
            if unknown:
                raise ValueError(f"{field}: {unknown} is neither a feature nor a key of this model")
        dtypes = {feature.name: feature.dtype for feature in self.features.inputs}
        hidden = sorted({each.name for view in self.features.views for each in view.features} & set(self.serving.redact))
        if unseen := [name for name in self.fairness.columns if name in hidden]:
            raise ValueError(
                f"fairness.attributes: {unseen} is a view's, and serving.redact keeps it out of the log: no window sees it"
            )
        unfair = [*self.fairness.problems(self.problem, self.label, self.features.keys, dtypes, self.managed)]
        if unfair:
            raise ValueError("; ".join(unfair))
        return self

    @property
    def unresolved(self) -> bool:
        """Whether views of feature sets are still to be filled in: a spec is whole once `include.core.catalog` has loaded it."""
        return self.features.unresolved

    @property
    def beside(self) -> tuple[str, ...]:
        """The protected attributes that are neither features nor keys: columns that its rows carry beside them."""
        return self.fairness.beside(self.features.keys, tuple(feature.name for feature in self.features.inputs))

    @property
    def managed(self) -> bool:
        """Whether features are computed and the model is trained here; else it is served, rolled out and watched only."""
        return bool(self.data.sources)

    def _unasked(self) -> Iterator[str]:
        if self.features.shared and not self.features.sets:
            yield "features.views: `set` is filled in for what features.sets names; name the feature set there"

    def _unmanaged(self) -> Iterator[str]:
        """What a model with sources lacks, or one without them has to no end."""
        features = self.features
        code = {
            "features.build": features.build,
            "features.entities": features.entities,
            "features.labels": features.labels,
            "expectations": self.expectations,
            "training.fit": self.training.fit,
        }
        if self.managed:
            if features.sets and not features.own:  # there is nothing of its own to build
                del code["features.build"]
            yield from (f"{field}: is needed where data.sources are given" for field, value in code.items() if not value)
            return
        others = {"features.views": bool(features.views or features.sets), "triggers.landing": self.triggers.landing}
        others["serving.feedback"] = "training" in self.serving.feedback
        given = [field for field, value in {**code, **others}.items() if value]
        if given:
            yield f"data.sources: there are none, and {', '.join(given)} stand on them; give both or neither"
        if not features.request:
            yield "features.request: is needed where there are no data.sources: every input comes with the request then"

    def _given_up_early(self) -> Iterator[str]:
        """A version is kept for as long as windows in which it answered are judged again."""
        kept, read = self.data.retention.versions, self.monitoring.window_days * (self.monitoring.label_wait + 2)
        if kept is not None and kept.days < read:
            yield f"data.retention.versions: days={kept.days} is less than monitoring reads back: {read}"

    def _untried(self) -> Iterator[str]:
        """What is wrong between experiments and the rest."""
        names = [each.name for each in self.experiments]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            yield f"experiments: {twice} is the name of several"
        if names and self.serving.target != "gateway":
            yield "experiments: an endpoint splits by request, so no entity stays in its arm; serve the model by the gateways"
        if self._tables() and not self.managed:
            yield "experiments: a metric's table is made of data.sources, and there are none; have callers report it"
        if self.rollout.experiment and self.rollout.experiment not in names:
            yield f"rollout.experiment: {self.rollout.experiment!r} is none of this model's experiments ({', '.join(names)})"

    def _unscored(self) -> Iterator[str]:
        """What stands against precomputed scores."""
        if not self.scoring.defaults:
            return
        if not self.managed:
            yield "scoring.defaults: a batch scores the entities of data.sources, and there are none"
        if not self.features.keys:
            yield "scoring.defaults: a score is found by its entity, and this model has no keys (features.views)"
        if self.problem.kind == "ranking":
            yield "scoring.defaults: a place in a list is of that list alone, so no entity has one beforehand"

    def _unfit(self) -> Iterator[str]:
        """What does not go with the kind of problem."""
        metric, known = self.evaluation.metric, self.problem.metric_names
        if metric not in known:
            kind = type(self.problem).__name__
            yield f"evaluation.metric: {metric!r} is no metric of this {kind}; it has {', '.join(known)}"
        wanted = self.training.search.metric if isinstance(self.training.search, Search) else ""
        if wanted and wanted not in known:
            kind = type(self.problem).__name__
            yield f"training.search.metric: {wanted!r} is no metric of this {kind}; it has {', '.join(known)}"
        if self.training.privacy is not None and (self.problem.weight or self.problem.kind == "ranking"):
            couples = "lists are learned as wholes" if self.problem.kind == "ranking" else "weights are divided by their sum"
            yield f"training.privacy: {couples}, so a row moves what others say, beyond the account; leave one of them out"
        if self.serving.explain is not None and self.evaluation.explanations is None:
            yield "serving.explain: answers are explained against rows that evaluation.explanations keeps; give it as well"
        if self.problem.kind != "binary" and self.evaluation.int8:
            yield "evaluation.int8: an INT8 variant is made of binary models only"
        if self.problem.kind != "binary" and self.serving.explore and not hasattr(self.problem, "decision"):
            yield "serving.explore: there is no decision to draw at random in this kind of problem"
        if self.problem.kind != "binary":
            defaults = Serving.model_fields
            for field, instead in (("threshold", "problem.decision or problem.costs"), ("default_score", "problem.default")):
                if getattr(self.serving, field) != defaults[field].default:
                    yield f"serving.{field}: is of a binary label alone; here it is {instead}, where the kind has them"
        unlogged = sorted(set(self._served_costs()) & set(self.serving.redact))
        if unlogged:  # monitoring and a rollout read them from the log: without them no answer has a price
            yield f"problem.costs: {unlogged} is kept out of the log by serving.redact, where answers are priced; give one up"

    def _served_costs(self) -> tuple[str, ...]:
        """The features that costs are read from when an answer is made."""
        return self.problem.costs.columns if isinstance(self.problem, Binary) and self.problem.costs else ()

    @property
    def code(self) -> tuple[str, ...]:
        """Import strings of all the model's own code."""
        named = (self.features.build, self.features.entities, self.features.labels, self.expectations, self.training.fit)
        decision = getattr(self.problem, "decision", "")
        return tuple(filter(None, (*named, *self.problem.metrics, decision, *self._tables())))

    def _tables(self) -> tuple[str, ...]:
        """Of the metrics of experiments."""
        return tuple(metric.table for experiment in self.experiments for metric in experiment.metrics if metric.table)

    @classmethod
    def heading(cls, values: Mapping[str, Any]) -> str:
        """What an error about this spec, made from `values`, begins with."""
        return f"The spec of model {values.get('name', '?')!r}"

    @classmethod
    def whole(cls) -> str:
        """What an error calls the spec as a whole, where no single field of it is wrong."""
        return "spec"
