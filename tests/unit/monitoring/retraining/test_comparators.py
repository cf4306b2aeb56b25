from __future__ import annotations

import numpy as np

from include.monitoring.retraining.comparators import CLOCKS, COMPARATORS, READINGS, Sight, comparators, readings, votes
from include.monitoring.retraining.staleness_probe import ageing, forecast


def sight(error: np.ndarray, alarms: tuple[bool, ...] = (), price: float = 0.05) -> Sight:
    seen = error.copy()
    seen[:, -2:] = np.nan
    return Sight(seen, ageing(seen), price, alarms)


def flat(windows: int = 14) -> np.ndarray:
    error = np.full((windows, windows), 0.2)
    error[np.tri(windows, k=-2, dtype=bool)] = np.nan
    return error


def names(said: list[bool]) -> set[str]:
    return {name for name, again in zip(COMPARATORS, said, strict=True) if again}


def test_clocks_count_the_windows_since_their_own_model() -> None:
    now = len(flat()) - 1
    assert names(comparators(sight(flat()), [now] * len(COMPARATORS))) == set()
    assert names(comparators(sight(flat()), [now - 3] * len(COMPARATORS))) == {
        "every window",
        "every 2 windows",
        "every 3 windows",
    }
    assert "never" not in names(comparators(sight(flat()), [0] * len(COMPARATORS)))
    assert CLOCKS[0] == 1


def test_drift_counts_two_windows_in_a_row_that_its_model_served() -> None:
    old, young = [0] * len(COMPARATORS), [len(flat()) - 2] * len(COMPARATORS)
    assert "on drift" in names(comparators(sight(flat(), (False, True, True)), old))
    assert "on drift" not in names(comparators(sight(flat(), (True, False, True)), old))
    assert "on drift" not in names(comparators(sight(flat(), (True, True)), young))
    assert "on drift" not in names(comparators(sight(flat()), old))


def test_a_loss_counts_if_the_newest_labelled_windows_all_have_it() -> None:
    error, old = flat(), [0] * len(COMPARATORS)
    assert "on loss" not in names(comparators(sight(error), old))
    error[0, -4:] += 0.1  # the last two of them are not labelled yet
    assert "on loss" in names(comparators(sight(error), old))
    error[0, -3] = 0.2
    assert "on loss" not in names(comparators(sight(error), old))


def test_a_reading_is_the_forecast_at_its_price_and_caution() -> None:
    error = flat()
    error[0, 6:] += 0.05
    seen = sight(error)
    plain = READINGS.index((1.0, 0.674))
    assert votes(seen, 0) == readings(seen, [0] * len(READINGS))
    for price in (0.001, 0.05, 1.0):
        found = Sight(seen.error, seen.found, price)
        assert votes(found, 0)[plain] == forecast(seen.error, 0, price).worth
    assert not any(votes(Sight(np.full((2, 2), np.nan), None, 0.05), 0))


def test_a_higher_price_and_more_caution_never_hasten() -> None:
    error = flat()
    error[0, 6:] += 0.03
    said = dict(zip(READINGS, votes(sight(error), 0), strict=True))
    for (times, caution), again in said.items():
        assert not again or all(said[t, c] for t, c in READINGS if t <= times and c <= caution)
