"""What others ask of experiments: whether one holds the traffic, and what it answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore, experiments
from include.core.errors import ConflictError, GateClosed
from include.experiment_state.queries import answer, live_in, live_models_in, newest_experiment, require_better, require_none_in


def add(control: ControlStore, name: str, version: int, said: str, ended: str = "2026-01-01") -> None:
    row = {"id": f"{name}{version}{ended}", "model": "toy", "name": name, "champion": 1, "treatment": version, "plan": {}}
    state = {"live": None if ended else "toy", "state": "decided" if ended else "running", "answer": said, "ended_at": ended}
    with control.transaction() as connection:
        connection.execute(experiments.insert().values(**row, **state, decision={}, started_at="2025-12-01"))


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    return store


def test_the_newest_answer_counts(control: ControlStore) -> None:
    add(control, "pricing", 2, "better", "2026-01-01")
    add(control, "pricing", 2, "worse", "2026-02-01")
    add(control, "pricing", 3, "better")
    assert newest_experiment(control, "nothing") == {}
    assert newest_experiment(control, "toy")["reasons"] == []
    assert (answer(control, "toy", "pricing", 2), answer(control, "toy", "pricing", 9)) == ("worse", "")
    require_better(control, "toy", "pricing", 3)
    require_better(control, "toy", "", 9)  # a spec that asks for none
    with pytest.raises(GateClosed, match="only once the experiment pricing has found it better"):
        require_better(control, "toy", "pricing", 2)


def test_a_live_one_holds_the_traffic(control: ControlStore) -> None:
    with control.transaction() as connection:
        require_none_in(connection, "toy")
        assert live_models_in(connection) == set()
    add(control, "pricing", 2, "", "")
    with control.transaction() as connection:
        live = live_in(connection, "toy")
        assert live is not None
        assert (live.name, live.treatment) == ("pricing", 2)
        assert live_models_in(connection) == {"toy"}
        with pytest.raises(ConflictError, match="has a live experiment: pricing, version 2"):
            require_none_in(connection, "toy")
