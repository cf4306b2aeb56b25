"""Who a window's answers are about: the protected attributes of each request, beside the predictions (`people.parquet`).

An attribute that is an input is in the log. One that is none, or that `serving.redact` keeps out of the log, is looked up in the
entity rows of published days, by the request; until they have landed it is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow.parquet as pq

from include.core.spec import ModelSpec
from include.data.sql import parquet, quoted

FILE = "people"
PERSON, LANDED = "_person", "_landed"  # names that no column of an author has
UNIT = "unit"  # the log's own hash of all keys says whose request it is


def asked_of(spec: ModelSpec) -> dict[str, Any]:
    """What `collect` is asked for; nothing where the spec names no attribute, whose requests stay as they were.

    `logged`: attributes that the log holds. `looked_up`: those of the entity rows. `person`: the columns that say whose row it
    is, `unit` where the log knows it, none where each row is another's.
    """
    if not spec.fairness.attributes:
        return {}
    known = {each.name for each in spec.features.inputs} - set(spec.serving.redact)
    columns = spec.fairness.columns
    return {
        "people": {
            "logged": [name for name in columns if name in known],
            "looked_up": [name for name in columns if name not in known],
            "person": _person(spec),
        }
    }


def _person(spec: ModelSpec) -> list[str]:
    keys = spec.problem.unit_keys(spec.features.keys)
    wanted = keys if spec.fairness.person is None else spec.fairness.person
    if not wanted:
        return []
    return [UNIT] if set(wanted) == set(keys) else list(wanted)


def looks_up(asked: Mapping[str, Any]) -> bool:
    """Whether something is asked for that only entity rows hold."""
    return bool(asked["looked_up"]) or asked["person"] not in ([], [UNIT])


def query(asked: Mapping[str, Any], entities: Sequence[str], filled: Mapping[str, str]) -> str:
    """SQL of the file, over the tables of the log (include/prediction_log/sql_view.py): request_id, event_time, `_landed`
    (whether the entity row is there, where one is asked for), `_person`, and every attribute.

    `entities`: files of published days. `filled`: SQL of logged attributes, missing values as the model has them.
    """
    person = [name for name in asked["person"] if name != UNIT]
    wanted = list(dict.fromkeys((*asked["looked_up"], *person)))
    there = {name for file in entities for name in pq.read_schema(file).names}
    rows = _entities(entities, [name for name in wanted if name in there])
    columns = [filled[name] for name in asked["logged"]]
    columns += [f'landed."{name}"' if name in there else f'NULL::VARCHAR AS "{name}"' for name in asked["looked_up"]]
    found = "landed.request_id IS NOT NULL" if wanted else "true"
    listed = "".join(f", {column}" for column in columns)
    return f"""SELECT timed.request_id, event_time, {found} AS {LANDED}, {_whose(asked, person, there)} AS {PERSON}{listed}
        FROM timed LEFT JOIN ({rows}) AS landed ON timed.request_id = landed.request_id WHERE turn = 1"""


def _entities(files: Sequence[str], names: Sequence[str]) -> str:
    """One row a request: a day that was published twice, or two days, must not count one twice."""
    if not files or not names:
        return "SELECT NULL::VARCHAR AS request_id WHERE false"
    listed = quoted(*names)
    return f"""SELECT request_id::VARCHAR AS request_id, {listed} FROM {parquet(files, union_by_name=True)}
        QUALIFY row_number() OVER (PARTITION BY request_id ORDER BY event_timestamp DESC) = 1"""


def _whose(asked: Mapping[str, Any], person: Sequence[str], there: set[str]) -> str:
    """SQL of a number a person; of nobody known each row is another's."""
    if not asked["person"]:
        return "NULL::BIGINT"
    if not person:
        return "dense_rank() OVER (ORDER BY _unit)"
    known = [f'landed."{name}"' for name in person if name in there]
    return f"dense_rank() OVER (ORDER BY {', '.join(known)})" if known else "NULL::BIGINT"
