"""Feast's materialization on our stores: Arrow columns from the offline store into guarded writes, read back.

In feature_store.yaml:

    online_store: {type: include.backends.feast.online.SlipstreamOnlineStore, url: "redis://localhost:6379/0"}
    batch_engine: {type: include.backends.feast.engine.SlipstreamEngine}

Feast's own engines turn every value into a protocol buffer, and record an interval again each time it is repeated.
"""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Any

import pyarrow as pa
from feast import RepoConfig
from feast.feature_view import DUMMY_ENTITY_ID, FeatureViewState
from feast.infra.common.materialization_job import MaterializationJob, MaterializationJobStatus, MaterializationTask
from feast.infra.compute_engines.base import ComputeEngine
from feast.infra.registry.base_registry import BaseRegistry
from feast.infra.registry.sql import SqlRegistry
from feast.repo_config import FeastConfigBaseModel
from feast.utils import _get_column_names, _run_pyarrow_field_mapping

from include.backends.feast.online import SlipstreamOnlineStore, online_view, open_store
from include.backends.feast.repo import SCHEME
from include.core.errors import SpecError
from include.core.time import now, zoned
from include.features.online.materialize import materialize_view
from include.online_store.row_codec import CREATED

log = logging.getLogger(__name__)


class SlipstreamEngineConfig(FeastConfigBaseModel):
    type: str
    lock: str | None = None  # a file: whoever records an interval holds it, so that none is recorded twice


class Finished(MaterializationJob):
    def __init__(self, name: str, error: BaseException | None) -> None:
        self._name, self._error = name, error

    def status(self) -> MaterializationJobStatus:
        return MaterializationJobStatus.ERROR if self._error else MaterializationJobStatus.SUCCEEDED

    def error(self) -> BaseException | None:
        return self._error

    def should_be_retried(self) -> bool:
        return False

    def job_id(self) -> str:
        return self._name

    def url(self) -> str | None:
        return None


class SlipstreamEngine(ComputeEngine):
    """Any offline store that gives Arrow, into our online store."""

    def __init__(self, *, lock: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(self.online_store, SlipstreamOnlineStore):
            raise SpecError(
                "SlipstreamEngine writes into Slipstream's online store only: no other one refuses to go back in time.",
                seen=type(self.online_store).__name__,
                hint="set online_store.type to include.backends.feast.online.SlipstreamOnlineStore.",
            )
        self._lock = lock

    @property
    def supports_batch(self) -> bool:
        return True

    @property
    def applies_materialization(self) -> bool:
        """We record the intervals: Feast would record one again for every repetition."""
        return True

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to prepare."""

    def teardown_infra(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to take down."""

    def _materialize_one(self, registry: BaseRegistry, task: MaterializationTask, **kwargs: Any) -> Finished:
        name = f"{task.feature_view.name}-{task.start_time}-{task.end_time}"
        try:
            report = materialize_task(self.repo_config, self.offline_store, registry, task)
            with _held(self._lock):
                record_interval(registry, task.project, task.feature_view, task.start_time, task.end_time)
        except Exception as error:  # noqa: BLE001 - Feast raises what the job holds
            return Finished(name, error)
        log.info("online: %s/%s %s", task.project, task.feature_view.name, report)
        return Finished(name, None)


def materialize_task(config: RepoConfig, offline: Any, registry: BaseRegistry, task: MaterializationTask) -> Any:
    """The newest row of each key in the task's interval, online and read back. Returns a ViewReport."""
    view = task.feature_view
    source: Any = view.batch_source
    started = now()  # before reading: whatever is created later is newer than what we read
    entities = [registry.get_entity(name, task.project) for name in view.entities]
    keys, features, time, created = _get_column_names(view, [e for e in entities if e.join_key != DUMMY_ENTITY_ID])
    job = offline.pull_latest_from_table_or_query(
        config=config, data_source=source, join_key_columns=keys, feature_name_columns=features, timestamp_field=time,
        created_timestamp_column=created, start_date=task.start_time, end_date=task.end_time,
    )  # fmt: skip
    rows = _run_pyarrow_field_mapping(job.to_arrow(), source.field_mapping or {})
    meaning = {source.timestamp_field: "event_timestamp", source.created_timestamp_column: CREATED}
    rows = rows.rename_columns([meaning.get(name, name) for name in rows.column_names])
    if source.path.startswith(SCHEME) and CREATED in rows.column_names:  # published later is newer, however late its data
        rows = rows.drop_columns(CREATED)
    return materialize_view(open_store(config), task.project, online_view(view), _without_decimals(rows), started)


def record_interval(registry: BaseRegistry, project: str, view: Any, start: datetime, end: datetime) -> None:
    """Tell the registry that an interval is online, once, whatever is repeated. The caller holds the registry's lock."""
    record_intervals(registry, project, view, [(start, end)])


def record_intervals(registry: BaseRegistry, project: str, view: Any, intervals: Sequence[tuple[datetime, datetime]]) -> None:
    """The same of several intervals. One write for however many: each stores all intervals that the view ever had."""
    fresh = registry.get_feature_view(view.name, project, allow_cache=False)
    known = {(zoned(first), zoned(last)) for first, last in fresh.materialization_intervals}
    missing = [each for each in intervals if (zoned(each[0]), zoned(each[1])) not in known]
    if len(missing) > 1 and isinstance(registry, SqlRegistry):
        fresh.materialization_intervals.extend(missing)  # as `apply_materialization` does with one
        if hasattr(fresh, "state"):
            fresh.state = FeatureViewState.AVAILABLE_ONLINE
        table: Any = registry._infer_fv_table(fresh)  # type: ignore[no-untyped-call]
        registry._apply_object(table, project, "feature_view_name", fresh, "feature_view_proto")
        return
    for start, end in missing:
        registry.apply_materialization(fresh, project, start, end)


@contextmanager
def _locked(path: str) -> Iterator[None]:
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _held(path: str | None) -> Any:
    return _locked(path) if path else nullcontext()


def _without_decimals(rows: pa.Table) -> pa.Table:
    """Decimals, which SQL makes of literals, as floats."""
    fields: Sequence[pa.Field] = [
        pa.field(field.name, pa.float64()) if pa.types.is_decimal(field.type) else field for field in rows.schema
    ]
    return rows.cast(pa.schema(fields))
