"""Step `score`: the nightly batch. A day's entities, scored by the version in production."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq

from include.core.request import Outcome
from include.core.spec import Features
from include.core.task import Task
from include.scoring.batches import open_mapper
from include.scoring.rows import rows_of_day
from include.scoring.scorer import Scorer

SCHEMA = pa.schema(
    [("request_id", pa.string()), ("event_timestamp", pa.timestamp("us")), ("score", pa.float32()), ("version", pa.int32())]
)


def run(task: Task) -> Outcome:
    """Inputs `train` and the published days (`YYYY-MM-DD`) up to `day`. Writes `scores.parquet`: request_id,
    event_timestamp, score (float32), version; sorted by time and id. The same request gives the same bytes,
    on Ray or not. Params: `day`, `features`, `version` (optional). Raises DataError for an unpublished day.
    """
    params = task.params
    rows = rows_of_day(task, Features.model_validate(params["features"]), date.fromisoformat(params["day"]))
    scorer = Scorer(
        task.file("train", "model.onnx").read_bytes(), task.file("train", "signature.json").read_bytes(), params.get("version")
    )
    scored = open_mapper(task.settings)(rows, scorer)
    table = pa.concat_tables([SCHEMA.empty_table(), *(part.cast(SCHEMA) for part in scored)])
    path = task.workdir / "scores.parquet"
    pq.write_table(table, path, compression="zstd")
    return Outcome({"day": params["day"], "rows": table.num_rows, "version": params.get("version")}, {"scores.parquet": path})
