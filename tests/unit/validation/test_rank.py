from __future__ import annotations

import random

import duckdb
import pytest

from include.validation.rank import nearest_ranks, ranked

DRAW = random.Random(7)
COLUMNS = {
    "numbers": [DRAW.gauss(0, 1) for _ in range(3000)],
    "one far away": [*(float(n % 10) for n in range(999)), 1e300],  # nearly all in one bucket
    "an infinity": [*map(float, range(99)), float("inf")],
    "alike": [3.0] * 50,
    "few": [2.0, 1.0],
}


def test_ranks_are_to_the_nearest_and_a_half_to_the_even_one() -> None:
    assert nearest_ranks([0, 0.25, 0.5, 1], 5) == [0, 1, 2, 4]
    assert nearest_ranks([0.5], 2) == [0]
    assert nearest_ranks([0.5], 4) == [2]


@pytest.mark.parametrize("name", COLUMNS)
def test_a_rank_is_that_of_the_sorted_values_and_null_is_none_of_them(name: str) -> None:
    values = COLUMNS[name]
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t (v DOUBLE)")
    connection.executemany("INSERT INTO t VALUES (?)", [[value] for value in [*values[:500], None, *values[500:]]])
    ranks = nearest_ranks([0, 0.01, 0.5, 0.99, 1], len(values))
    assert ranked(lambda sql: connection.execute(sql).fetchall(), "t", "v", ranks) == [sorted(values)[rank] for rank in ranks]
