"""Questions that bear the time of the event which answers them: what is counted of them, and what is said.

A value is known from its own microsecond on. So a question that is asked in the moment its label becomes known sees the
rows that this very event made, and the model learns to read the answer. A label that was known before its row was asked is
no label of it: such rows are left out. A label of exactly the row's time is kept and told, for events that have one time
alone are common; so are rows that see a value of exactly their own time where they are most, since whole hours meet by
chance.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from include.core.request import Json
from include.core.spec import View
from include.point_in_time.join import EVENT, KNOWN, known
from include.point_in_time.known import KnownFiles, known_side

MOST = 0.5  # of the rows, from which on a view's values of the same instant are worth a warning


def same_instant(
    connection: duckdb.DuckDBPyConnection, views: Iterable[View], files: KnownFiles, entities: str
) -> dict[str, int]:
    """How many rows of the relation `entities` see a row of each view that became known at exactly their time."""
    return {view.name: _of_view(connection, view, files, entities) for view in views}


def _of_view(connection: duckdb.DuckDBPyConnection, view: View, files: KnownFiles, entities: str) -> int:
    side = known_side(view, KnownFiles(files.days, {}))
    keys = "".join(f' AND entity."{key}" = made."{key}"' for key in view.keys)
    made = f"(SELECT *, {known(side)} AS {KNOWN} FROM {side.rows}) AS made"
    query = f"SELECT count(*) FROM {entities} AS entity SEMI JOIN {made} ON entity.{EVENT} = made.{KNOWN}{keys}"
    return int(connection.execute(query).fetchall()[0][0])


def warnings(rows: int, answered: int, at_once: int, instants: dict[str, int]) -> list[Json]:
    """Sentences for the report: `answered` rows were left out; of the `rows` kept `at_once` have a label of their own time,
    and `instants` see a view's same moment."""
    found: list[Json] = []
    if answered:
        found.append(
            f"{answered:,} rows were left out, beside {rows:,} kept: their label was known before they were asked. A "
            "question must be asked before the event that answers it."
        )
    if at_once:
        found.append(
            f"{at_once:,} of {rows:,} rows have a label that became known at exactly the time they were asked: what the same "
            "event made can be read from the views, and no caller will ever see it. Ask before it."
        )
    found += [
        f"{count:,} of {rows:,} rows see a value of view {name!r} that became known at exactly the time they were asked. If the "
        "event that answers the question makes that value, ask before it, or let the value be known after it."
        for name, count in instants.items()
        if rows and count >= MOST * rows
    ]
    return found
