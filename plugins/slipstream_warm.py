"""Tasks that start warm: the scheduler imports the vendors' libraries before it forks the workers.

LocalExecutor's workers are forked from the scheduler, and every task from a worker, so what the scheduler has
imported costs a task nothing: 5 s become .3 s, and the memory is shared copy-on-write. Import only: a thread,
a client or a session made here would not survive the fork. Never `include` or `operators`: they would go stale.

SLIPSTREAM_WARM=0 switches it off.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

log = logging.getLogger(__name__)

# In the order of what they save. Each is imported by name, and may be missing.
LIBRARIES = (
    "great_expectations",
    "feast",
    "torch",
    "mlflow",
    "evidently",
    "duckdb",
    "pyarrow.parquet",
    "onnxruntime",
    "sqlalchemy",
    "httpx",
)


class WarmListener:
    @hookimpl
    def on_starting(self, component: object) -> None:
        """Airflow calls this in every component, also in the triggerer and in each task: only the scheduler forks."""
        if type(component).__name__ == "Job" and "scheduler" in sys.argv and os.environ.get("SLIPSTREAM_WARM", "1") != "0":
            warm(LIBRARIES)


def warm(names: tuple[str, ...]) -> dict[str, float]:
    """Import each library; returns the seconds of those that could be. Never raises."""
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # it logs 200 lines while it is imported
    seconds: dict[str, float] = {}
    for name in names:
        started = time.monotonic()
        try:
            _import(name)
        except Exception as error:  # noqa: BLE001 (a broken library must not stop the scheduler)
            log.warning("Tasks that need %s start cold: %s: %s", name, type(error).__name__, error)
        else:
            seconds[name] = round(time.monotonic() - started, 2)
    log.info("Imported before the workers are forked: %s", seconds)
    return seconds


def _import(name: str) -> None:
    if name == "feast":
        with _without_typeguard():
            importlib.import_module(name)
    else:
        importlib.import_module(name)


@contextmanager
def _without_typeguard() -> Iterator[None]:
    """As include/backends/feast imports it: typeguard would compile each of Feast's classes again, for 3 s."""
    typeguard: Any = importlib.import_module("typeguard")
    checked = typeguard.typechecked
    typeguard.typechecked = _unchecked
    try:
        yield
    finally:
        typeguard.typechecked = checked


def _unchecked(target: Any = None, **options: Any) -> Any:
    """In the place of typeguard's decorator, with and without options."""
    del options
    return target if target is not None else _unchecked


class SlipstreamWarmPlugin(AirflowPlugin):
    name = "slipstream_warm"
    listeners: list[object] = [WarmListener()]  # noqa: RUF012 (Airflow declares it so)
