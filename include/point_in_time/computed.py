"""The request's part of a training set or a batch: what came with each row, and what is computed of it (features.request)."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from include.core.spec import Features
from include.data.sql import quoted
from include.point_in_time.join import value
from include.request_features.definition import RequestFeatures
from include.request_features.reading import check_reading
from include.request_features.relation import with_computed


def request_features(connection: duckdb.DuckDBPyConnection, features: Features) -> RequestFeatures | None:
    """What is computed of a request, by the spec. Raises SpecError for an expression that DuckDB reads otherwise than we do."""
    wanted = RequestFeatures.of(features)
    for each in wanted.computed if wanted else ():
        check_reading(connection, each.name, each.expression)
    return wanted


def sent(features: Features, wanted: RequestFeatures | None) -> list[str]:
    """SQL over `entity` of all that came with a row, by its name, defaults filled in; without what is to be computed."""
    computed = wanted.names if wanted else ()
    return [value(f'entity."{each.name}"', each) for each in features.sent if each.name not in computed]


def finished(
    joined: str, features: Features, wanted: RequestFeatures | None, before: Sequence[str], after: Sequence[str] = ()
) -> str:
    """SQL: the columns `before`, every input of the model in its order, the columns `after`.

    `joined`: SQL that has them all but what is computed, and `sent`. Where nothing is computed it is the answer.
    `wanted`: the spec's, or a version's own, which may compute other inputs.
    """
    if wanted is None:
        return joined
    computed = {each.name: each for each in wanted.computed}
    given = [each for each in features.inputs if each.name not in computed and not each.expression]
    places = {each.name: place for place, each in enumerate(features.inputs)}
    inputs = sorted((*given, *wanted.computed), key=lambda each: places.get(each.name, len(places)))
    listed = [value(f'"{each.name}"', each) if each.name in computed else f'"{each.name}"' for each in inputs]
    columns = [*map(quoted, before), *listed, *map(quoted, after)]
    return f"SELECT {', '.join(columns)} FROM ({with_computed(joined, wanted)})"
