"""What every factory does: a TaskGroup around its tasks, or none; the author's options; and what it returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, TaskGroup
from airflow.sdk.definitions._internal.contextmanager import DagContext
from airflow.sdk.definitions._internal.mixins import DependencyMixin

from include.core.catalog import load_owner, load_spec
from include.core.errors import InputError
from include.core.settings import Settings
from include.core.spec import ModelSpec, PartitionOwner
from operators.alert import FailureNotifier
from operators.defaults import PRIORITY
from operators.feature_sets import FeatureSetsSensor

if TYPE_CHECKING:
    from airflow.sdk.definitions.edges import EdgeModifier

Related = DependencyMixin | Sequence[DependencyMixin]
JOBS = "ray"  # the pool of tasks that wait for a job
A_DAY = timedelta(days=1).total_seconds()  # that a wait for data may take
TRAFFIC = "gateway"  # the pool of those that move traffic


@dataclass(frozen=True)
class Group(DependencyMixin):
    """The outputs of a factory's tasks. Arrows go to and from its TaskGroup: `learned >> released`."""

    group: TaskGroup | None
    """None where the tasks stand in the DAG itself (`group_id=None`)."""

    @property
    def roots(self) -> Sequence[DependencyMixin]:
        return self._group.roots

    @property
    def leaves(self) -> Sequence[DependencyMixin]:
        return self._group.leaves

    def set_upstream(self, other: Related, edge_modifier: EdgeModifier | None = None) -> None:
        self._group.set_upstream(other, edge_modifier)

    def set_downstream(self, other: Related, edge_modifier: EdgeModifier | None = None) -> None:
        self._group.set_downstream(other, edge_modifier)

    def update_relative(self, other: DependencyMixin, upstream: bool = True, edge_modifier: EdgeModifier | None = None) -> None:
        self._group.update_relative(other, upstream, edge_modifier)

    @property
    def _group(self) -> TaskGroup:
        if self.group is None:
            raise InputError(
                f"{type(self).__name__} has no group of its own to draw an arrow to or from.",
                safe="the other DAG files are as they were.",
                hint="give the factory a group_id, or draw the arrow from one of its outputs (`made.online >> next`).",
            )
        return self.group


@contextmanager
def task_group(spec: PartitionOwner, group_id: str | None, part: str) -> Iterator[TaskGroup | None]:
    """The TaskGroup in which a factory makes its tasks, by default `<model>_<part>`; none for None.

    Its tasks tell somebody when they have failed for good, are the model's owner's, and wait for a slot in the order of their
    part, unless the DAG says otherwise.
    """
    if group_id is None:
        yield None
        return
    dag: DAG | None = DagContext.get_current()
    given = (dag.default_args if dag is not None else None) or {}
    ours: dict[str, Any] = {
        "owner": spec.owner,
        "on_failure_callback": FailureNotifier(spec.name),
        "priority_weight": PRIORITY.get(part, 1),
    }
    ours = {name: value for name, value in ours.items() if name not in given}
    with TaskGroup(group_id or f"{spec.name}_{part}", default_args=ours) as group:  # type: ignore[arg-type]
        yield group


def spec_of(model: ModelSpec | str) -> ModelSpec:
    """The spec of a model that is given by its name, in the package of models that the settings name."""
    return model if isinstance(model, ModelSpec) else load_spec(model, Settings.from_env().models)


def owner_of(owner: PartitionOwner | str) -> PartitionOwner:
    """The same of a model or a feature set."""
    return load_owner(owner, Settings.from_env().models) if isinstance(owner, str) else owner


def given(**options: Any) -> dict[str, Any]:
    """The options that the author gave; the others are left to Airflow."""
    return {name: value for name, value in options.items() if value is not None}


def wait_for_sets(spec: ModelSpec, **about: Any) -> FeatureSetsSensor:
    """The wait for the feature sets that a model reads."""
    return FeatureSetsSensor(task_id="wait_for_feature_sets", model=spec.name, timeout=A_DAY, **about)


def job_options(where: str, pool: str | None, queue: str | None) -> dict[str, Any]:
    """Of a task that may run as a job: where there is none, no pool of jobs either."""
    return {"where": where, **given(pool=pool or (JOBS if where == "job" else None), queue=queue)}
