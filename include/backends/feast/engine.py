"""Feast's materialization on our stores: Arrow columns from the offline store into guarded writes, read back.

In feature_store.yaml:

    online_store: {type: include.backends.feast.online.SlipstreamOnlineStore, url: "redis://localhost:6379/0"}
    batch_engine: {type: include.backends.feast.engine.SlipstreamEngine}

Feast's own engines turn every value into a protocol buffer, and record an interval again each time it is repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import pyarrow as pa
from feast import RepoConfig
from feast.feature_view import DUMMY_ENTITY_ID
from feast.infra.common.materialization_job import MaterializationJob, MaterializationJobStatus, MaterializationTask
from feast.infra.compute_engines.base import ComputeEngine
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel
from feast.utils import _get_column_names, _run_pyarrow_field_mapping

from include.backends.feast.online import SlipstreamOnlineStore, online_view, open_store
from include.backends.feast.registry import held, record_interval
from include.backends.feast.repo import SCHEME
from include.core.errors import SpecError
from include.core.time import now
from include.features.online.materialize import materialize_view
from include.online_store.row_codec import CREATED

log = logging.getLogger(__name__)


class SlipstreamEngineConfig(FeastConfigBaseModel):
    type: str
    lock: str | None = None  # a file, or "control": whoever records an interval holds it, so that none is recorded twice


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
            with held(self._lock, self.repo_config.offline_store.control_url) if self._lock else nullcontext():
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


def _without_decimals(rows: pa.Table) -> pa.Table:
    """Decimals, which SQL makes of literals, as floats."""
    fields: Sequence[pa.Field] = [
        pa.field(field.name, pa.float64()) if pa.types.is_decimal(field.type) else field for field in rows.schema
    ]
    return rows.cast(pa.schema(fields))
