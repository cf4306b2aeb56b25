"""Which partitions are made again to release rows: those with rows that pass, and later ones that read them."""

from __future__ import annotations

import pytest

from include.row_rules import expectation
from include.validation.quarantine import quarantines
from include.validation.release import look, release_of
from tests.support.toy_ledger import SPEC
from tests.unit.validation.conftest import DAY, RULES, Store, flights
from tests.unit.validation.rules import FLIGHTS


def test_rows_that_pass_today_s_rules_are_released_with_the_days_that_read_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = SPEC.model_copy(update={"expectations": RULES, "data": SPEC.data.model_copy(update={"lookback_days": 2})})
    judged = store.validate({"flights": store.land("flights", flights(distance=[0.5] * 3 + [9.0] * 17))})
    (held,) = quarantines(store.ledger, [judged.key])
    looked = look(store.ledger, spec, held)
    assert (looked.passing, looked.row[:4]) == (0, (DAY, "flights", 20, 3))
    assert release_of(spec, [looked]) is None
    wider = tuple(each for each in FLIGHTS if each.kind != "ExpectColumnValuesToBeBetween")
    monkeypatch.setattr("tests.unit.validation.rules.EXPECTATIONS", {"flights": wider})
    again = look(store.ledger, spec, held)
    assert again.passing == 3
    assert again.to_json()["reasons"] == [{"reason": reason, "rows": rows} for reason, rows in looked.reasons]
    stretch = release_of(spec, [again])
    assert stretch is not None
    assert (str(stretch["first"]), str(stretch["last"])) == (DAY, "2013-01-03")
    assert expectation.load_suite(RULES, "flights").rules == wider


def test_a_source_that_has_ended_is_released_to_its_end_only(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    data = SPEC.data.model_copy(update={"lookback_days": 9, "last": SPEC.data.first})
    spec = SPEC.model_copy(update={"expectations": RULES, "data": data})
    judged = store.validate({"flights": store.land("flights", flights(distance=[0.5] * 3 + [9.0] * 17))})
    monkeypatch.setattr("tests.unit.validation.rules.EXPECTATIONS", {"flights": ()})
    (held,) = quarantines(store.ledger, [judged.key])
    stretch = release_of(spec, [look(store.ledger, spec, held)])
    assert stretch is not None
    assert str(stretch["last"]) == str(SPEC.data.first)
