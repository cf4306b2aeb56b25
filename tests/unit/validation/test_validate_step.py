from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.errors import DataError, IntegrityError, PermanentError, SpecError, ValidationFailed
from include.core.ledger import Ledger
from include.row_rules.predicate import good_rows
from include.validation.verdict import raise_if_failed
from tests.unit.validation.conftest import DAY, RULES, Store, flights, to_bytes


def test_a_good_day_passes_and_says_what_was_checked(store: Store) -> None:
    result = store.validate({"flights": store.land("flights", flights())})
    value = result.value
    assert value["passed"]
    assert value["day"] == DAY
    source = value["sources"]["flights"]
    assert (source["rows"], source["quarantined"], source["passed"], source["reasons"]) == (20, 0, True, [])
    by_rule = {check["expectation"].partition("(")[0]: check for check in source["checks"]}
    assert len(source["checks"]) == 10
    assert by_rule["ExpectColumnMeanToBeBetween"]["observed"] == pytest.approx(109.5)
    assert by_rule["ExpectColumnQuantileValuesToBeBetween"]["success"] is True
    assert set(result.files) == {"docs.html"}
    raise_if_failed(value)


def test_a_failing_warning_lets_the_day_through(store: Store) -> None:
    value = store.validate({"flights": store.land("flights", flights())}).value
    warned = [check for check in value["sources"]["flights"]["checks"] if not check["success"]]
    assert [(check["on_failure"], check["observed"]) for check in warned] == [("warn", 20)]
    assert value["passed"]


def test_bad_rows_go_to_quarantine_with_their_reasons_and_the_rest_goes_on(store: Store) -> None:
    distance = [-5.0, None, *[100.0] * 18]
    carrier = ["aa", "B6", "AA", "toolong", *["AA"] * 16]
    ids = ["F0", "F1", "F2", "F3", "F2", *[f"G{n}" for n in range(15)]]
    digest = store.land("flights", flights(distance=distance, carrier=carrier, id=ids))
    result = store.validate({"flights": digest})
    source = result.value["sources"]["flights"]
    assert result.value["passed"]
    assert source["quarantined"] == 3
    held = pq.read_table(store.file(result, "quarantine-flights.parquet")).to_pylist()
    assert [(row["id"], row["carrier"]) for row in held] == [("F0", "aa"), ("F3", "toolong"), ("F2", "AA")]
    assert held[0]["reason"] == (
        "ExpectColumnValuesToBeBetween(column='distance', min_value=1); "
        "ExpectColumnValuesToMatchRegex(column='carrier', regex='^[A-Z0-9]{2}$')"
    )
    assert held[2]["reason"] == "ExpectColumnValuesToBeUnique(column='id')"
    assert list(held[0])[:-1] == flights().column_names
    check = next(c for c in source["checks"] if "MatchRegex" in c["expectation"])
    assert (check["unexpected"], check["percent"], check["sample"]) == (2, 10.0, ["aa", "toolong"])


def test_quarantine_and_good_rows_share_the_partition_out(store: Store) -> None:
    import duckdb

    ids = ["F0"] * 3 + [f"G{n}" for n in range(17)]
    digest = store.land("flights", flights(id=ids, distance=[-1.0, *[50.0] * 19]))
    result = store.validate({"flights": digest})
    part = f"{store.storage.root}/raw/toy/flights/date={DAY}/part.parquet"
    good = duckdb.sql(good_rows(RULES, "flights", [part])).fetchall()
    held = pq.read_table(store.file(result, "quarantine-flights.parquet")).drop_columns("reason")
    everything = duckdb.sql(f"SELECT * FROM read_parquet('{part}', hive_partitioning=false)").fetchall()
    assert sorted([*good, *(tuple(row.values()) for row in held.to_pylist())]) == sorted(everything)
    assert result.value["sources"]["flights"]["quarantined"] == 2  # the second F0 is now the first good one


def test_a_failed_stop_rule_is_a_committed_verdict_that_raises_afterwards(store: Store) -> None:
    result = store.validate({"flights": store.land("flights", flights(distance=[5000.0] * 20))})
    assert not result.value["passed"]
    assert store.ledger.result(result.key) == result
    files = {name: store.storage.uri(file.path) for name, file in result.files.items()}
    with pytest.raises(ValidationFailed) as caught:
        raise_if_failed(result.value, files)
    message = str(caught.value)
    for part in (DAY, "flights", "ExpectColumnMeanToBeBetween(column='distance'", "5000.0", files["docs.html"], "clear the task"):
        assert part in message


