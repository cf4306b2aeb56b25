from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from include.core.errors import DataError, SpecError, ValidationFailed
from include.core.spec import AnyKind, MultiClass, Ranking, Regression
from include.validation.verdict import raise_if_failed
from tests.unit.validation.conftest import RULES, Store


def rows(first: str, count: int = 40, **changed: list[Any]) -> pa.Table:
    start = datetime.fromisoformat(first)
    good: dict[str, list[Any]] = {
        "event_timestamp": [start + timedelta(hours=n) for n in range(count)],
        "temp": [50.0 + n for n in range(count)],
        "hour": [n % 24 for n in range(count)],
        "late": [n % 4 == 0 for n in range(count)],
    }
    return pa.table({**good, **changed})


TRAIN, HOLDOUT = rows("2013-01-01"), rows("2013-02-01")


def failed(store: Store, train: pa.Table, holdout: pa.Table) -> str:
    value = store.validate_training_set(train, holdout).value
    assert not value["passed"]
    with pytest.raises(ValidationFailed) as caught:
        raise_if_failed(value)
    return str(caught.value)


def test_a_good_snapshot_passes_in_the_form_of_every_verdict(store: Store) -> None:
    result = store.validate_training_set(TRAIN, HOLDOUT)
    assert result.value["passed"]
    assert {name: part["rows"] for name, part in result.value["sources"].items()} == {"train": 40, "holdout": 40}
    assert set(result.files) == {"docs.html"}
    checked = {check["expectation"] for check in result.value["sources"]["holdout"]["checks"]}
    assert "the holdout is later than the training rows" in checked
    assert "ExpectColumnProportionOfNonNullValuesToBeBetween(column='temp', min_value=0.9)" in checked


def test_integer_labels_are_labels_too(store: Store) -> None:
    assert store.validate_training_set(rows("2013-01-01", late=[0, 1] * 20), HOLDOUT).value["passed"]


@pytest.mark.parametrize(
    ("train", "holdout", "message"),
    [
        (rows("2013-01-01", late=[False] * 40), HOLDOUT, r"train: ExpectColumnDistinctValuesToEqualSet\(column='late'"),
        (TRAIN, rows("2013-02-01", late=[True] * 40), r"holdout: ExpectColumnDistinctValuesToEqualSet\(column='late'"),
        (rows("2013-01-01", late=[0, 2] * 20), HOLDOUT, r"ExpectColumnDistinctValuesToEqualSet"),
        (
            rows("2013-01-01", late=[None] * 40),
            HOLDOUT,
            r"ExpectColumnValuesToNotBeNull\(column='late'\): 40 rows \(100 percent\)",
        ),
        (rows("2013-01-01", late=[None, 0, 1, 1] * 10), HOLDOUT, r"ExpectColumnValuesToNotBeNull\(column='late'\): 10 rows"),
        (rows("2013-01-01", temp=[None, *[5.0] * 3] * 10), HOLDOUT, r"ProportionOfNonNull.*column='temp'.*0\.75"),
        (HOLDOUT, TRAIN, r"holdout: the holdout is later than the training rows.*2013-02-02.*2013-01-01"),
        (TRAIN.drop_columns("hour"), HOLDOUT, r"ExpectColumnToExist\(column='hour'\)"),
        (TRAIN, HOLDOUT.slice(0, 0), r"holdout: ExpectTableRowCountToBeBetween\(min_value=1\): 0"),
    ],
    ids=[
        "one class",
        "one class held out",
        "third class",
        "no labels",
        "some labels",
        "null share",
        "order",
        "feature",
        "no rows",
    ],
)
def test_a_snapshot_unfit_to_train_on_says_why(store: Store, train: pa.Table, holdout: pa.Table, message: str) -> None:
    import re

    assert re.search(message, failed(store, train, holdout), re.DOTALL)


def test_a_snapshot_without_its_label_is_a_data_error(store: Store) -> None:
    with pytest.raises(DataError, match=r"(?s)train rows of the training set changed.*no column 'late'"):
        store.validate_training_set(TRAIN.drop_columns("late"), HOLDOUT)


def test_a_quarantine_rule_has_no_meaning_there(store: Store) -> None:
    with pytest.raises(SpecError, match="cannot quarantine"):
        store.validate_training_set(TRAIN, HOLDOUT, RULES.replace("EXPECTATIONS", "QUARANTINED_TRAINING"))


CLASSES, NUMBER = MultiClass(classes=("a", "b", "c")), Regression(scale=1, minimum=0, weight="w")
QUERIES = Ranking(query="session", item="hour")
NUMBERS, SESSIONS = [n / 2 for n in range(40)], [f"s{n // 4}" for n in range(40)]


@pytest.mark.parametrize(
    ("problem", "columns"),
    [
        (NUMBER, {"late": NUMBERS, "w": [1.5] * 40}),
        (CLASSES, {"late": ["a", "b"] * 20}),
        (QUERIES, {"late": [0.0, 1.0] * 20, "session": SESSIONS}),
    ],
    ids=["numbers", "classes", "lists"],
)
def test_a_good_snapshot_of_another_problem_passes(store: Store, problem: AnyKind, columns: dict[str, list[Any]]) -> None:
    parts = rows("2013-01-01", **columns), rows("2013-02-01", **columns)
    assert store.validate_training_set(*parts, problem=problem).value["passed"]


@pytest.mark.parametrize(
    ("problem", "columns", "message"),
    [
        (NUMBER, {"late": [-1.0, *NUMBERS[1:]], "w": [1.0] * 40}, r"ExpectColumnValuesToBeBetween\(column='late', min_value=0"),
        (NUMBER, {"late": [3.0] * 40, "w": [1.0] * 40}, r"ExpectColumnUniqueValueCountToBeBetween\(column='late', min_value=2"),
        (NUMBER, {"late": NUMBERS, "w": [0.0] * 40}, r"ExpectColumnValuesToBeBetween\(column='w', min_value=0, strict_min=True"),
        (NUMBER, {"late": NUMBERS, "w": [None] * 40}, r"ExpectColumnValuesToNotBeNull\(column='w'\)"),
        (CLASSES, {"late": ["a", "d"] * 20}, r"ExpectColumnValuesToBeInSet\(column='late'"),
        (QUERIES, {"late": [-1.0, 1.0] * 20, "session": SESSIONS}, r"ExpectColumnValuesToBeBetween\(column='late', min_value=0"),
        (QUERIES, {"late": [0.0, 1.0] * 20, "session": [None, *SESSIONS[1:]]}, r"ToNotBeNull\(column='session'\): 1 row"),
    ],
)
def test_a_snapshot_of_another_problem_says_why_it_is_unfit(
    store: Store, problem: AnyKind, columns: dict[str, list[Any]], message: str
) -> None:
    import re

    parts = rows("2013-01-01", **columns), rows("2013-02-01", **columns)
    value = store.validate_training_set(*parts, problem=problem).value
    assert not value["passed"]
    with pytest.raises(ValidationFailed) as caught:
        raise_if_failed(value)
    assert re.search(message, str(caught.value), re.DOTALL)
