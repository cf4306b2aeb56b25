"""A sample of the bench: models at rest cost no write and show nothing. How long it takes is the bench's to say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import reconcile as bench


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[bench.Store]:
    """Twenty models, two of them with a live rollout, four with a source that has ended."""
    monkeypatch.setattr(bench, "ANSWER_SECONDS", 0.0)
    monkeypatch.setattr(sys, "path", list(sys.path))
    made = bench.Store(tmp_path, f"sqlite:///{tmp_path / 'control.db'}")
    bench.fill(made, 20)
    yield made
    for name in [name for name in sys.modules if name.split(".")[0] == bench.PACKAGE]:
        del sys.modules[name]


def test_a_look_over_models_at_rest_writes_nothing_and_asks_only_about_what_is_live(place: bench.Store) -> None:
    for _ in range(3):
        report = place.look()
        assert [finding for finding in report.found if not finding.kind.startswith("leftover")] == []
        assert report.unknown == {}
    assert place.written == []
    assert place.airflow.asked == 3 * 2 * 3  # for each live rollout: is its DAG paused, its run's state, its tasks
