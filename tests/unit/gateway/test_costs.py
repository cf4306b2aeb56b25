from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from include.backends.folder.registry import FolderRegistry
from include.core.control import ControlStore, decisions
from include.core.settings import Settings
from include.core.spec import Cost
from include.core.time import timestamp
from include.costs.kept import keep
from include.costs.prices import Prices
from include.costs.spent import Spent
from include.costs.version import VersionCost
from include.gateway.costs import samples
from include.governance.registry import register, resource
from include.routing.route import Route, set_route
from include.services.services import Services
from include.serving.telemetry.counters import FAMILIES
from include.serving.telemetry.metrics_page import metrics_page, names
from include.versions.record import Stage
from tests.support.toy_ledger import MODEL, SPEC, Loop
from tests.support.versions import move

PRICED = SPEC.model_copy(update={"cost": Cost(currency="EUR", cpu_hour=0.36, error=0.5)})
EUR = Prices("EUR", cpu_hour=0.36)


def found(tmp_path: Path, spec: Any = PRICED) -> dict[str, tuple[tuple[str, ...], float]]:
    services = Services(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)}))
    return {name: (labels, value) for name, labels, value in samples(services, spec)}


def test_nothing_is_told_of_what_is_unknown(tmp_path: Path) -> None:
    assert found(tmp_path, SPEC) == {}


def test_the_champions_costs_and_what_its_age_costs_are_on_the_page(tmp_path: Path) -> None:
    control = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    control.create_tables()
    loop = Loop.under(tmp_path)
    register(control, FolderRegistry(loop.ledger.storage), loop.package(days=2), control.take(resource(MODEL), "t"))
    move(control, MODEL, 1, Stage.PRODUCTION, "t")
    with control.transaction() as connection:
        set_route(connection, MODEL, Route(champion=1))
    keep(control, MODEL, 1, VersionCost((Spent("train", 1, 9.0, 1.0, 0.0, 0.0),), 0.5, 0.0, EUR))
    evidence = {"evidence": {"money": {"price": 0.1, "currency": "EUR"}, "stale_window": 3.5}}
    with control.transaction() as connection:
        row = {"key": "k", "model": MODEL, "as_of": "2013-05-06T00:00:00", "action": "hold", "reasons": []}
        connection.execute(decisions.insert().values(**row, evidence=evidence, at=timestamp()))
    told = found(tmp_path)
    assert told == {
        "slipstream_cost_cpu_hour": ((MODEL, "EUR"), 0.36),
        "slipstream_cost_training": ((MODEL, "1", "EUR"), 0.36),
        "slipstream_cost_thousand_predictions": ((MODEL, "1", "EUR"), 0.5 / 3600 * 0.36),
        "slipstream_cost_stale_window": ((MODEL, "EUR"), 3.5),
    }
    assert set(told) <= names()
    empty = {family.name: {} for family in FAMILIES.values()}
    page = metrics_page(cast("Any", empty), {}, (), [(name, *rest) for name, rest in told.items()])
    assert f'slipstream_cost_training{{model="{MODEL}",version="1",currency="EUR"}} 0.36' in page
