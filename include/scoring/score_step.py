"""Step `score`: the nightly batch. A day's entities, scored by the version in production."""

from __future__ import annotations

import json
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq

from include.core.request import Outcome
from include.core.spec import Binary, Features
from include.core.task import Task
from include.model_contract.remote import model_file
from include.problems.of import of_params, problem_of, require_same
from include.scoring.batches import open_mapper
from include.scoring.rows import rows_of_day
from include.scoring.scored import placed, schema
from include.scoring.scorer import Scorer

PLAIN = problem_of(Binary())

SCHEMA = schema(PLAIN)  # of a plain binary model


def run(task: Task) -> Outcome:
    """Inputs `train` and the published days (`YYYY-MM-DD`) up to `day`. Writes `scores.parquet`: request_id, event_timestamp,
    what the problem says of a row (include/scoring/scored.py; of a plain binary one `score`, float32), version; sorted by time
    and id. The same request gives the same bytes, on Ray or not. Params: `day`, `features`, `version`, `problem`, `threshold`
    (all but the first two optional). Raises DataError for an unpublished day, and for outputs that are none of the problem's.
    """
    params, problem = task.params, of_params(task.params)
    contract = task.file("train", "signature.json").read_bytes()
    require_same(problem, json.loads(contract), f"version {params.get('version')}")
    rows = rows_of_day(task, Features.model_validate(params["features"]), date.fromisoformat(params["day"]), problem.query)
    file = model_file(task.input("train").files)
    scorer = Scorer(
        task.file("train", file).read_bytes(),
        contract,
        params.get("version"),
        params.get("problem"),
        params.get("threshold"),
        file,
        task.settings.environ,
    )
    scored = open_mapper(task.settings)(rows, scorer)
    wanted = schema(problem)
    table = pa.concat_tables([wanted.empty_table(), *(part.cast(wanted) for part in scored)])
    if problem.query is not None:
        table = placed(table, rows, problem.query)
    path = task.workdir / "scores.parquet"
    pq.write_table(table, path, compression="zstd")
    return Outcome({"day": params["day"], "rows": table.num_rows, "version": params.get("version")}, {"scores.parquet": path})
