"""Labels that callers have sent, as a day's published labels: numbers, or classes by name."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from include.core.ledger import Ledger
from include.core.settings import Settings
from include.core.spec import MultiClass
from include.core.task import perform
from include.data.window import moment
from include.monitoring.feedback_step import snapshot
from include.prediction_log.shared import log_of
from tests.support.synthetic_predictions import spec, write_log


def test_classes_come_back_by_name(ledger: Ledger, settings: Settings) -> None:
    at = "2013-04-03T00:00:00.000000+00:00"
    told = [{"kind": "label", "id": "a", "at": at, "label_class": "5"}, {"kind": "label", "id": "b", "at": at, "label": 1.0}]
    write_log(settings, told)
    for problem, expected in ((MultiClass(classes=("4", "5")), {"a": "5"}), (spec().problem, {"b": 1.0})):
        request = snapshot(log_of(settings), spec(problem=problem), moment("2013-04-08"))
        result = perform(request, ledger.open_attempt(request.key, 0), ledger, settings)
        table = pq.read_table(Path(ledger.storage.uri(result.files["labels.parquet"].path)))
        found = dict(zip(table["request_id"].to_pylist(), table["late"].to_pylist(), strict=True))
        assert found == expected
