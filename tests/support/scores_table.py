"""A partition of a table of scores."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.request import Outcome, Request
from include.scoring.table import path_of, publish, resource

DAY = "2013-04-02"


def one_partition(control: ControlStore, ledger: Ledger, model: str, folder: Path) -> str:
    """Published, of version 1; the path of its file."""
    file = folder / "scores.parquet"
    pq.write_table(pa.table({"score": [0.5]}), file)
    request = Request("score", "tests:none", model, {"day": DAY})
    outcome = Outcome({"day": DAY, "rows": 1, "version": 1}, {"scores.parquet": file})
    result = ledger.commit(request, ledger.open_attempt(request.key, 0), outcome, 0.0)
    publish(control, ledger, model, result, control.take(resource(model, DAY), "a test"))
    return path_of(model, DAY)
