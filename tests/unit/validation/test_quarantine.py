"""What is in quarantine, why, and what would leave it under corrected rules."""

from __future__ import annotations

from pathlib import Path

from include.core.request import Request
from include.row_rules.expectation import Expectation
from include.validation.quarantine import quarantines, reasons, would_pass
from tests.unit.validation.conftest import DAY, Store, flights
from tests.unit.validation.rules import FLIGHTS


def bad_flights() -> object:
    table = flights(20)
    distance = [-1.0, -2.0, -3.0, *table["distance"].to_pylist()[3:]]
    ids = [*table["id"].to_pylist()[:19], "F18"]
    return flights(20, distance=distance, id=ids)


def validate(store: Store, table: object) -> str:
    return store.validate({"flights": store.land("flights", table)}).key  # type: ignore[arg-type]


def test_the_newest_verdict_of_a_day_says_what_is_held(store: Store) -> None:
    first = validate(store, bad_flights())
    (held,) = quarantines(store.ledger, [first])
    assert (held.day, held.source, held.rows, held.quarantined) == (DAY, "flights", 20, 4)
    second = validate(store, flights(22))
    assert quarantines(store.ledger, [first, second]) == []


def test_reasons_are_counted_and_corrected_rules_let_rows_through(store: Store) -> None:
    (held,) = quarantines(store.ledger, [validate(store, bad_flights())])
    path: Path = store.file(held.result, held.file)
    counts = {reason.split("(")[0]: count for reason, count in reasons(path)}
    assert counts == {"ExpectColumnValuesToBeBetween": 3, "ExpectColumnValuesToBeUnique": 1}
    assert would_pass(path, FLIGHTS) == 0
    wider = Expectation("ExpectColumnValuesToBeBetween", column="distance", min_value=-2, on_failure="quarantine")
    assert would_pass(path, [wider]) == 2  # the doubled key stays: the rest of the partition decides about it


def test_a_request_without_a_result_holds_nothing(store: Store) -> None:
    request = Request("validate", "include.validation.validate_step:run", "toy", {"day": DAY})
    store.ledger.open_attempt(request.key, 0)
    assert quarantines(store.ledger, [request.key]) == []
