from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore, rollout_events, rollouts
from include.rollout_state.queries import (
    challenger,
    challengers_in,
    models_in,
    newest_events,
    newest_rollout,
    rolled_back_in,
)
from tests.support.stores import empty_control


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    """Two rollouts of `toy`, the newer one live, and one of `other` that was rolled back."""
    store = empty_control(tmp_path)
    rows = (("r1", "toy", None, 2, "rolled_back"), ("r2", "toy", "toy", 3, "running"), ("r3", "other", None, 9, "promoted"))
    with store.transaction() as connection:
        for number, (name, model, live, version, state) in enumerate(rows):
            at = f"2026-01-0{number + 1}T00:00:00.000+00:00"
            row = {"id": name, "model": model, "live": live, "challenger": version, "champion": 1, "stage": "shadow"}
            connection.execute(rollouts.insert().values(**row, state=state, reason="", created_at=at, updated_at=at))
        for number in range(3):
            at = f"2026-01-02T00:00:0{number}.000+00:00"
            row = {"key": f"e{number}", "rollout": "r2", "stage": "shadow", "event": f"e{number}", "evidence": {"n": number}}
            connection.execute(rollout_events.insert().values(**row, at=at))
    return store


def test_who_is_being_brought_in(control: ControlStore) -> None:
    with control.transaction() as connection:
        assert challengers_in(connection) == {"toy": 3}
    assert (challenger(control, "toy"), challenger(control, "other")) == (3, None)


def test_what_was_rolled_back_and_which_models_had_a_rollout(control: ControlStore) -> None:
    with control.transaction() as connection:
        assert (rolled_back_in(connection, "toy"), rolled_back_in(connection, "other")) == ({2}, set())
        assert models_in(connection) == {"toy", "other"}


def test_the_newest_rollout_and_what_happened_last_in_it(control: ControlStore) -> None:
    newest = newest_rollout(control, "toy")
    assert newest is not None
    assert (newest["id"], newest["live"], newest["champion"], newest["state"]) == ("r2", "toy", 1, "running")
    assert [event["event"] for event in newest_events(control, "r2", 2)] == ["e2", "e1"]
    assert newest_rollout(control, "nobody") is None
