"""Nightly scoring on a real Ray: the same bytes as without it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from include.core.errors import UnreachableError
from include.core.ledger import Ledger
from include.core.request import Result
from include.core.settings import Settings
from include.core.task import perform
from include.scoring import scorer
from tests.support.scoring_days import DAYS, publish, request

pytestmark = pytest.mark.slow

BATCH = 16


@pytest.fixture(scope="module")
def ray_address() -> Iterator[str]:
    import ray

    context = ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield context.address_info["gcs_address"]
    ray.shutdown()


def score(home: Path, folder: Path, environ: dict[str, str]) -> tuple[Result, list[dict[str, object]]]:
    settings = Settings.from_env({"SLIPSTREAM_HOME": str(home), "SLIPSTREAM_JOB_BACKEND": "ray", **environ})
    ledger = Ledger(settings.storage())
    folder.mkdir()
    asked = request(publish(ledger, folder, count=100))
    result = perform(asked, ledger.open_attempt(asked.key, 0), ledger, settings)
    return result, pq.read_table(ledger.storage.uri(result.files["scores.parquet"].path)).to_pylist()


def test_ray_and_a_plain_loop_write_the_same_bytes(tmp_path: Path, ray_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorer, "BATCH_ROWS", BATCH)  # seven batches on two workers
    plain, rows = score(tmp_path / "plain", tmp_path / "a", {})
    on_ray, ray_rows = score(tmp_path / "ray", tmp_path / "b", {"RAY_ADDRESS": ray_address})
    assert [row["request_id"] for row in ray_rows] == [f"{DAYS[1]}-{n}" for n in range(100)]
    assert ray_rows == rows
    assert on_ray.digest == plain.digest


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from include.backends.ray import data as ray_data

    def refuse(**options: object) -> None:
        raise ConnectionError(f"no cluster at {options['address']}")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setitem(os.environ, "RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(UnreachableError, match=r"No Ray cluster answers at '127\.0\.0\.1:1'"):
        ray_data._connect()
