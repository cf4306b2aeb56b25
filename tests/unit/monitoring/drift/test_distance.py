from __future__ import annotations

import numpy as np
import pytest

from include.monitoring.drift.distance import SQUARE, Floor, Windows, distance, left_out

SHARES = np.array([0.25, 0.25, 0.25, 0.25])


def windows(means: list[float], rows: float = 1000.0, shares: np.ndarray | None = None) -> Windows:
    count = len(means)
    bins = np.tile(rows * (SHARES if shares is None else shares), (count, 1))
    return Windows(np.full(count, rows), np.array(means), np.ones(count), bins)


PAST = windows([0.0, 0.1, -0.1, 0.05, -0.05])


def test_a_window_like_the_past_lies_near_and_one_that_moved_lies_far() -> None:
    near = distance(windows([0.02])[0], PAST, True, Floor())
    far = distance(windows([1.5])[0], PAST, True, Floor())
    assert abs(near.shift) < 1 < 5 < far.shift
    assert far.moved == pytest.approx(1.5)
    assert far.score == far.shift


def test_the_direction_of_the_move_is_kept_and_the_score_has_none() -> None:
    up, down = (distance(windows([mean])[0], PAST, True, Floor()) for mean in (1.0, -1.0))
    assert down.shift == pytest.approx(-up.shift)
    assert down.score == pytest.approx(up.score)


def test_the_same_move_on_more_rows_is_never_nearer() -> None:
    found = [distance(windows([0.5], rows)[0], PAST, True, Floor()).shift for rows in (20, 100, 1000, 100_000)]
    assert found == sorted(found)


def test_the_more_the_past_windows_differ_of_themselves_the_less_a_move_counts() -> None:
    one = windows([1.0])[0]
    calm, stormy = windows([0.0] * 5), windows([0.8, -0.8, 0.5, -0.5, 0.0])
    assert distance(one, stormy, True, Floor()).shift < distance(one, calm, True, Floor()).shift / 5


def test_a_category_has_a_shape_and_no_mean() -> None:
    changed = windows([9.0], shares=np.array([0.7, 0.1, 0.1, 0.1]))[0]
    found = distance(changed, PAST, False, Floor())
    assert (found.shift, found.moved) == (0, 0)
    assert found.shape > SQUARE


def test_a_column_of_one_bin_has_no_shape() -> None:
    one_bin = Windows(PAST.n, PAST.mean, PAST.variance, PAST.n[:, None])
    found = distance(one_bin[0], one_bin, True, Floor())
    assert (found.shape, found.psi) == (0, 0)


def test_each_past_window_is_judged_by_the_others() -> None:
    odd = windows([0.0, 0.1, -0.1, 0.05, 3.0])
    scores = left_out(odd, True, Floor())
    assert scores.argmax() == 4
    rest = odd[np.array([0, 1, 2, 3])]
    assert scores[4] == pytest.approx(distance(odd[4], rest, True, Floor()).score)


def test_rare_bins_are_counted_together() -> None:
    past = Windows(np.array([1000.0]), np.zeros(1), np.ones(1), np.array([[500.0, 3.0, 495.0, 2.0]]))
    groups = past.groups()
    assert groups.tolist() == [0, 2, 1, 2]
    assert past.lumped(groups).bins.tolist() == [[500, 495, 5]]


def test_a_mean_that_a_few_huge_values_move_is_no_farther_than_they_vary() -> None:
    """Of a column that is mostly 0: the past has seen few of its values, and cannot tell how far a window's mean may lie."""
    one = windows([0.3])[0]
    burst = Windows(one.n, one.mean, np.full_like(one.variance, 90.0), one.bins)
    by_the_past = distance(one, windows([0.0] * 5), True, Floor())
    by_itself = distance(burst, windows([0.0] * 5), True, Floor())
    assert by_itself.shift < 1.1 < 4 < by_the_past.shift
    assert by_itself.moved == by_the_past.moved  # the effect is what it is
