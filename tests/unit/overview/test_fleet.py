"""How all models are in one look: each health for its reason, and as many queries for a hundred models as for one."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore, versions
from include.core.partition import Partition
from include.core.request import Ref
from include.core.spec import Data, ModelSpec
from include.core.time import now
from include.costs.kept import keep as keep_cost
from include.costs.prices import Prices
from include.costs.version import VersionCost
from include.data.published import publish, resource
from include.monitoring.windows import WINDOWS
from include.overview.fleet import Standing, counted, fleet
from include.rollout.machine import enter_stage, open_rollout, record_alert
from include.routing.gateways import Identity, Report, report
from include.routing.route import Route, set_route
from include.versions.lifecycle import Stage
from include.versions.store import add_in
from tests.support.stores import empty_control
from tests.support.toy_ledger import MODEL, SPEC, record


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    return empty_control(tmp_path)


def look(control: ControlStore, spec: ModelSpec = SPEC) -> Standing:
    (found,) = fleet(control, {MODEL: spec}, {})
    return found


def serve(control: ControlStore) -> None:
    with control.transaction() as connection:
        add_in(connection, record(1, "1.0.0"))
        connection.execute(versions.update().values(stage=Stage.PRODUCTION))
        set_route(connection, MODEL, Route(champion=1))


def window(control: ControlStore, number: int, **alarms: bool) -> None:
    body = {
        "window": f"w{number}", "metric": "auc", "value": 0.7, "expected": 0.72, "performance": "it fell", "drift": 2.0,
        "critical": 5.0, "drift_verdict": "none", "drift_words": "it moved", "alarms": alarms,
    }  # fmt: skip
    WINDOWS.save(control, f"window/{MODEL}/{number}", MODEL, body)


def day(control: ControlStore, model: str = MODEL, on: date = date(2013, 1, 1)) -> None:
    epoch = control.take(resource(model, Partition.of(on)), "t")
    publish(control, model, on, Ref("ledger/features/x/g0/result.json", "d" * 64, "features"), {"labels": 1}, epoch)


def test_a_model_waits_until_a_version_serves(control: ControlStore) -> None:
    assert (look(control).health, look(control).champion) == ("waiting", None)
    serve(control)
    found = look(control)
    assert (found.health, found.champion, found.semver, found.versions, found.owner) == ("healthy", 1, "1.0.0", 1, "tests")


def test_the_champion_is_whom_the_route_names(control: ControlStore) -> None:
    serve(control)
    with control.transaction() as connection:
        set_route(connection, MODEL, Route(champion=2, previous=1))
    assert (look(control).champion, look(control).semver) == (2, "")


def test_the_newest_window_s_alarms_are_its_health(control: ControlStore) -> None:
    serve(control)
    window(control, 1, covariate=True, performance=True)
    assert (look(control).health, look(control).why) == ("worse", "it fell")
    window(control, 2, covariate=True, performance=False)
    assert (look(control).health, look(control).why) == ("drift", "it moved")
    window(control, 3, covariate=False)
    assert (look(control).health, look(control).window["window"]) == ("healthy", "w3")


def test_data_that_stopped_coming_are_stale_unless_they_end_there(control: ControlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(control)
    day(control)
    assert (look(control).health, look(control).data_until[:10], look(control).published) == ("healthy", "2013-01-02", 1)
    later = now() + timedelta(days=4)
    monkeypatch.setattr("include.overview.fleet.now", lambda: later)
    assert (look(control).health, look(control).late) == ("stale", True)
    ended = SPEC.model_copy(update={"data": Data(sources=("flights",), first=date(2013, 1, 1), last=date(2013, 1, 1))})
    assert look(control, ended).health == "healthy"


def test_a_paged_rollout_and_a_gateway_that_refuses_are_alerts(control: ControlStore) -> None:
    serve(control)
    with control.transaction() as connection:
        add_in(connection, record(2, "2.0.0"))
    rollout = open_rollout(control, SPEC, 2, request="r", actor="t", epoch=1)
    enter_stage(control, rollout, "smoke", 1)
    assert look(control).rollout["challenger"] == 2
    assert look(control).health == "healthy"
    record_alert(control, rollout, "smoke", {"reasons": ["both arms fail"]}, 1)
    assert look(control).alerts == ("the rollout of version 2 paged: both arms fail",)
    generation = look_generation(control)
    who = Identity("0" * 16, "127.0.0.1:8500", "host", 7, "1.0", "2026-01-01T00:00:00Z")
    report(control, who, Report({}, {MODEL: (generation, {"1": "its file is gone"})}))
    assert (look(control).health, len(look(control).alerts)) == ("failing", 2)


def look_generation(control: ControlStore) -> int:
    with control.transaction() as connection:
        from include.routing.standings import standings_in

        return standings_in(connection)[MODEL].generation


def test_what_the_champion_cost_is_told_and_what_nobody_priced_is_unknown(control: ControlStore) -> None:
    serve(control)
    assert look(control).cost == {}
    keep_cost(control, MODEL, 1, VersionCost((), 0.5, 0.001, Prices("EUR", cpu_hour=0.36)))
    cost = look(control).cost
    assert (cost["training"], cost["unit"], cost["thousand"]) == (None, "EUR", pytest.approx(0.5 / 3600 * 0.36))


def test_a_model_that_cannot_be_loaded_is_named_and_hides_no_other(control: ControlStore) -> None:
    serve(control)
    found = fleet(control, {MODEL: SPEC}, {"broken": "no such module"})
    assert [(each.model, each.health, each.why) for each in found] == [
        ("broken", "failing", "no such module"),
        (MODEL, "healthy", "nothing speaks against it"),
    ]
    assert counted(found) == {"failing": 1, "worse": 0, "drift": 0, "stale": 0, "waiting": 0, "healthy": 1}


def test_a_hundred_models_take_as_many_queries_as_one(control: ControlStore) -> None:
    def queries(models: int) -> int:
        seen: list[str] = []
        sa.event.listen(control.engine, "before_cursor_execute", lambda *call: seen.append(call[2]))
        fleet(control, {f"m{number:03d}": SPEC for number in range(models)}, {})
        return len([statement for statement in seen if statement.startswith("SELECT")])

    day(control, "m000")
    with control.transaction() as connection:  # one, for the disk's sake
        for number in range(100):
            set_route(connection, f"m{number:03d}", Route(champion=1))
    one, hundred = queries(1), queries(100)
    assert hundred <= 2 * one  # the listener of the first look hears the second as well
