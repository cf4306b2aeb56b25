"""The offline store for Feast: point-in-time joins on DuckDB over Parquet, as known at each row's time.

In feature_store.yaml:

    offline_store:
        type: include.backends.feast.offline.SlipstreamOfflineStore

Sources are Parquet files, local or on S3, or a model's published partitions. `filter_by_created_timestamp` is always
on: a value whose source has a created column is not seen before it was created.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
from feast import FeatureView, OnDemandFeatureView, RepoConfig
from feast.data_source import DataSource
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel
from pydantic import Field

from include.backends.feast.entities import Entities, load_entities
from include.backends.feast.lookup import retrieve
from include.backends.feast.repo import COLUMNS, view_of
from include.backends.feast.retrieval import Batches, BatchJob
from include.backends.feast.source import Between, Reader, shown, side_of
from include.core.settings import Settings
from include.core.time import now
from include.core.time import utc as without_zone
from include.data.session import open_session
from include.data.sql import quoted
from include.features.offline.batch import ROWS
from include.features.offline.parquet import columns, read, utc
from include.features.online.pushed import append
from include.point_in_time.join import Side


class SlipstreamOfflineStoreConfig(FeastConfigBaseModel):
    type: str
    root: str = ""  # of published partitions: SLIPSTREAM_ROOT
    control_url: str = Field(default="", repr=False)  # likewise: SLIPSTREAM_CONTROL_URL
    memory_limit: str = "1500MB"  # DuckDB's; what is larger goes to the scratch folder
    scratch: str | None = None  # a folder for that, and for copies from S3; by default the system's temporary one
    batch_rows: int = ROWS  # entity rows joined at once


class SlipstreamOfflineStore(OfflineStore):
    supports_filter_by_created_timestamp = True

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
        """`entity_df`: keys, event_timestamp and any further columns, as a frame or as DuckDB SQL. One row comes back for each.

        Times without zone are UTC. Raises DataError when the result is asked for and something does not fit.
        """
        transforms = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        keys = list(entity_df.columns) if isinstance(entity_df, pd.DataFrame) else []
        wanted = [(view, *_wanted(view, feature_refs, full_feature_names)) for view in feature_views]

        @contextmanager
        def run() -> Iterator[Batches]:
            with _opened(config) as reader:
                entities = load_entities(reader.connection, entity_df)
                sides = _sides(reader, wanted, entities)
                yield retrieve(reader.connection, sides, entities, config.offline_store.batch_rows)

        return BatchJob(run, full_feature_names, transforms, RetrievalMetadata(list(feature_refs), keys))

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
        names = [*join_key_columns, *feature_name_columns]
        return _pulled(config, data_source, names, timestamp_field, created_timestamp_column, (start_date, end_date))

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
        """The newest row of each key: by event time, then by created time. In the keys' order, which online stores take best."""
        newest = ", ".join(f'"{name}" DESC NULLS LAST' for name in (timestamp_field, created_timestamp_column) if name)
        partition = f"PARTITION BY {quoted(*join_key_columns)} " if join_key_columns else ""
        latest = f"QUALIFY row_number() OVER ({partition}ORDER BY {newest}) = 1"
        latest += f" ORDER BY {quoted(*join_key_columns)}" if join_key_columns else ""
        names = [*join_key_columns, *feature_name_columns]
        return _pulled(config, data_source, names, timestamp_field, created_timestamp_column, (start_date, end_date), latest)

    @staticmethod
    def offline_write_batch(
        config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Callable[[int], Any] | None
    ) -> None:
        """Keep pushed rows of a model's view (`store.push(..., to=PushMode.ONLINE_AND_OFFLINE)`) for its partition."""
        append(Settings(root=config.offline_store.root).storage(), config.project, view_of(feature_view), table, now())
        if progress:
            progress(table.num_rows)

    def get_table_column_names_and_types_from_data_source(
        self, config: RepoConfig, data_source: DataSource
    ) -> Iterable[tuple[str, str]]:
        """What a pushed row must have; Feast asks before it hands over the rows."""
        del config
        return [(name, "") for name in data_source.tags.get(COLUMNS, "").split(",") if name]


@contextmanager
def _opened(config: RepoConfig) -> Iterator[Reader]:
    """A connection that spills into a scratch folder, which goes with it."""
    store = config.offline_store
    with (
        TemporaryDirectory(prefix="slipstream-", dir=store.scratch) as scratch,
        open_session(None, store.memory_limit, spill=f"{scratch}/spill", keep_order=False) as connection,
    ):
        yield Reader(config, connection, Path(scratch))


def _wanted(view: FeatureView, refs: list[str], full_names: bool) -> tuple[list[str], list[str]]:
    """A view's features that are asked for, and their names in the result."""
    prefix = f"{shown(view)}:"
    features = [ref.removeprefix(prefix) for ref in refs if ref.startswith(prefix)]
    base = view.projection.name_alias or view.name
    return features, [f"{base}__{name}" if full_names else name for name in features]


def _sides(reader: Reader, wanted: list[tuple[FeatureView, list[str], list[str]]], entities: Entities) -> list[Side]:
    sides = [side_of(reader, view, features, names, entities.between) for view, features, names in wanted]
    for each in sides:
        entities.check(reader.connection, each)
    return sides


def _pulled(
    config: RepoConfig,
    source: DataSource,
    names: list[str],
    time: str,
    created: str | None,
    between: tuple[datetime | None, datetime | None],
    suffix: str = "",
) -> RetrievalJob:
    """The rows of a source with event times in [first, last), under its own column names; times in UTC without zone."""
    first, last = (without_zone(moment) if moment else None for moment in between)

    @contextmanager
    def run() -> Iterator[Batches]:
        with _opened(config) as reader:
            yield Batches(reader.connection, iter([_pull(reader, source, names, time, created, (first, last)) + suffix]))

    return BatchJob(run)


def _pull(reader: Reader, source: DataSource, names: list[str], time: str, created: str | None, between: Between) -> str:
    paths, times = reader.paths(source, between), [time, *([created] if created else [])]
    if not paths:
        nothing = [*(f'NULL::VARCHAR AS "{name}"' for name in names), *(f'NULL::TIMESTAMP AS "{name}"' for name in times)]
        return f"SELECT * FROM (SELECT {', '.join(nothing)} WHERE false) "
    wanted = dict.fromkeys(names, "") | dict.fromkeys(times, "time")
    found = columns(reader.connection, paths, wanted, source.name)
    selected = [*(f'"{name}"' for name in names), *(f'{utc(quoted(name), found[name])} AS "{name}"' for name in times)]
    limits = [f"\"{time}\" {sign} TIMESTAMP '{at}'" for sign, at in zip((">=", "<"), between, strict=True) if at]
    rows = f"SELECT {', '.join(selected)} FROM {read(paths, wanted)}"
    return f"SELECT * FROM ({rows}) WHERE {' AND '.join(limits) or 'true'} "
