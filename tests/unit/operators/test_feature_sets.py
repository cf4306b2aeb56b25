"""A feature set between two models: published once, joined and read by both, awaited by their DAGs, kept by what they pin."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from include.authoring.check import check_model
from include.cli.main import main
from include.core.errors import DataError
from include.core.request import Ref
from include.data.published import published
from include.features.online.freshness import freshness
from include.features.online.materialize import materialize, materialize_days
from include.governance.lineage import trace
from include.governance.tree import render
from include.model_contract.definition import definitions, pins_of, present_views, read_by
from include.online_store.open import open_online
from include.overview.catalogue import catalogue
from include.overview.impact import impact
from include.reconcile.days import find
from include.reconcile.world import World
from include.routing.route import Route
from operators.catalog import dags_of_models
from operators.feature_sets import FeatureSetsSensor
from plugins.slipstream_features import features_view
from tests.support.effort import effort
from tests.support.operator_runs import Life, Run, day, midnight
from tests.support.pinned_sets import pin
from tests.support.shared_life import DEAR, ONE, RETURNS, SET, SharedLife, begin, forget
from tests.unit.operators.models.shop.orders import CUSTOMERS

pytestmark = pytest.mark.lives


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedLife]:
    """Four days of everything, a version of each model, and both in production."""
    with pytest.MonkeyPatch.context() as patch:
        life = begin(tmp_path_factory.mktemp("shared"), patch)
        life.days(4)
        for model in (RETURNS, DEAR):
            life.train(model)
            life.route(model, Route(champion=1))
        yield life


def read(life: SharedLife, model: str) -> dict[str, Any]:
    """As the gateway would: what the routed versions pin, of one entity."""
    views, _ = read_by(life.services.control, life.services.ledger, model)
    return life.services.online_store.read_entity(model, views, ONE)


def test_the_set_has_its_own_dags_and_models_wait_for_it(grown: SharedLife) -> None:
    found = dags_of_models(grown.services.settings.models)
    assert found.broken == {}
    assert {f"{SET}_features", f"{SET}_features_range"} == {name for name in found.by_id if name.startswith(SET)}
    dag = found.by_id[f"{SET}_features"]
    assert (dag.owner, {"customers", "shop"} <= set(dag.tags)) == ("customer-data", True)
    assert [task.task_id for task in dag.tasks if "fresh" in task.task_id] == ["fresh"], "the set's own promise"
    waits = {name: found.by_id[name].get_task("wait_for_feature_sets") for name in (f"{DEAR}_training", f"{DEAR}_scoring")}
    assert {name: task.downstream_task_ids for name, task in waits.items()} == {
        f"{DEAR}_training": {"build_training_set"}, f"{DEAR}_scoring": {"score"},
    }  # fmt: skip
    assert {task.mode for task in waits.values()} == {"reschedule"}, "no slot is held"
    assert not any("fresh" in task.task_id for task in found.by_id[f"{DEAR}_features"].tasks), "its own views promise nothing"


def test_its_rows_are_computed_and_stored_once_and_joined_point_in_time(grown: SharedLife) -> None:
    made = {}
    for model in (RETURNS, DEAR):
        run = grown.of(model).snapshot(Run({"as_of": "2013-01-05"}))
        made[model] = grown.of(model).result(run.xcom["build_training_set"])
    rows = {
        model: {row["request_id"]: row for part in ("train", "holdout")
                for row in pq.read_table(grown.of(model).path(result, f"{part}.parquet")).to_pylist()}
        for model, result in made.items()
    }  # fmt: skip
    assert rows[RETURNS].keys() == rows[DEAR].keys()
    shared = [(each["mean_price"], each["bought"]) for each in rows[RETURNS].values()]
    assert str(shared) == str([(each["mean_price"], each["bought"]) for each in rows[DEAR].values()])
    assert sum(value == value for value, _ in shared) > 500, "most are known"
    assert made[RETURNS].value["views"] == {"customer": grown.version()}
    assert made[DEAR].value["definitions"]["customer"]["view"]["set"] == SET
    ours = {path.partition("/")[0] for path in map(str, grown.services.storage.list("raw"))}
    assert ours == {"raw"}
    assert not list(grown.services.storage.list(f"raw/{DEAR}/purchases"))
    assert {"customer.parquet", "shelves.parquet"} == set(grown.services.ledger.resolve(_newest(grown)).files)
    assert read(grown, RETURNS) == {name: read(grown, DEAR)[name] for name in ("mean_price", "bought")}


def _newest(life: SharedLife) -> Ref:
    return published(life.services.control, SET, day(4), day(4))[day(4)]


def test_a_version_is_traced_to_the_raw_rows_of_the_set(grown: SharedLife) -> None:
    shown = render(trace(grown.services.ledger, grown.services.control, DEAR, 1))
    assert f"{SET}@2013-01-04" in shown
    assert "raw purchases" in shown
    assert "missing" not in shown.lower()


def test_freshness_of_a_model_counts_the_sets_views(grown: SharedLife) -> None:
    spec = grown.services.spec(DEAR)
    seen = {each.view: each for each in freshness(grown.services.online_store, spec, midnight(day(5)).replace(tzinfo=None))}
    assert seen["customer"].newest is not None
    assert (seen["customer"].stale, seen["hourly"].limit) == (False, None)


def test_a_training_waits_for_the_day_of_the_set(grown: SharedLife) -> None:
    sensor = FeatureSetsSensor(task_id="wait", model=DEAR, plan={"as_of": "2013-01-05T00:00:00"})
    assert Run().task(sensor).poke(Run().context("wait")) is True
    later = FeatureSetsSensor(task_id="wait", model=DEAR, plan={"as_of": "2013-01-06T00:00:00"})
    assert Run().task(later).poke(Run().context("wait")) is False
    ended = FeatureSetsSensor(task_id="wait", model=DEAR, day="2013-02-20")
    assert Run().task(ended).poke(Run().context("wait")) is False, "up to its last day"


def test_what_a_change_touches_is_said_before_it_lands(grown: SharedLife) -> None:
    assert (seen := impact(grown.services, SET)).changed == ()
    assert not seen.touched
    with grown.edited("avg(price) AS mean_price", "max(price) AS mean_price"):
        seen = impact(grown.services, SET)
        assert [(view.view, view.state, view.because) for view in seen.changed] == [("customer", "changed", ("its SQL",))]
        (view,) = seen.changed
        assert (view.days, view.first, view.last, seen.days) == (4, "2013-01-01", "2013-01-04", 4)
        assert view.models == (DEAR, RETURNS)
        assert [(each.model, each.version, each.roles, each.kept) for each in view.live] == [
            (DEAR, 1, ("champion",), True), (RETURNS, 1, ("champion",), True),
        ]  # fmt: skip
        assert view.stranded == ()
        assert {each["model"] for each in seen.training_sets} == {DEAR, RETURNS}
        assert {f"{SET}_features", f"{DEAR}_training", f"{RETURNS}_scoring"} <= set(seen.dags)
        assert impact(grown.services, SET, "shelves").changed == ()
        assert impact(grown.services, DEAR).changed == (), "the model's own views are as they were"
    with grown.edited('Feature(name="dearest")', 'Feature(name="dearest"), Feature(name="cheapest")', "feature_set.py"):
        (view,) = impact(grown.services, SET).changed
        assert (view.view, view.because, view.models) == ("shelves", ("feature cheapest is new",), (DEAR,))


def test_a_set_that_is_removed_is_missed_by_name(grown: SharedLife) -> None:
    folder, away = grown.home / "models" / SET, grown.home / "away"
    folder.rename(away)
    forget()
    try:
        broken = dags_of_models(grown.services.settings.models).broken
        assert set(broken) == {DEAR, RETURNS}
        assert f"reads the feature set {SET!r}, which cannot be had" in str(broken[DEAR])
        seen = impact(grown.services, SET)
        assert {view.state for view in seen.views} == {"gone"}
        assert {each.model for view in seen.views for each in view.live} == {DEAR, RETURNS}
        assert set(seen.broken) == {DEAR, RETURNS}
    finally:
        away.rename(folder)
        forget()


def test_the_catalogue_says_whose_a_feature_is_and_who_uses_it(grown: SharedLife) -> None:
    found = catalogue(grown.services)
    assert found.broken == {}
    by_name = {(each.owner, each.view, each.feature): each for each in found.entries}
    assert set(by_name) == {
        (SET, "customer", "mean_price"), (SET, "customer", "bought"), (SET, "shelves", "dearest"), (DEAR, "hourly", "sold"),
    }  # fmt: skip
    each = by_name[SET, "customer", "mean_price"]
    assert (each.kind, each.team, each.dtype, each.keys, each.tags) == (
        "feature_set", "customer-data", "float", ("customer",), ("customers", "shop"),
    )  # fmt: skip
    assert (each.version, each.sources, each.models, each.day) == (grown.version(), ("purchases",), (DEAR, RETURNS), "2013-01-04")
    assert [(reader.model, reader.version) for reader in each.live] == [(DEAR, 1), (RETURNS, 1)]
    assert (each.promise, each.stale, each.newest[:10]) == (86_400.0, True, "2013-01-04")
    assert (each.profile["null_share"], len(each.profile["quantiles"])) == (0.0, 5)
    assert each.profile["quantiles"] == sorted(each.profile["quantiles"])
    hidden = features_view(grown.services, lambda name: name != DEAR)
    assert {row["owner"] for row in hidden["features"]} == {SET}
    assert {(tuple(row["models"]), row["others"]) for row in hidden["features"]} == {((RETURNS,), 1), ((), 1)}
    assert DEAR not in str(hidden), "a model that the user may not see is counted, not named"


def test_the_commands_say_so(grown: SharedLife, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", "catalogue", SET]) == 0
    assert "customer-data" in capsys.readouterr().out
    assert main(["features", "impact", SET]) == 0
    assert "Nothing is touched" in capsys.readouterr().out
    with grown.edited("avg(price) AS mean_price", "max(price) AS mean_price"):
        assert main(["features", "impact", SET]) == 3
        told = capsys.readouterr().out
        assert "4 of 4 published days are to be computed again" in told
        assert f"customer is read by {DEAR}, {RETURNS}." in told
    with grown.edited("return {", "if day.month == 2:\n        day = day.replace(day=1)\n    return {"):
        main(["features", "impact", SET])
        assert "nobody can compute" not in capsys.readouterr().out, "what is live brought its definition along"
    assert main(["features", "catch-up"]) == 1
    assert "is of one feature set or model" in capsys.readouterr().err
    assert main(["status", SET]) == 0
    assert "buyers (feature set):" in capsys.readouterr().out
    assert main(["predict", SET, "--entity", "customer=customer-1"]) == 1
    assert "'buyers' is a feature set, and a model is asked for" in capsys.readouterr().err


def test_what_else_walks_models_knows_the_set(grown: SharedLife) -> None:
    from include.cli.checkup.models import check_models
    from include.cli.context import open_context

    context = open_context()
    checked = {each.about: each for each in check_models(context)}
    assert checked[SET].words.endswith("of the newest of 4 published days (2013-01-04).")
    assert check_model(SET, context, dags=False).passed
    report = check_model(DEAR, context, fit=False, dags=False)
    assert report.passed, list(report.lines())
    grown.land(5)
    world = World(
        context.settings, context.control, context.ledger, SimpleNamespace(unfinished=lambda dag: False, paused=lambda dag: None),
        context.jobs, context.spec, (), datetime(2013, 1, 8, tzinfo=UTC), "test", None, context.owner, (SET,),
    )  # fmt: skip
    (found,) = find(world)
    assert (found.kind, found.model) == ("day.unpublished", SET)


@pytest.mark.thorough
@pytest.mark.parametrize("hourly", [False, True], ids=["daily", "hourly"])
def test_a_change_of_the_set_is_kept_for_who_pins_the_old_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hourly: bool
) -> None:
    """One model moves on, the other stays: both get what they were trained on, until nobody pins the old version."""
    life = begin(tmp_path, monkeypatch)
    if hourly:
        life.cut_hourly()
    life.days(4)
    for model in (RETURNS, DEAR):
        life.train(model)
        life.route(model, Route(champion=1))
    old, before = life.version(), read(life, RETURNS)["mean_price"]
    life.edit("avg(price) AS mean_price", "10 * avg(price) AS mean_price")
    assert life.version() != old
    seen = impact(life.services, SET)
    assert [(view.view, view.days, [each.model for each in view.live]) for view in seen.changed] == [
        ("customer", 4 * (24 if hourly else 1), [DEAR, RETURNS])
    ]
    life.take_in(SET, 4, first=4)
    with pytest.raises(DataError, match=r"more than one version of \['customer'\]"):
        life.of(RETURNS).snapshot(Run({"as_of": "2013-01-05"}))
    life.take_in(SET, 4)
    life.train(RETURNS)
    life.route(RETURNS, Route(champion=1, challenger=2, weight=50))
    assert _pinned(life) == {old, life.version()}
    assert impact(life.services, SET).changed == ()
    users = {
        each.pins: each.model for row in catalogue(life.services, SET).entries for each in row.live if row.view == "customer"
    }
    assert set(users) == {old, life.version()}, "the catalogue shows who is on which version"
    life.route(RETURNS, Route(champion=2))  # the other model's champion still pins the old one
    life.land(5)
    life.take_in(SET, 5, first=5)
    assert read(life, RETURNS)["mean_price"] == pytest.approx(10 * read(life, DEAR)["mean_price"])
    assert read(life, DEAR)["mean_price"] != before, "the old version is as fresh as the new one"
    life.route(DEAR, Route(previous=1))
    assert _pinned(life) == {old, life.version()}, "a rollback may return to it"
    life.route(DEAR, Route())
    assert _pinned(life) == {life.version()}, "nobody reads it any more"


def _pinned(life: SharedLife) -> set[str]:
    """The versions of the view that are kept online beside the code's."""
    made = pins_of(life.services.control, life.services.ledger, life.services.feature_set(SET)).definitions
    return {each.view.version for each in made if each.view.name == "customer"}


