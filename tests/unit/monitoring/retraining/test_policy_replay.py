from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from include.core.errors import DataError
from include.core.spec import Retraining
from include.monitoring.retraining.labelled_stream import Stream, from_csv
from include.monitoring.retraining.policy_replay import DELAY, TRAINED_ON, account, decided, errors, every, never, oracle, replay
from tests.support.weekly_facts import DRIFT, facts
from tests.support.weekly_facts import replay as decisions


def table(windows: int, seed: int = 1) -> np.ndarray:
    error = np.random.default_rng(seed).uniform(0.1, 0.4, (windows, windows))
    error[np.tri(windows, k=-2, dtype=bool)] = np.nan
    return error


@pytest.mark.parametrize("price", [0.0, 0.02, 0.1, 1.0])
def test_the_oracle_is_the_cheapest_of_all_plans(price: float) -> None:
    error = table(8)
    plans = [list(plan) for size in range(8) for plan in combinations(range(1, 8), size)]
    assert oracle(error, price).cost == pytest.approx(min(account(error, plan, price).cost for plan in plans))


def test_a_replay_pays_for_every_retrain_and_serves_what_was_trained() -> None:
    error = table(6)
    found = replay(error, every(2), 0.1)
    served = [error[0, 0], error[0, 1], error[2, 2], error[2, 3], error[4, 4], error[4, 5]]
    assert found.retrained == (2, 4)
    assert found.error == pytest.approx(np.mean(served))
    assert found.cost == pytest.approx(np.mean(served) + 0.1 * 2 / 6)
    assert replay(error, never, 0.1).retrained == ()


def test_a_policy_sees_no_label_before_it_is_there() -> None:
    seen = []
    replay(table(6), lambda known: bool(seen.append(known.error)), 0.1)
    for now, error in enumerate(seen, start=1):
        assert error.shape == (now + 1, now + 1)
        assert np.isnan(error[:, now - DELAY :]).all()
        assert np.isfinite(error[0, : now - DELAY]).all()


def test_errors_are_of_models_that_saw_nothing_of_the_window() -> None:
    """The label turns around at window 12: models trained before are wrong from then on, and right again when retrained."""
    rng, rows, windows = np.random.default_rng(2), 60, 20
    inputs, window = rng.normal(size=(rows * windows, 2)), np.repeat(np.arange(windows), rows)
    label = ((inputs[:, 0] > 0) ^ (window >= 12)).astype(float)
    error = errors(Stream("turns", inputs, label, window), 0.5)
    first = TRAINED_ON + DELAY
    assert error.shape == (windows - first, windows - first)
    assert error[0, 12 - first - 1] < 0.1
    assert error[0, 12 - first] > 0.9
    assert error[12, 12] < 0.1  # trained on 12 to 16, serves 18
    assert np.isnan(error[5, 3])
    assert np.isfinite(error[5, 4])


def test_a_past_of_one_label_predicts_that_label() -> None:
    window = np.repeat(np.arange(9), 4)
    label = (window >= 7).astype(float)
    error = errors(Stream("quiet", np.zeros((36, 1)), label, window), 0.5)
    assert error[0].tolist() == [0.0, 1.0, 1.0]  # windows 6, 7, 8


def test_a_csv_is_cut_into_windows(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("a,kind,y\n" + "".join(f"{n},{'xy'[n % 2]},{n % 2}\n" for n in range(25)))
    stream = from_csv(path, "y", 10)
    assert (stream.windows, stream.inputs.shape, len(stream.label)) == (2, (20, 2), 20)
    assert stream.inputs[1].tolist() == [1.0, 1.0]
    with pytest.raises(DataError, match="no column 'z'"):
        from_csv(path, "z", 10)
    with pytest.raises(DataError, match="must be 0 and 1"):
        from_csv(path, "a", 10)
    with pytest.raises(DataError, match="no such CSV"):
        from_csv(tmp_path / "none.csv", "y", 10)


def test_another_policy_is_replayed_on_the_facts_of_stored_decisions() -> None:
    weeks = [facts(day, drift=DRIFT) for day in ("2013-04-29", "2013-05-06", "2013-05-13")]
    recorded = decisions(weeks, Retraining(consecutive=3))
    assert [d.action for d in recorded] == ["hold", "hold", "retrain"]
    assert decided(recorded[::-1], Retraining(consecutive=3)) == recorded
    assert [d.action for d in decided(recorded, Retraining(consecutive=1))] == ["retrain", "hold", "retrain"]
    assert [d.action for d in decided(recorded, Retraining(on_drift=False))] == ["hold", "hold", "hold"]
