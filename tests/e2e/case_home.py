"""Where a life is lived: a folder of its own, and a platform for the models in it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from include.backends.process.jobs import ProcessJobs
from include.core.digest import PROJECT
from include.local.down import down
from include.local.platform import Platform
from include.local.up import up
from tests.support.airflow_home import fill, on_free_ports
from tests.support.airflow_world import AIRFLOW, ENVIRONMENT


@contextmanager
def home_of(name: str) -> Iterator[Path]:
    """A folder that goes with the test, unless CASE_HOME says where to keep it. Not tmp_path: root's PostgreSQL is nobody's."""
    kept = os.environ.get("CASE_HOME", "")
    home = Path(kept) / name if kept else Path(tempfile.mkdtemp(prefix=f"slipstream-case-{name}-"))
    home.mkdir(parents=True, exist_ok=True)
    try:
        yield home
    finally:
        if not kept:
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def platform_of(
    home: Path, models: Path, more: Mapping[str, str] | None = None, before: Callable[[Platform], None] = lambda platform: None
) -> Iterator[Platform]:
    """A real Airflow and the gateway, for the models of a folder. `more`: other variables of its shell; `before` it starts."""
    environment = {
        **ENVIRONMENT,
        "SLIPSTREAM_DAGS": str(PROJECT / "dags"),
        "SLIPSTREAM_MODELS": str(models),
        "SLIPSTREAM_WARM": "1",
        **(more or {}),
    }
    if new := not home.exists():
        home.mkdir()
    platform = on_free_ports(home)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        if new:
            fill(home)
        before(platform)
        try:
            up(platform, (*AIRFLOW, "gateway"))
            yield platform
        finally:
            _stop_jobs(platform)
            down(platform)


def _stop_jobs(platform: Platform) -> None:
    jobs = ProcessJobs(platform.home / "jobs", {})
    for job in (platform.home / "jobs").glob("*"):
        jobs.stop(job.name)
