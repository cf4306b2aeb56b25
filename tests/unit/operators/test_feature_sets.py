"""A feature set between two models: published once, joined and read by both, awaited by their DAGs, kept by what they pin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from include.core.errors import DataError
from include.core.request import Ref
from include.data.published import published
from include.features.online.freshness import freshness
from include.governance.lineage import trace
from include.governance.tree import render
from include.model_contract.definition import pins_of, read_by
from operators.catalog import dags_of_models
from operators.feature_sets import FeatureSetsSensor
from tests.support.operator_runs import Life, Run, day, midnight
from tests.support.shared_life import DEAR, ONE, RETURNS, SET, SharedLife, begin

pytestmark = pytest.mark.lives


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedLife]:
    """Four days of everything, a version of each model, and both in production."""
    with pytest.MonkeyPatch.context() as patch:
        life = begin(tmp_path_factory.mktemp("shared"), patch)
        life.days(4)
        for model in (RETURNS, DEAR):
            life.train(model)
            life.route(model, champion=1)
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


@pytest.mark.thorough
def test_a_change_of_the_set_is_kept_for_who_pins_the_old_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One model moves on, the other stays: both get what they were trained on, until nobody pins the old version."""
    life = begin(tmp_path, monkeypatch)
    life.days(4)
    for model in (RETURNS, DEAR):
        life.train(model)
        life.route(model, champion=1)
    old, before = life.version(), read(life, RETURNS)["mean_price"]
    life.edit("avg(price) AS mean_price", "10 * avg(price) AS mean_price")
    assert life.version() != old
    life.publish(4, SET)
    with pytest.raises(DataError, match=r"more than one version of \['customer'\]"):
        life.of(RETURNS).snapshot(Run({"as_of": "2013-01-05"}))
    life.take_in(SET, 4)
    life.train(RETURNS)
    life.route(RETURNS, champion=1, challenger=2, weight=50)
    assert _pinned(life) == {old, life.version()}
    life.route(RETURNS, champion=2)  # the other model's champion still pins the old one
    life.land(5)
    life.publish(5, SET)
    assert read(life, RETURNS)["mean_price"] == pytest.approx(10 * read(life, DEAR)["mean_price"])
    assert read(life, DEAR)["mean_price"] != before, "the old version is as fresh as the new one"
    life.route(DEAR, previous=1)
    assert _pinned(life) == {old, life.version()}, "a rollback may return to it"
    life.route(DEAR)
    assert _pinned(life) == {life.version()}, "nobody reads it any more"


def _pinned(life: SharedLife) -> set[str]:
    """The versions of the view that are kept online beside the code's."""
    made = pins_of(life.services.control, life.services.ledger, life.services.feature_set(SET)).definitions
    return {each.view.version for each in made if each.view.name == "customer"}


def test_a_day_of_the_set_that_nobody_published_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = begin(tmp_path, monkeypatch)
    life.days(1, DEAR)
    with pytest.raises(DataError, match=f"No day of the feature set '{SET}' is published") as refused:
        Life(life.services, DEAR).snapshot(Run({"as_of": "2013-01-02"}))
    assert f"{SET}_features" in str(refused.value.hint)
