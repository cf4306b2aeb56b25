"""Published partitions in Feast's clothes: historical features by the same ASOF join as the training set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureView, RepoConfig
from feast.data_source import DataSource
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel

from include.backends.feast_repo import view_of
from include.core.control import ControlStore
from include.core.errors import DataError
from include.core.ledger import Ledger
from include.core.settings import Settings
from include.core.spec import View
from include.data.published import published
from include.features.dataset import quoted
from include.features.join import point_in_time
from include.features.partition import DailyFiles, daily_files

Between = tuple[datetime | None, datetime | None]  # UTC, None for open


class SlipstreamOfflineStoreConfig(FeastConfigBaseModel):
    type: str
    root: str
    control_url: str


class ArrowJob(RetrievalJob):
    """A query that runs when its result is asked for."""

    def __init__(self, run: Callable[[], pa.Table], full_names: bool, metadata: RetrievalMetadata | None = None) -> None:
        self._run, self._full_names, self._metadata = run, full_names, metadata

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        del timeout
        return self._run()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        frame: pd.DataFrame = self._to_arrow_internal(timeout).to_pandas()
        return frame

    @property
    def full_feature_names(self) -> bool:
        return self._full_names

    @property
    def on_demand_feature_views(self) -> list[Any]:
        return []

    @property
    def metadata(self) -> RetrievalMetadata | None:
        return self._metadata


class SlipstreamOfflineStore(OfflineStore):
    def validate_data_source(self, config: RepoConfig, data_source: DataSource) -> None:
        """A view's partitions may not be published yet: nothing to look at."""

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        **_: Any,
    ) -> RetrievalJob:
        """`entity_df`: keys and event_timestamp (UTC), any further columns; one row comes back for each."""
        del registry
        if not isinstance(entity_df, pd.DataFrame):
            raise DataError("Historical features need entity rows.", seen=type(entity_df).__name__, hint="pass a DataFrame.")
        wanted = set(feature_refs)
        views = [_narrowed(view_of(table), wanted) for table in feature_views]
        metadata = RetrievalMetadata(list(feature_refs), list(entity_df.columns))

        def run() -> pa.Table:
            return _historical(config, project, views, entity_df, full_feature_names)

        return ArrowJob(run, full_feature_names, metadata)

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        del created_timestamp_column
        columns = quoted(*join_key_columns, *feature_name_columns, timestamp_field)
        return ArrowJob(lambda: _rows(config, data_source, columns, (start_date, end_date)), False)

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        del created_timestamp_column
        columns = quoted(*join_key_columns, *feature_name_columns, timestamp_field)
        newest = f"QUALIFY row_number() OVER (PARTITION BY {quoted(*join_key_columns)} ORDER BY {timestamp_field} DESC) = 1"
        return ArrowJob(lambda: _rows(config, data_source, columns, (start_date, end_date), newest), False)


def _narrowed(view: View, refs: set[str]) -> View:
    return view.model_copy(update={"features": tuple(f for f in view.features if f"{view.name}:{f.name}" in refs)})


def _historical(config: RepoConfig, model: str, views: list[View], entity_df: pd.DataFrame, full_names: bool) -> pa.Table:
    asked = pa.Table.from_pandas(entity_df, preserve_index=False)
    with TemporaryDirectory() as scratch, duckdb.connect() as connection:
        # Feast hands over times with a zone; partitions hold UTC without one.
        place = asked.column_names.index("event_timestamp")
        utc = asked["event_timestamp"].cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
        numbered = asked.set_column(place, "event_timestamp", utc).append_column("_row", pa.array(range(len(asked))))
        connection.register("entities", numbered)
        files = _files(config, model, [view.name for view in views], (None, pc.max(utc).as_py()), scratch)
        columns = [f'entity."{name}"' for name in asked.column_names]
        joined = connection.sql(point_in_time(views, files, "entities", columns, ["entity._row"])).order("_row").to_arrow_table()
    joined = joined.drop_columns("_row").set_column(place, "event_timestamp", asked["event_timestamp"])
    if not full_names:
        return joined
    names = [f"{view.name}__{feature.name}" for view in views for feature in view.features]
    return joined.rename_columns([*asked.column_names, *names])


def _rows(config: RepoConfig, source: DataSource, columns: str, between: Between, suffix: str = "") -> pa.Table:
    model, _, view = source.name.partition(".")
    first, last = (moment.astimezone(UTC).replace(tzinfo=None) if moment else None for moment in between)
    limits = [f"event_timestamp >= TIMESTAMP '{first}'"] if first else []
    limits += [f"event_timestamp < TIMESTAMP '{last}'"] if last else []
    with TemporaryDirectory() as scratch, duckdb.connect() as connection:
        files = _files(config, model, [view], (first, last), scratch)
        rows = f"SELECT {columns} FROM read_parquet({files[view]}, hive_partitioning = false)"
        return connection.sql(f"{rows} WHERE {' AND '.join(limits) or 'true'} {suffix}").to_arrow_table()


def _files(config: RepoConfig, model: str, views: list[str], between: Between, scratch: str) -> DailyFiles:
    store, (first, last) = config.offline_store, between
    days = (first.date() if first else date.min, last.date() if last else date.max)
    refs = published(ControlStore(store.control_url), model, *days)
    ledger = Ledger(Settings(root=store.root).storage())
    return daily_files(ledger, {day.isoformat(): ref for day, ref in refs.items()}, Path(scratch), views)
