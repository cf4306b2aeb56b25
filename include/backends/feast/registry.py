"""Feast's registry: where it is, who may change it now, and what it is told of materialized intervals.

Beside a control store in PostgreSQL it is a schema of the same database: tasks of any machine see one registry. Beside one in
SQLite, which is one machine's, it is a SQLite file of the home.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from feast.feature_view import FeatureViewState
from feast.infra.registry.base_registry import BaseRegistry
from feast.infra.registry.sql import SqlRegistry
from feast.infra.registry.sql import metadata as feast_metadata
from sqlalchemy.exc import DBAPIError

from include.core.advisory_lock import advisory_lock
from include.core.control import ControlStore
from include.core.database import explained
from include.core.errors import NotReadyError, StorageFullError
from include.core.scratch import BLOCK, is_full, storage_full
from include.core.settings import Settings
from include.core.time import ONE_DAY, zoned

SCHEMA = "slipstream_feast"  # of the control store's database: Feast's tables have names such as `entities`
TTL = 60  # seconds that Feast keeps what it has read
PATIENCE = 120.0  # seconds to wait for others who change the registry; a change takes one
CONTROL = "control"  # for a lock's file: it is one of the control store


def registry_config(settings: Settings) -> dict[str, Any]:
    """`registry` of a RepoConfig; its schema is there then. The caller holds the lock."""
    engine = _shared(settings.control_url)
    if engine is None:
        return file_config(settings)
    shown = engine.url.set(username=None, password=None, query={}).render_as_string()  # Feast keeps and shows its configuration
    opening = {
        "creator": _Opening(engine.url),
        "execution_options": {"schema_translate_map": {None: SCHEMA}},  # no search_path: poolers refuse it
    }
    return {
        "registry_type": "sql", "path": shown, "cache_ttl_seconds": TTL, "sqlalchemy_config_kwargs": opening,
        "schema_mode": "skip" if _prepare(engine) else "auto",  # else Feast asks for each table by itself, in every task
    }  # fmt: skip


@dataclass(frozen=True)
class _Opening:
    """Opens connections to a database, and does not show its login."""

    url: sa.URL = field(repr=False)

    def __call__(self) -> Any:
        dialect = self.url.get_dialect()()
        arguments, options = dialect.create_connect_args(self.url)
        return dialect.import_dbapi().connect(*arguments, connect_timeout=10, **options)


def file_config(settings: Settings) -> dict[str, Any]:
    """The same of a machine's own registry."""
    return {"registry_type": "sql", "path": f"sqlite:///{file_of(settings)}", "cache_ttl_seconds": TTL}


def file_of(settings: Settings) -> Path:
    return settings.home / "feast.db"


def is_shared(settings: Settings) -> bool:
    """Whether several machines have this registry in common."""
    return _shared(settings.control_url) is not None


def lock_of(settings: Settings) -> str:
    """By which `held` finds the lock: a file, or the control store's."""
    return CONTROL if is_shared(settings) else str(settings.home / "feast.lock")


@contextmanager
def registry_lock(settings: Settings) -> Iterator[None]:
    """One at a time: Feast's registry reads, changes and writes a definition without a transaction."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with held(lock_of(settings), settings.control_url):
        try:
            yield
        except DBAPIError as error:
            if is_shared(settings):
                raise explained(settings.control_url, error) from error
            raise _full(error, settings) or error from error
        except Exception as error:
            if full := _full(error, settings):
                raise full from error
            raise


@contextmanager
def held(lock: str, control_url: str) -> Iterator[None]:
    """Alone with the registry. Raises NotReadyError where another machine's task does not let it go."""
    if lock != CONTROL:
        with open(lock, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        return
    with advisory_lock(ControlStore(control_url), "feast", PATIENCE) as alone:
        if not alone:
            raise NotReadyError(
                f"Feast's registry is being changed by another task for {PATIENCE:.0f} s.",
                safe="nothing was changed.",
                hint="the task is retried; look for a session in PostgreSQL that holds an advisory lock and does nothing.",
            )
        yield


def _prepare(engine: sa.Engine) -> bool:
    """Make the schema that a shared registry's tables lie in; whether they are all there already. The caller holds the lock."""
    schema = {"name": SCHEMA}
    with engine.begin() as connection:
        tables = set(connection.execute(sa.text("SELECT tablename FROM pg_tables WHERE schemaname = :name"), schema).scalars())
        # Asked first: making one takes a right that only the first task needs.
        if not tables and not connection.execute(sa.text("SELECT 1 FROM pg_namespace WHERE nspname = :name"), schema).scalar():
            connection.execute(sa.schema.CreateSchema(SCHEMA))
    return tables >= feast_metadata.tables.keys()


def record_interval(registry: BaseRegistry, project: str, view: Any, start: datetime, end: datetime) -> None:
    """Tell the registry that an interval is online, once, whatever is repeated. The caller holds the registry's lock."""
    record_intervals(registry, project, view, [(start, end)])


def record_intervals(registry: BaseRegistry, project: str, view: Any, intervals: Sequence[tuple[datetime, datetime]]) -> None:
    """The same of several intervals. One write for however many: each stores all intervals that the view ever had."""
    fresh = registry.get_feature_view(view.name, project, allow_cache=False)
    known = {(zoned(first), zoned(last)) for first, last in fresh.materialization_intervals}
    asked = [(zoned(first), zoned(last)) for first, last in intervals]
    missing = [(start, end) for start, end in asked if not any(first <= start and end <= last for first, last in known)]
    finer = any(end - start < ONE_DAY for start, end in missing)
    if (len(missing) > 1 or finer) and isinstance(registry, SqlRegistry):
        fresh.materialization_intervals.extend(missing)  # as `apply_materialization` does with one
        if finer:  # a year has 8,760 hours, and each write stores all intervals
            fresh.materialization_intervals = united(fresh.materialization_intervals)
        if hasattr(fresh, "state"):
            fresh.state = FeatureViewState.AVAILABLE_ONLINE
        table: Any = registry._infer_fv_table(fresh)  # type: ignore[no-untyped-call]
        registry._apply_object(table, project, "feature_view_name", fresh, "feature_view_proto")
        return
    for start, end in missing:
        registry.apply_materialization(fresh, project, start, end)


def united(intervals: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The same moments in as few intervals as there are."""
    found: list[tuple[datetime, datetime]] = []
    for start, end in sorted((zoned(first), zoned(last)) for first, last in intervals):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _shared(control_url: str) -> sa.Engine | None:
    """The control store's database, where it is one that machines share."""
    engine = ControlStore(control_url).engine
    return None if engine.dialect.name == "sqlite" else engine


def _full(error: Exception, settings: Settings) -> StorageFullError | None:
    if isinstance(error, StorageFullError) or not is_full(error):
        return None
    return storage_full(file_of(settings), BLOCK, "at least ")