@pytest.mark.thorough
def test_random_orders_of_publication_and_materialization_leave_the_newest_of_each_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days come in any order and again, one by one or several at once; a version of another model is kept beside the code's."""
    life = begin(tmp_path, monkeypatch)
    life.days(3, SET)
    services = life.services
    spec = services.feature_set(SET)
    present = definitions(spec.features)["customer"]
    old = present.view.model_copy(update={"version": "0ldversion00", "set": SET})
    pin(services, RETURNS, 7, replace(present, view=old, sql=present.sql.replace("avg(price)", "max(price)")))
    days = published(services.control, SET, day(1), day(3))
    results = [services.ledger.resolve(ref) for ref in days.values()]
    views, keys = [*present_views(spec.features)[:1], old], [(name,) for name in CUSTOMERS]
    seen = []
    for seed in range(effort(3, 100)):
        chance = random.Random(seed)
        order = chance.choices(results, k=len(results)) + chance.sample(results, len(results))
        store = open_online(f"sqlite:///{tmp_path / f'online-{seed}.db'}", lambda: services.aws)
        if seed % 2:
            materialize_days(spec, chance.sample(results, 2), services.ledger, services.settings, store)
        for each in order:
            materialize(spec, each, services.ledger, services.settings, store)
        seen.append([store.read_stamped(RETURNS, view.model_copy(update={"set": SET}), keys) for view in views])
    assert [found for found in seen if _values(found) != _values(seen[0])] == []
    for found, view in zip(seen[0], views, strict=True):
        assert sum(row is not None for row in found) == len(keys), view.version
    assert _values(seen[0])[0] != _values(seen[0])[1], "mean and largest price"


def _values(found: list[Any]) -> list[Any]:
    return [[row and (row.event_timestamp, row.values) for row in rows] for rows in found]


def test_a_day_of_the_set_that_nobody_published_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = begin(tmp_path, monkeypatch)
    life.days(1, DEAR)
    with pytest.raises(DataError, match=f"No day of the feature set '{SET}' is published") as refused:
        Life(life.services, DEAR).snapshot(Run({"as_of": "2013-01-02"}))
    assert f"{SET}_features" in str(refused.value.hint)
