from __future__ import annotations

import pyarrow as pa

from include.core.spec import Feature
from include.data.session import open_session
from include.request_features.definition import RequestFeatures
from include.request_features.relation import with_computed
from tests.support.expressions import features


def test_each_level_reads_the_one_before_with_its_default() -> None:
    one = Feature(name="one", default=9.0, expression="1 / nullif(f, 0)")
    wanted = RequestFeatures.of(features(Feature(name="two", expression="one + 1"), one))
    assert wanted is not None
    rows = pa.table({"f": [0.0, 0.5, None], "other": ["a", "b", "c"], "event_timestamp": pa.array([0, 0, 0], pa.timestamp("us"))})
    with open_session(1) as connection:
        connection.register("rows_here", rows)
        found = connection.sql(f"SELECT other, one, two FROM ({with_computed('SELECT * FROM rows_here', wanted)})").fetchall()
    assert sorted(found) == [("a", None, 10.0), ("b", 2.0, 3.0), ("c", None, 10.0)]


def test_nothing_fails_for_a_value() -> None:
    wanted = RequestFeatures.of(features(Feature(name="one", dtype="int", expression="i // j + i * i")))
    assert wanted is not None
    rows = pa.table({"i": [2**62, 4, 1], "j": [1, 0, 2], "event_timestamp": pa.array([0, 0, 0], pa.timestamp("us"))})
    with open_session(1) as connection:
        connection.register("rows_here", rows)
        found = connection.sql(f"SELECT i, one FROM ({with_computed('SELECT * FROM rows_here', wanted)})").fetchall()
    assert sorted(found) == [(1, 1), (4, None), (2**62, None)]
