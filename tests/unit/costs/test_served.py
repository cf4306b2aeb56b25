from __future__ import annotations

import pytest

from include.costs.prices import Prices
from include.costs.served import served


def test_answers_are_added_up_by_version() -> None:
    default, two = served([(2, 1000.0), (None, 500.0), (2, 3000.0)])
    assert (default.version, default.predictions, default.seconds) == (None, 1, pytest.approx(0.0005))
    assert (two.version, two.predictions, two.thousand) == (2, 2, pytest.approx(2.0))
    assert two.money(Prices("EUR", cpu_hour=0.36)) == pytest.approx(0.0002)
    assert two.to_json(Prices())["thousand"] == {"seconds": 2.0, "money_at_most": None}


def test_nothing_served_is_no_row() -> None:
    assert served([]) == []
