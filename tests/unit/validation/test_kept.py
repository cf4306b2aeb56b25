"""What a verdict said is found by model and day, the newest of a day, and kept once."""

from __future__ import annotations

from pathlib import Path

from include.validation.kept import CHECKS, KeptVerdict, keep, newest_verdicts_in, verdicts_on
from tests.support.stores import empty_control
from tests.unit.validation.conftest import DAY, Store, flights


def test_a_verdict_is_kept_once_with_what_failed_and_is_found_by_its_day(store: Store, tmp_path: Path) -> None:
    control = empty_control(tmp_path)
    bad = store.validate({"flights": store.land("flights", flights(distance=[-1.0] * 4 + [9.0] * 16))})
    assert (keep(control, "toy", [bad]), keep(control, "toy", [bad]), keep(control, "toy", [])) == (1, 0, 0)
    found = verdicts_on(control, "toy", [DAY, "2013-01-02"])
    assert list(found) == [DAY]
    kept = found[DAY]
    assert (kept.key, kept.quarantined, kept.rows) == (bad.key, bad.value["sources"]["flights"]["quarantined"], 20)
    (worst, *_) = kept.sources["flights"]["failed"]
    assert "distance" in worst["expectation"]
    assert worst["unexpected"] == 4
    assert kept.docs == bad.files["docs.html"].path
    assert verdicts_on(control, "another", [DAY]) == {}


def test_the_newest_verdict_of_a_day_stands_and_the_newest_of_all_come_first(store: Store, tmp_path: Path) -> None:
    control = empty_control(tmp_path)
    first = store.validate({"flights": store.land("flights", flights(distance=[-1.0] * 4 + [9.0] * 16))})
    second = store.validate({"flights": store.land("flights", flights())})
    keep(control, "toy", [first])
    keep(control, "toy", [second])
    assert verdicts_on(control, "toy", [DAY])[DAY].key == second.key
    with control.transaction() as connection:
        assert [each.quarantined for each in newest_verdicts_in(connection, "toy", 1)] == [0]
        assert len(newest_verdicts_in(connection, "toy", 9)) == 2


def test_no_value_of_a_row_is_kept(store: Store) -> None:
    table = flights(distance=[-4711.0] * 20)
    bad = store.validate({"flights": store.land("flights", table)})
    assert not bad.value["passed"]
    assert "4711" in str(bad.value)
    kept = KeptVerdict.of(bad)
    assert "4711" not in str(kept.to_json())
    assert any("ExpectColumnMeanToBeBetween" in reason for reason in kept.sources["flights"]["reasons"])


def test_a_verdict_with_very_many_failures_keeps_the_worst(store: Store) -> None:
    result = store.validate({"flights": store.land("flights", flights())})
    check = {**result.value["sources"]["flights"]["checks"][0], "success": False, "expectation": "x" * 999}
    many = [{**check, "unexpected": number} for number in range(CHECKS + 5)]
    value = {**result.value, "sources": {"flights": {**result.value["sources"]["flights"], "checks": many}}}
    kept = KeptVerdict.of(type(result)(**{**vars(result), "value": value})).sources["flights"]["failed"]
    assert [each["unexpected"] for each in kept] == list(range(CHECKS + 4, 4, -1))
    assert max(len(each["expectation"]) for each in kept) == 300
