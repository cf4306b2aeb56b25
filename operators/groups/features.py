"""A day's features, of a model or a feature set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from airflow.sdk import XComArg, chain

from include.core.settings import Settings
from include.core.spec import PartitionOwner, Warehouse
from operators.features import MaterializeFeaturesOperator, PublishFeaturesOperator
from operators.groups.group import A_DAY, Group, given, owner_of, task_group
from operators.landing import LandFromWarehouseOperator, WarehouseSensor
from operators.sensors import FreshnessSensor, PartitionSensor, s3_partition_sensor
from operators.validation import ValidateDataOperator

AN_HOUR = timedelta(hours=1).total_seconds()


@dataclass(frozen=True)
class FeaturesGroup(Group):
    """Each is what its task returns."""

    verdict: XComArg
    features: XComArg
    online: XComArg


def features_group(
    model: PartitionOwner | str,
    *,
    group_id: str | None = "",
    day: date | str | None = None,
    wait: bool = True,
    pool: str | None = None,
    queue: str | None = None,
) -> FeaturesGroup:
    """(land from a warehouse →) wait for the day's partitions → validate → publish → materialize → (fresh).

    :param model: the spec of a model or a feature set, or its name
    :param group_id: by default `<model>_features`; None for tasks that stand in the DAG itself
    :param day: the day (UTC), templated, or a mapped task group's argument; else the run's
    :param wait: whether to wait until the day has landed, and to land what the spec has of a warehouse
    :param pool, queue: of all its tasks

    **Example** ::

        with DAG("flights", schedule="@daily"):
            made = features_group("flight_delay", day="{{ ds }}")
            made.online >> notify
    """
    spec, options = owner_of(model), given(pool=pool, queue=queue)
    with task_group(spec, group_id, "features") as group:
        landed = [_partition_sensor(spec, day, options)] if wait else []
        validated = ValidateDataOperator(task_id="validate", model=spec.name, day=day, **options)
        published = PublishFeaturesOperator(task_id="publish", model=spec.name, verdict=validated.output, **options)
        online = MaterializeFeaturesOperator(task_id="materialize", model=spec.name, features=published.output, **options)
        chain(*landed, validated)
        for section in spec.data.warehouse if wait else ():
            chain(*_from_warehouse(spec.name, section, day, options), landed[0])
        if any(view.freshness for view in spec.features.own):
            features = published.output if spec.data.empty_days else None
            fresh = FreshnessSensor(task_id="fresh", model=spec.name, features=features, timeout=AN_HOUR, **options)
            chain(online, fresh)
        return FeaturesGroup(group, validated.output, published.output, online.output)


def _from_warehouse(model: str, section: Warehouse, day: date | str | None, options: dict[str, Any]) -> list[Any]:
    """What lands a source, after the wait for the warehouse where the spec says how to know that it has the day."""
    about: dict[str, Any] = {"model": model, "source": section.source, "day": day, **options}
    land = LandFromWarehouseOperator(task_id=f"land_{section.source}", **about)
    if not section.table and not getattr(section, "ready", ""):
        return [land]
    return [WarehouseSensor(task_id=f"wait_for_{section.source}", timeout=A_DAY, **about), land]


def _partition_sensor(spec: PartitionOwner, day: date | str | None, options: dict[str, Any]) -> Any:
    make: Any = s3_partition_sensor if Settings.from_env().root.startswith("s3://") else PartitionSensor
    return make(model=spec.name, day=day, task_id="wait_for_partition", timeout=A_DAY, **options)
