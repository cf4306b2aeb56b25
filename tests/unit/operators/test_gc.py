"""gc between any two fault points of real tasks: training set, its verdict, training, evaluation, gate, registration."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.time import now
from include.governance.lineage import trace
from include.governance.seals import write_seal
from include.retention.ledger import Bounds
from include.retention.run import Place, collect
from tests.support.aged import at_each_point, let_pass
from tests.support.operator_runs import MODEL, Life, Run

AGES = ((31,), (31, 7), (31, 7, 1), (31, 7, 1, 1))
WITHIN = ("control.once.effect", "documents.save")


@pytest.mark.whole
@pytest.mark.parametrize("ages", AGES)
def test_a_training_run_is_done_again_with_gc_all_the_way(
    life: Life, ages: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it was made long ago and never registered; every task is cleared, and runs once more."""
    services = life.services
    life.days(8)
    life.trained()
    with services.control.transaction() as connection:
        services.control.append_audit(connection, "t", "begin", MODEL, {})
    write_seal(services.control, services.storage, actor="t")
    place = Place(services.settings, services.control, services.ledger, services.jobs, services.spec, (MODEL,), now, "tests")
    for number, days in enumerate(ages):
        if number:
            collect(place, Bounds(), None, dry_run=False)
        let_pass(Path(services.storage.root), days)
    with at_each_point(lambda: collect(place, Bounds(), None, dry_run=False), WITHIN) as passed:
        run = life.registered(Run(run_id="again"))
    assert len(passed) > 50
    for days in (0, 31, 7, 1, 1):
        let_pass(Path(services.storage.root), days)
        collect(place, Bounds(), None, dry_run=False)
    assert trace(services.ledger, services.control, MODEL, 1).intact
    assert run.xcom["register"]
