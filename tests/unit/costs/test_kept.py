from __future__ import annotations

from pathlib import Path

from include.core.control import ControlStore
from include.costs.kept import cost_of, keep, kept
from include.costs.prices import Prices
from tests.support.toy_ledger import MODEL, Loop


def test_a_cost_is_kept_once_by_the_prices_of_its_day(tmp_path: Path) -> None:
    loop, control = Loop.under(tmp_path), ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    control.create_tables()
    lineage = loop.package(days=2).entry.lineage
    refs = (lineage.train, lineage.training_set, lineage.evaluation)
    then = cost_of(control, loop.ledger, MODEL, 1, refs, Prices("EUR", cpu_hour=0.5))
    assert keep(control, MODEL, 1, then)
    dearer = cost_of(control, loop.ledger, MODEL, 2, refs, Prices("EUR", cpu_hour=9.0))
    assert not keep(control, MODEL, 1, dearer)
    assert kept(control, MODEL) == {1: then}
    assert cost_of(control, loop.ledger, MODEL, 1, refs, Prices("EUR", cpu_hour=9.0)) == then
    assert kept(control, "another") == {}
