from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.core.adapters import ADAPTERS
from include.services.services import Services
from operators.hooks import open_services
from tests.support.fake_jobs import FakeJobs
from tests.support.nursery import Nursery
from tests.support.operator_runs import Life, settle_in


class FakeStateStore(dict[str, Any]):
    def set(self, key: str, value: Any) -> None:
        self[key] = value


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    for name in ("ROOT", "CONTROL_URL", "ONLINE_URL"):
        monkeypatch.delenv(f"SLIPSTREAM_{name}", raising=False)
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path))
    monkeypatch.setenv("SLIPSTREAM_JOB_BACKEND", "fake")
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_RAY", "http://:token@127.0.0.1:1")
    monkeypatch.setitem(ADAPTERS, "jobs.fake", "tests.support.fake_jobs:open_jobs")
    return open_services()


@pytest.fixture
def jobs(services: Services) -> FakeJobs:
    jobs = FakeJobs(services.settings.home / "jobs")
    (jobs.folder / "mode").write_text("run")
    return jobs


@pytest.fixture
def context() -> Callable[..., dict[str, Any]]:
    """A context as an operator sees it; `run` and `params` vary, the state store is the run's own."""
    stores: dict[str, FakeStateStore] = {}

    def make(
        run: str = "manual__1", run_type: str = "manual", xcom: dict[str, Any] | None = None, **params: Any
    ) -> dict[str, Any]:
        ti = SimpleNamespace(
            dag_id="m_training", run_id=run, task_id="train", map_index=-1, try_number=1,
            stats_tags={}, xcom_pull=lambda task_ids: (xcom or {}).get(task_ids),
        )  # fmt: skip
        return {
            "ti": ti,
            "params": params,
            "dag_run": SimpleNamespace(run_type=run_type, conf={}),
            "task_state_store": stores.setdefault(run, FakeStateStore()),
        }

    return make


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Nursery:
    return Nursery(tmp_path_factory.mktemp("nursery"))


@pytest.fixture
def life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Life:
    """The shop's life, nothing landed yet."""
    return Life(settle_in(tmp_path, monkeypatch))


@pytest.fixture
def published(nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> Life:
    """Its first days are published."""
    return nursery.life("published", monkeypatch)


@pytest.fixture
def registered(nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> Life:
    """Version 1 is registered, a Candidate; `nursery.run()` is the run that made it."""
    return nursery.life("registered", monkeypatch)
