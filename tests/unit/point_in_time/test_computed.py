from __future__ import annotations

from include.core.spec import Feature, Features
from include.data.session import open_session
from include.point_in_time.computed import finished, request_features, sent
from include.request_features.definition import RequestFeatures
from tests.support.expressions import computed, features

ROWS = (
    "SELECT 'a' AS request_id, TIMESTAMP '2013-01-01 05:00:00' AS event_timestamp, 3::BIGINT AS i, NULL::BIGINT AS j, 1.5 AS late"
)


def test_inputs_stand_in_their_order_and_fields_are_gone() -> None:
    spec = features(Feature(name="hour", dtype="int", expression="hour(event_timestamp)"), computed("f + i + j", default=7.0))
    joined = f"SELECT *, 1.0 AS f, 2.0 AS g, false AS b, 'x' AS s, '' AS t FROM ({ROWS})"
    with open_session(1) as connection:
        wanted = request_features(connection, spec)
        found = connection.sql(finished(joined, spec, wanted, ("request_id",), ("late",)))
        assert found.columns == ["request_id", "f", "g", "hour", "out", "late"]
        assert [float(each) for each in found.fetchall()[0][1:]] == [1.0, 2.0, 5.0, 7.0, 1.5]  # j has its default: 1 + 3 + 3


def test_what_a_version_computes_itself_is_not_taken_from_the_row() -> None:
    plain = Features(request=(Feature(name="out"), Feature(name="i", dtype="int")))
    wanted = RequestFeatures.of(features(computed("i * 2")))
    assert wanted is not None
    assert [each.rpartition('"i"')[1] for each in sent(plain, wanted)] == ['"i"']
    with open_session(1) as connection:
        found = connection.sql(finished(ROWS, plain, wanted, ("request_id",)))
        assert found.columns == ["request_id", "out", "i"]
        assert found.fetchall() == [("a", 6.0, 3)]


def test_where_nothing_is_computed_the_join_is_the_answer() -> None:
    assert finished(ROWS, Features(request=(Feature(name="i"),)), None, ("request_id",)) == ROWS
