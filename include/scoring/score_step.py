"""Step `score`: the nightly batch. A day's entities, scored by the version in production."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from include.core.errors import DataError
from include.core.partition import Partition
from include.core.request import Outcome
from include.core.spec import Binary, Features
from include.core.task import Task
from include.model_contract.remote import model_file
from include.problems.of import of_params, problem_of, require_same
from include.problems.problem import Problem
from include.request_features.definition import RequestFeatures, lacking, of_version
from include.scoring.batches import Mapper, open_mapper
from include.scoring.rows import rows_of_day
from include.scoring.scored import placed, schema
from include.scoring.scorer import Scorer

PLAIN = problem_of(Binary())
GROUP = 1 << 20  # rows of a row group

SCHEMA = schema(PLAIN)  # of a plain binary model


def run(task: Task) -> Outcome:
    """Inputs `train` and the published days by their names, up to `day`. Writes `scores.parquet`: request_id, event_timestamp,
    keys, what the problem says of a row (include/scoring/scored.py; of a plain binary one `score`, float32), version; sorted by
    time and id. The same request gives the same bytes, on Ray or not. Params: `day`, `features`, `version`, `problem`,
    `threshold` (all but the first two optional). Raises DataError for an unpublished day, and for outputs that are none of the
    problem's.
    """
    params, problem = task.params, of_params(task.params)
    contract = task.file("train", "signature.json").read_bytes()
    signature, features = json.loads(contract), Features.model_validate(params["features"])
    require_same(problem, signature, f"version {params.get('version')}")
    file = model_file(task.input("train").files)
    scorer = Scorer(
        task.file("train", file).read_bytes(),
        contract,
        params.get("version"),
        params.get("problem"),
        params.get("threshold"),
        file,
        features.keys,
        task.settings.environ,
    )
    computed = of_version(signature, features)  # by the expressions that it was trained with
    _require_given(computed, features, params.get("version"))
    rows = rows_of_day(task, features, Partition.read(params), problem.query, computed)
    path = task.workdir / "scores.parquet"
    wanted = schema(problem, features.keys)
    count = _write(path, _scored(rows, scorer, open_mapper(task.settings), problem, wanted), wanted)
    return Outcome({**Partition.read(params).fields(), "rows": count, "version": params.get("version")}, {"scores.parquet": path})


def _require_given(computed: RequestFeatures | None, features: Features, version: object) -> None:
    looked_up = [feature for view in features.views for feature in view.features]
    problems = lacking(computed, features, looked_up) if computed else []
    if problems:
        raise DataError(
            f"Version {version} cannot score a batch: {'; '.join(problems)}.",
            safe="nothing was scored.",
            hint="train a version on the present features, or restore the field in features.request_fields.",
        )


def _scored(rows: Iterator[pa.Table], scorer: Scorer, mapper: Mapper, problem: Problem, wanted: pa.Schema) -> Iterator[pa.Table]:
    """The scored batches in the order of the rows. Of a ranking one table, for the place in a list is known when all are scored:
    of its rows only the scores and their lists are held."""
    query = problem.query
    held: list[pa.Table] = [wanted.empty_table()]
    lists: list[pa.Table] = []
    for table in rows:
        scored = [part.cast(wanted) for part in mapper(table, scorer)]
        if query is None:
            yield from scored
        else:
            held.extend(scored)
            lists.append(table.select([query]) if query in table.column_names else table)
    if query is not None:
        yield placed(pa.concat_tables(held), pa.concat_tables(lists), query)


def _write(path: Path, tables: Iterator[pa.Table], wanted: pa.Schema) -> int:
    """Row groups of GROUP rows, as one table of them all would be written."""
    first = next(tables, wanted.empty_table())
    held, rows = [first], len(first)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        for table in tables:
            held.append(table)
            rows += len(table)
            if sum(map(len, held)) >= GROUP:
                joined = pa.concat_tables(held)
                whole = len(joined) // GROUP * GROUP
                writer.write_table(joined.slice(0, whole), row_group_size=GROUP)
                held = [joined.slice(whole)]
        left = pa.concat_tables(held)
        if len(left) or not rows:
            writer.write_table(left, row_group_size=GROUP)
    return rows
