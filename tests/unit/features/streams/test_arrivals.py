"""What is late, what is ahead, and stamps that only grow: functions of a partition's own order."""

from __future__ import annotations

from include.features.streams.arrivals import Arrivals


def test_late_is_by_the_newest_before_it_and_survives_any_cut_into_batches() -> None:
    times = [100, 105, 94, 200, 189, 190, 1000, 150]
    whole = Arrivals(late=10)
    late, ahead = whole.on_time(0, times, latest=500)
    assert (late.tolist(), ahead.tolist()) == ([2, 4, 7], [6])
    assert whole.of(0).newest == 200
    parts, found = Arrivals(late=10), []
    for at in range(0, len(times), 3):
        chunk, _ = parts.on_time(0, times[at : at + 3], latest=500)
        found += [at + int(place) for place in chunk]
    assert found == [2, 4, 7]


def test_what_is_kept_no_more_is_late_whatever_its_own_partition_says() -> None:
    arrivals = Arrivals(late=10)
    late, _ = arrivals.on_time(1, [100], latest=10**6, dropped=200)
    assert late.tolist() == [0]


def test_stamps_grow_also_where_the_log_s_clock_goes_back_or_is_ahead() -> None:
    arrivals = Arrivals(late=10)
    assert arrivals.stamped(0, [100, 90, 90, 105, 9999], latest=500).tolist() == [100, 101, 102, 105, 106]
    assert arrivals.stamped(0, [], latest=500).tolist() == []
    arrivals.begin(0, 300)
    arrivals.begin(0, 50)
    assert arrivals.stamped(0, [100], latest=500).tolist() == [301]
