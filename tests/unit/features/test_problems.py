"""Training sets of labels that are numbers, classes and relevances: their types, their columns, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.errors import DataError
from include.core.request import Outcome
from include.core.spec import AnyKind, Binary, Data, Feature, Features, ModelSpec, MultiClass, Ranking, Regression, Training
from include.features.offline.dataset import check, of_entities, of_labels
from include.features.training_set_step import Window, build
from include.problems.of import problem_of, rows_of
from include.step_values.features import label_words

START, DAYS, EACH = datetime.fromisoformat("2024-01-01"), 10, 12
FEATURES = Features(build="m:b", entities="m:e", labels="m:l", request=(Feature(name="x"), Feature(name="amount")))
ROWS = DAYS * EACH


def made(
    folder: Path, problem: AnyKind, labels: Sequence[Any], beside: tuple[str, ...] = (), **columns: Sequence[Any]
) -> tuple[Outcome, dict[str, pa.Table]]:
    """The training set of ten days of twelve rows, the last two days held out."""
    folder.mkdir(exist_ok=True)
    ids, times = [f"r{n}" for n in range(ROWS)], [START + timedelta(hours=2 * n) for n in range(ROWS)]
    asked = pa.array(times, pa.timestamp("us"))
    known = pa.array([time + timedelta(minutes=5) for time in times], pa.timestamp("us"))
    numbers = np.arange(ROWS, dtype=np.float64)
    entities = {"request_id": ids, "event_timestamp": asked, "x": numbers, "amount": numbers + 1, **columns}
    files = {"entities": folder / "entities.parquet", "labels": folder / "labels.parquet"}
    pq.write_table(pa.table(entities), files["entities"])
    pq.write_table(pa.table({"request_id": ids, "y": labels, "label_timestamp": known}), files["labels"])
    window = Window(START + timedelta(days=DAYS), 30, 2, 50, "y", problem_of(problem), beside)
    with duckdb.connect() as connection:
        outcome = build(connection, FEATURES, window, {name: [str(path)] for name, path in files.items()}, folder)
    return outcome, {name: pq.read_table(path) for name, path in outcome.files.items()}


def test_numbers_keep_their_type_and_their_weight(tmp_path: Path) -> None:
    labels, weights = np.linspace(-3, 40, ROWS), np.linspace(1, 2, ROWS)
    outcome, tables = made(tmp_path, Regression(scale=5, weight="importance"), labels, importance=weights)
    train, holdout = tables["train.parquet"], tables["holdout.parquet"]
    assert (train.num_rows, holdout.num_rows) == (96, 24)
    assert train["y"].type == pa.float64()
    assert train["y"].to_pylist() == pytest.approx(labels[:96].tolist())
    assert holdout["importance"].to_pylist() == pytest.approx(weights[96:].tolist())
    assert "positives" not in outcome.value
    assert set(outcome.value["described"]["train"]) == {"mean", "median", "p5", "p95"}
    assert "median" in label_words(outcome.value)


def test_a_feature_may_be_the_weight_and_is_there_once(tmp_path: Path) -> None:
    _, tables = made(tmp_path, Regression(scale=5, weight="amount"), np.arange(ROWS, dtype=float))
    assert tables["train.parquet"].column_names == ["request_id", "event_timestamp", "x", "amount", "y"]


def test_classes_are_text_and_whole_numbers_become_it(tmp_path: Path) -> None:
    outcome, tables = made(tmp_path, MultiClass(classes=("1", "2", "3")), [n % 3 + 1 for n in range(ROWS)])
    assert tables["train.parquet"]["y"].type == pa.string()
    assert set(tables["train.parquet"]["y"].to_pylist()) == {"1", "2", "3"}
    assert outcome.value["described"] == {"train": {"1": 32, "2": 32, "3": 32}, "holdout": {"1": 8, "2": 8, "3": 8}}
    assert label_words(outcome.value) == "1 32, 2 32, 3 32"


def test_a_query_is_never_apart_and_one_on_both_sides_of_the_cut_is_left_out(tmp_path: Path) -> None:
    sessions = [f"s{(n + 2) // 4}" for n in range(ROWS)]  # the session s24 spans the midnight of the cut
    problem = Ranking(query="session", item="x")
    outcome, tables = made(tmp_path, problem, [float(n % 2) for n in range(ROWS)], session=sessions)
    sides = [set(tables[f"{part}.parquet"]["session"].to_pylist()) for part in ("train", "holdout")]
    assert not sides[0] & sides[1]
    assert "s24" not in sides[0] | sides[1]
    assert outcome.value["cut"] == 4
    assert outcome.value["rows"] == ROWS - 4
    assert outcome.value["described"]["holdout"]["queries"] == len(sides[1])


def test_a_binary_set_says_what_it_said(tmp_path: Path) -> None:
    outcome, tables = made(tmp_path, Binary(), [n % 2 for n in range(ROWS)])
    assert (outcome.value["positives"], outcome.value["holdout_positives"]) == (60, 12)
    assert not {"described", "cut"} & set(outcome.value)
    assert tables["train.parquet"]["y"].type == pa.int8()
    assert label_words(outcome.value) == "60 positive"


@pytest.mark.parametrize(
    ("problem", "labels", "columns", "said"),
    [
        (Regression(scale=1), [7.0] * ROWS, {}, "all 96 labels are 7"),
        (Regression(scale=1), [float("nan")] * 5 + [1.0] * (ROWS - 5), {}, "must be finite"),
        (Regression(scale=1, minimum=0), [-1.0, *range(ROWS - 1)], {}, "must be a number of at least 0"),
        (Regression(scale=1), ["soon"] * ROWS, {}, "is not a finite number"),
        (MultiClass(classes=("a", "b")), ["a"] * ROWS, {}, "two classes at least are needed"),
        (MultiClass(classes=("a", "b")), ["a", "b", "c"] * (ROWS // 3), {}, "classes that the spec does not have"),
        (MultiClass(classes=("a", "b", "gone")), ["a", "b"] * (ROWS // 2), {}, "no row to train on: 'gone'"),
        (Ranking(query="session", item="x"), [1.0] * ROWS, {"session": [str(n) for n in range(ROWS)]}, "96 have one candidate"),
        (Ranking(query="session", item="x"), [0.0] * ROWS, {"session": [str(n // 4) for n in range(ROWS)]}, "none that is"),
        (
            Ranking(query="session", item="x"),
            [-1.0, 1.0] * 60,
            {"session": [str(n // 4) for n in range(ROWS)]},
            "must be 0 or more",
        ),
        (Ranking(query="session", item="x"), [0.0, 1.0] * 60, {"session": ["all"] * ROWS}, "both sides of the cut"),
        (Ranking(query="session", item="x"), [0.0, 1.0] * 60, {"session": [None] * ROWS}, "is null in 96"),
        (Ranking(query="session", item="x"), [0.0, 1.0] * 60, {}, "no column 'session'"),
        (Regression(scale=1, weight="w"), np.arange(float(ROWS)), {"w": [0.0] * ROWS}, "'w' must be positive"),
        (Regression(scale=1, weight="w"), np.arange(float(ROWS)), {"w": [None] + [1.0] * (ROWS - 1)}, "is null in 1 of"),
    ],
    ids=lambda given: given.kind if isinstance(given, AnyKind) else None,
)
def test_labels_that_cannot_be_learned_from_are_refused_in_words(
    tmp_path: Path, problem: AnyKind, labels: Any, columns: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        made(tmp_path, problem, labels, **columns)


def test_what_a_days_rows_hold_follows_from_the_problem() -> None:
    def spec(problem: AnyKind) -> ModelSpec:
        data = Data(sources=("a",), first=date(2024, 1, 1))
        named = {"name": "toy", "owner": "o", "description": "d", "label": "y", "expectations": "m:E"}
        return ModelSpec(**named, problem=problem, data=data, features=FEATURES, training=Training(fit="m:f"))

    assert rows_of(spec(Binary())) == {}
    assert rows_of(spec(Binary(weight="amount"))) == {}
    assert rows_of(spec(Regression(scale=1, weight="w"))) == {"label_type": "DOUBLE", "columns": {"w": "DOUBLE"}}
    assert rows_of(spec(MultiClass(classes=("a", "b")))) == {"label_type": "VARCHAR"}
    asked = rows_of(spec(Ranking(query="session", item="amount")))
    assert asked == {"label_type": "DOUBLE", "columns": {"session": "KEY"}}
    assert list(of_entities(FEATURES, asked["columns"]).columns)[-1] == "session"


@pytest.mark.parametrize(
    ("label", "sql_type", "seen"),
    [("2", "VARCHAR", "2"), ("'b'", "VARCHAR", "b"), ("2", "DOUBLE", 2.0), ("NULL::DOUBLE", "DOUBLE", None)],
)
def test_a_days_labels_get_the_problems_type(label: str, sql_type: str, seen: object) -> None:
    sql = f"SELECT 'r' AS request_id, {label} AS y, TIMESTAMP '2024-01-01' AS label_timestamp"
    with duckdb.connect() as connection:
        check(connection, of_labels("y", sql_type), sql, date(2024, 1, 1))
        assert connection.execute("SELECT y FROM temp._result").fetchall() == [(seen,)]


@pytest.mark.parametrize(
    ("label", "sql_type", "said"),
    [
        ("'late'", "DOUBLE", "expected DOUBLE"),
        ("'NaN'::DOUBLE", "DOUBLE", "not NaN"),
        ("'inf'::DOUBLE", "DOUBLE", "must not be infinite"),
        ("1.5::DOUBLE", "TINYINT", "expected TINYINT"),
        ("true", "VARCHAR", "expected text or whole numbers"),
    ],
)
def test_a_days_labels_of_another_type_are_refused(label: str, sql_type: str, said: str) -> None:
    sql = f"SELECT 'r' AS request_id, {label} AS y, TIMESTAMP '2024-01-01' AS label_timestamp"
    with duckdb.connect() as connection, pytest.raises(DataError, match=said):
        check(connection, of_labels("y", sql_type), sql, date(2024, 1, 1))


def test_a_protected_attribute_is_in_the_holdout_and_in_no_file_that_is_trained_on(tmp_path: Path) -> None:
    """And changes neither the rows to train on, nor their order, nor a byte of their file."""
    sex = pa.array([None if n % 7 == 0 else "FM"[n % 2] for n in range(ROWS)])
    plain, _ = made(tmp_path / "plain", Binary(), [n % 2 for n in range(ROWS)])
    outcome, tables = made(tmp_path / "beside", Binary(), [n % 2 for n in range(ROWS)], beside=("sex",), sex=sex)
    assert tables["train.parquet"].column_names == ["request_id", "event_timestamp", "x", "amount", "y"]
    assert tables["holdout.parquet"].column_names == ["request_id", "event_timestamp", "x", "amount", "sex", "y"]
    assert tables["holdout.parquet"]["sex"].to_pylist() == sex.to_pylist()[96:]
    assert outcome.files["train.parquet"].read_bytes() == plain.files["train.parquet"].read_bytes()


def test_an_attribute_that_a_published_day_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'sex', which the problem, an expression or fairness reads(.|\n)*backfill"):
        made(tmp_path, Binary(), [n % 2 for n in range(ROWS)], beside=("sex",))
