"""Questions that bear the time of the event that answers them: left out, counted, told, or refused."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.errors import DataError
from include.core.ledger import Ledger
from include.core.request import Outcome, Request, Result
from include.core.settings import Settings
from include.core.spec import Feature, Features, View
from include.core.task import perform

SECOND = timedelta(seconds=1)
DAY = date(2013, 1, 1)


def trained(
    home: Path,
    *,
    answered: int,
    before: timedelta = timedelta(hours=1),
    after: timedelta = SECOND,
    seen: timedelta = timedelta(0),
    created: bool = False,
) -> Result:
    """Forty events of one person, an hour and a half apart. Each makes a row of the view `seen` after its question, and a
    label: of the first `answered` of them an hour `before` it (or so), of the others `after` it."""
    view = View(name="taste", keys=("person",), features=(Feature(name="mean"),), created="arrived" if created else None)
    features = Features(build="a.b:c", entities="a.b:d", labels="a.b:e", views=(view,))
    asked = [datetime.combine(DAY, time()) + timedelta(minutes=90 * n) for n in range(40)]
    ids = [f"r{n}" for n in range(40)]
    told = [at + (-before if n < answered else after) for n, at in enumerate(asked)]
    times = {"event_timestamp": pa.array([at + seen for at in asked], pa.timestamp("us"))}
    if created:
        early = pa.array([at - timedelta(minutes=1) for at in asked], pa.timestamp("us"))
        times = {"event_timestamp": early, "arrived": times["event_timestamp"]}
    tables: dict[str, Any] = {
        "taste": pa.table({"person": [1] * 40, **times, "mean": [float(n % 2) for n in range(40)]}),
        "entities": pa.table({"request_id": ids, "event_timestamp": pa.array(asked, pa.timestamp("us")), "person": [1] * 40}),
        "labels": pa.table(
            {"request_id": ids, "liked": [n % 2 for n in range(40)], "label_timestamp": pa.array(told, pa.timestamp("us"))}
        ),
    }
    settings = Settings.from_env({"SLIPSTREAM_HOME": str(home)})
    ledger, files = Ledger(settings.storage()), {f"{name}.parquet": home / f"{name}.parquet" for name in tables}
    for name, table in tables.items():
        pq.write_table(table, home / f"{name}.parquet")
    made = Request("features", "a.b:c", "toy", {})
    ref = ledger.ref(ledger.commit(made, ledger.open_attempt(made.key, 0), Outcome({"versions": {}}, files), 0.0))
    params = {
        "as_of": "2013-01-05", "window_days": 4, "holdout_days": 1, "minimum_rows": 10,
        "features": features.model_dump(mode="json"), "label": "liked",
    }  # fmt: skip
    request = Request("training_set", "include.features.training_set_step:run", "toy", params, {str(DAY): ref})
    return perform(request, ledger.open_attempt(request.key, 0), ledger, settings)


def test_a_label_that_was_known_when_its_row_was_asked_is_left_out_and_reported(tmp_path: Path) -> None:
    value = trained(tmp_path, answered=6).value
    assert (value["rows"], value["answered"], value["unlabelled"]) == (34, 6, 0)
    assert value["warnings"][0].startswith("6 rows were left out, beside 34 kept")


@pytest.mark.parametrize("answered", [21, 40])
def test_rows_that_mostly_bear_the_time_of_their_answer_are_refused(tmp_path: Path, answered: int) -> None:
    with pytest.raises(DataError, match=f"(?s)Of 40 labels {answered} were known before their row was asked.*asked before"):
        trained(tmp_path, answered=answered)


def test_a_label_that_was_known_before_its_row_was_asked_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Of 40 labels 40 were known"):
        trained(tmp_path, answered=0, after=-timedelta(hours=1))


@pytest.mark.parametrize("equal", [1, 40])
def test_a_label_of_exactly_the_questions_time_is_kept_and_reported(tmp_path: Path, equal: int) -> None:
    value = trained(tmp_path, answered=equal, before=timedelta(0), seen=SECOND).value
    assert (value["rows"], value["answered"], value["at_once"]) == (40, 0, equal)
    assert value["warnings"][0].startswith(f"{equal} of 40 rows have a label that became known at exactly the time")


@pytest.mark.parametrize("created", [False, True])
def test_values_of_the_questions_own_instant_are_counted_and_reported(tmp_path: Path, created: bool) -> None:
    value = trained(tmp_path, answered=0, created=created).value
    assert (value["answered"], value["same_instant"]) == (0, {"taste": 40})
    assert len(value["warnings"]) == 1
    assert value["warnings"][0].startswith("40 of 40 rows see a value of view 'taste'")


def test_a_value_known_just_after_the_question_is_neither_seen_nor_reported(tmp_path: Path) -> None:
    value = trained(tmp_path, answered=0, seen=timedelta(microseconds=1)).value
    assert (value["same_instant"], value["warnings"]) == ({"taste": 0}, [])
