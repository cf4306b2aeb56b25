"""Labels that callers have sent, as a day's published labels: numbers, or classes by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from include.core.errors import NotReadyError
from include.core.ledger import Ledger
from include.core.settings import Settings
from include.core.spec import MultiClass
from include.core.task import perform
from include.data.window import Window, moment
from include.monitoring.feedback_step import snapshot, told, told_snapshot
from include.prediction_log.shared import log_of
from include.problems.of import of_spec
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


def label(request: str, value: float, written: str, known: str | None = None) -> dict[str, Any]:
    at = f"2013-04-{written}.000000+00:00"
    return {"kind": "label", "id": request, "at": at, "label": value, **({"event_time": f"2013-04-{known}"} if known else {})}


def test_of_several_labels_of_a_request_the_first_written_counts_from_when_it_was_known(settings: Settings) -> None:
    write_log(settings, [
        label("again", 0.0, "03T12:00:00", "02T00:00:00"), label("again", 1.0, "03T11:00:00", "03T00:00:00"),
        label("late", 1.0, "30T00:00:00", "07T23:59:59"), label("old", 1.0, "02T00:00:00", "01T00:00:00"),
        label("unsaid", 0.0, "06T00:00:00"), label("next", 1.0, "06T00:00:00", "08T00:00:00"),
        label("none", 0.5, "06T00:00:00"), {**label("of a class", 0.0, "06T00:00:00"), "label": None, "label_class": "5"},
    ])  # fmt: skip
    model, window = spec(), Window(moment("2013-04-02"), moment("2013-04-08"))
    found = told(log_of(settings), model.name, window, of_spec(model))
    assert found == [
        ("again", 1.0, "2013-04-03T00:00:00"), ("late", 1.0, "2013-04-07T23:59:59"), ("unsaid", 0.0, "2013-04-06T00:00:00"),
    ]  # fmt: skip


def test_a_request_names_the_labels_that_it_found(ledger: Ledger, settings: Settings) -> None:
    write_log(settings, [label("a", 1.0, "03T12:00:00")])
    request = told_snapshot(log_of(settings), spec(), moment("2013-04-08"), 7)
    result = perform(request, ledger.open_attempt(request.key, 0), ledger, settings)
    table = pq.read_table(Path(ledger.storage.uri(result.files["labels.parquet"].path)))
    assert table.to_pylist() == [{"request_id": "a", "late": 1.0, "label_timestamp": moment("2013-04-03T12:00:00")}]
    write_log(settings, [label("b", 0.0, "03T12:00:00")])
    assert told_snapshot(log_of(settings), spec(), moment("2013-04-08"), 7).key != request.key
    with pytest.raises(NotReadyError, match="holds other labels by now"):
        perform(request, ledger.open_attempt(request.key, 1), ledger, settings)