def test_too_many_rows_in_quarantine_stop_the_day(store: Store) -> None:
    result = store.validate({"flights": store.land("flights", flights(distance=[-1.0] * 5 + [300.0] * 15))})
    assert not result.value["passed"]
    files = {name: f"/ledger/{name}" for name in result.files}
    with pytest.raises(
        ValidationFailed, match=r"(?s)5 of 20 rows are in quarantine \(25\.0%; the limit is 20%\).*/ledger/quarantine-fl"
    ):
        raise_if_failed(result.value, files)


def test_a_source_without_rules_passes_whole(store: Store) -> None:
    value = store.validate({"weather": store.land("weather", flights())}).value
    assert value["sources"]["weather"] == {"passed": True, "rows": 20, "quarantined": 0, "checks": [], "reasons": []}


def test_a_check_that_cannot_be_evaluated_is_neither_bad_data_nor_a_pass(store: Store) -> None:
    digest = store.land("flights", flights())
    with pytest.raises(
        PermanentError, match=r"(?s)could not be evaluated.*column='carrier'.*must either be None or of the same type"
    ) as caught:
        store.validate({"flights": digest}, RULES.replace("EXPECTATIONS", "BROKEN"))
    assert not isinstance(caught.value, ValidationFailed | DataError)
    assert not [path for path in store.storage.list("ledger") if path.endswith("result.json")]


def test_an_argument_that_the_library_refuses_is_an_error_of_the_spec(store: Store) -> None:
    with pytest.raises(SpecError, match="min_value and max_value cannot both be None"):
        store.validate({"flights": store.land("flights", flights())}, RULES.replace("EXPECTATIONS", "REFUSED"))


def test_the_verdict_is_the_same_bytes_each_time(store: Store) -> None:
    digest = store.land("flights", flights(distance=[-1.0, *[300.0] * 19]))
    first = store.validate({"flights": digest})
    ledger: Ledger = store.ledger
    ledger.open_generation(first.key, "again", "test")
    second = store.validate({"flights": digest})
    assert (second.generation, second.digest) == (1, first.digest)
    assert json.loads(json.dumps(first.value)) == first.value


def test_times_with_a_zone_are_judged_in_utc(store: Store) -> None:
    zoned = flights(sched_dep=[datetime(2013, 1, 1, n, tzinfo=UTC) for n in range(20)])
    assert pa.types.is_timestamp(zoned.schema.field("sched_dep").type)
    assert store.validate({"flights": store.land("flights", zoned)}).value["passed"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"flights partition of 2013-01-01 is empty \(0 bytes\)"),
        (to_bytes(flights())[:-50], r"flights partition of 2013-01-01 is not whole Parquet.*bytes"),
        (to_bytes(flights().slice(0, 0)), r"flights partition of 2013-01-01 has no rows"),
        (
            to_bytes(flights().drop_columns("distance")),
            r"flights of 2013-01-01 changed.*part\.parquet has no column 'distance'.*carrier",
        ),
        (to_bytes(flights(distance=["far"] * 20)), r"'distance' as VARCHAR; expected FLOAT or DOUBLE.*Seen: 'VARCHAR'"),
    ],
    ids=["empty", "truncated", "no rows", "column gone", "type changed"],
)
def test_a_partition_that_cannot_be_used_says_what_is_wrong_with_it(store: Store, data: bytes, message: str) -> None:
    digest = store.land("flights", data)
    with pytest.raises(DataError, match=f"(?s){message}"):
        store.validate({"flights": digest})


def test_rows_damaged_behind_a_whole_footer_are_a_data_error(store: Store) -> None:
    body = bytearray(to_bytes(flights(rows=2000, carrier=["AA", "B6"] * 1000)))
    body[200:1200] = b"\xff" * 1000
    with pytest.raises(DataError, match=r"flights of 2013-01-01 cannot be read"):
        store.validate({"flights": store.land("flights", bytes(body))})


def test_a_missing_partition_names_its_place(store: Store) -> None:
    with pytest.raises(DataError, match=re.escape("flights partition of 2013-01-01 is missing") + r"[\s\S]*raw/toy/flights"):
        store.validate({"flights": "0" * 64})


def test_bytes_that_changed_after_the_request_are_refused(store: Store) -> None:
    digest = store.land("flights", flights())
    store.land("flights", flights(rows=10))
    with pytest.raises(IntegrityError, match=digest[:12]):
        store.validate({"flights": digest})


def test_the_docs_show_the_failures_first_and_escape_what_was_seen(store: Store) -> None:
    carrier = ["<script>", *["AA"] * 19]
    result = store.validate({"flights": store.land("flights", flights(carrier=carrier))})
    page = store.file(result, "docs.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert page.index("ExpectColumnValuesToMatchRegex") < page.index("ExpectColumnMeanToBeBetween")
    assert "20 rows, 1 in quarantine, 10 checks" in page
    assert "http" not in page
