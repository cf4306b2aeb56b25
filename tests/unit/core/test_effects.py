from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.effects import epoch_in, results_in
from tests.support.stores import empty_control


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    return empty_control(tmp_path)


def test_what_happened_is_found_by_its_keys(control: ControlStore) -> None:
    for number in (1, 2):
        control.once(f"k/{number}", "thing", 0, lambda _, number=number: {"n": number})  # type: ignore[misc]
    control.once("k/3", "other", 0, lambda _: {"n": 3})
    with control.transaction() as connection:
        assert results_in(connection, ["k/2", "k/1", "k/9"]) == {"k/1": {"n": 1}, "k/2": {"n": 2}}
        assert results_in(connection, []) == {}


def test_the_epoch_is_that_of_the_present_holder(control: ControlStore) -> None:
    with control.transaction() as connection:
        assert epoch_in(connection, "thing") == 0
    held = [control.take("thing", "a"), control.take("thing", "b")]
    with control.transaction() as connection:
        assert epoch_in(connection, "thing") == held[-1]
