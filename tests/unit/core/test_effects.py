from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore, now
from include.core.effects import epoch_in, note_in, results_in, results_since
from tests.support.stores import empty_control


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    return empty_control(tmp_path)


def test_what_happened_is_found_by_its_keys(control: ControlStore) -> None:
    before = now()
    for number in (1, 2):
        control.once(f"k/{number}", "thing", 0, lambda _, number=number: {"n": number})  # type: ignore[misc]
    control.once("k/3", "other", 0, lambda _: {"n": 3})
    with control.transaction() as connection:
        assert results_in(connection, ["k/2", "k/1", "k/9"]) == {"k/1": {"n": 1}, "k/2": {"n": 2}}
        assert results_in(connection, []) == {}
        assert sorted(result["n"] for result in results_since(connection, "thing", before)) == [1, 2]
        assert results_since(connection, "thing", "9999") == []


def test_what_a_transaction_notes_happens_never_again(control: ControlStore) -> None:
    with control.transaction() as connection:
        note_in(connection, "k", "thing", {"by": 7})
    assert control.once("k", "thing", 0, lambda _: {"by": 8}) == ({"by": 7}, False)


def test_the_epoch_is_that_of_the_present_holder(control: ControlStore) -> None:
    with control.transaction() as connection:
        assert epoch_in(connection, "thing") == 0
    held = [control.take("thing", "a"), control.take("thing", "b")]
    with control.transaction() as connection:
        assert epoch_in(connection, "thing") == held[-1]
