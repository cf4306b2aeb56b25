"""Feast over our stores: one definition, one set of values, whichever door one comes in by."""

from __future__ import annotations

import json
import multiprocessing
import random
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa

from include.cli.context import CliContext
from include.cli.main import main
from include.core.control import ControlStore
from include.core.control import versions as registered
from include.core.digest import PROJECT
from include.core.errors import NotReadyError, PermanentError
from include.core.ledger import Ledger
from include.core.request import Outcome, Ref, Request, Result
from include.core.settings import Settings
from include.core.spec import Feature
from include.core.time import timestamp
from include.data.published import publish
from include.features.online.pushed import pushed
from include.model_contract.definition import Definition, definitions, present_views
from include.online_store.open import open_online
from include.routing.route import Route, set_route
from tests.support import shop
from tests.support.databases import new_database
from tests.support.databases import postgres as postgres
from tests.support.later import Later
from tests.support.online_stores import dynamodb_address as dynamodb_address
from tests.support.online_stores import dynamodb_url as dynamodb_url
from tests.support.shop import FIRST, SPEC, Shop, orders_of

feast_source, feast_repo = Later("feast.data_source"), Later("include.backends.feast.repo")
feast_registry = Later("include.backends.feast.registry")
feast_materialize = Later("include.backends.feast.materialize")

DAYS = 4
CUSTOMERS = [{"customer": name} for name in ("ann", "bob", "cleo", "nobody")]
VIEW = SPEC.features.views[0]
(ONLINE,) = present_views(SPEC.features)  # as it lies online: under its version


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop with four published days."""
    settings = Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path_factory.mktemp("feast"))})
    made = Shop(Ledger(settings.storage()), settings)
    control = ControlStore(settings.control_url)
    control.create_tables()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("include.features.offline.sources.good_rows", shop.good_rows)
        made.land_days(DAYS)
        for n in range(DAYS):
            result = made.features(FIRST + timedelta(days=n))
            publish(control, SPEC.name, FIRST + timedelta(days=n), made.ledger.ref(result), result.value["rows"], 1)
    return made


@pytest.fixture
def settings(made: Shop, tmp_path: Path) -> Settings:
    """The shop's store and control store, with an online store and a registry of the test's own."""
    own = Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path), "SLIPSTREAM_ROOT": made.settings.root})
    return Settings(home=own.home, root=own.root, control_url=made.settings.control_url, online_url=own.online_url)


def results(made: Shop) -> list[Result]:
    return [made.features(FIRST + timedelta(days=n)) for n in range(DAYS)]


def test_the_registry_holds_the_spec(settings: Settings) -> None:
    store = feast_repo.open_feast(SPEC, settings)
    (view,) = store.list_feature_views()
    assert (view.name, view.join_keys, view.ttl) == ("customer", ["customer"], VIEW.ttl)
    assert {field.name: str(field.dtype) for field in view.features} == {
        "orders": "Int64",
        "mean_price": "Float64",
        "grade": "String",
    }
    assert [projection.name for projection in store.get_feature_service(feast_repo.SERVICE).feature_view_projections] == [
        "customer"
    ]


def test_a_changed_spec_is_applied_on_opening(settings: Settings) -> None:
    feast_repo.open_feast(SPEC, settings)
    wider = VIEW.model_copy(update={"features": (*VIEW.features, Feature(name="age"))})
    changed = SPEC.model_copy(update={"features": SPEC.features.model_copy(update={"views": (wider,)})})
    assert "age" in {field.name for field in feast_repo.open_feast(changed, settings).get_feature_view("customer").features}


def test_feast_reads_online_what_the_gateway_reads(made: Shop, settings: Settings) -> None:
    report = feast_materialize.materialize(SPEC, results(made)[-1], made.ledger, settings)
    assert report["views"]["customer"]["written"] == 3
    feast = feast_repo.open_feast(SPEC, settings)
    answer = feast.get_online_features(features=feast.get_feature_service(feast_repo.SERVICE), entity_rows=CUSTOMERS).to_dict()
    store = open_online(settings.online_url)
    direct = [store.read_entity(SPEC.name, (ONLINE,), customer) for customer in CUSTOMERS]
    for name in ("orders", "mean_price", "grade"):
        assert answer[name] == [values.get(name) for values in direct]
    assert direct[0]["orders"] > 0
    assert direct[3] == {}


@pytest.mark.whole
def test_feast_reads_from_dynamodb_what_was_materialized_there(made: Shop, settings: Settings, dynamodb_url: str) -> None:
    there = replace(settings, online_url=dynamodb_url)
    report = feast_materialize.materialize(SPEC, results(made)[-1], made.ledger, there)
    assert report["views"]["customer"]["written"] == 3
    feast = feast_repo.open_feast(SPEC, there)
    answer = feast.get_online_features(features=feast.get_feature_service(feast_repo.SERVICE), entity_rows=CUSTOMERS).to_dict()
    direct = [open_online(dynamodb_url).read_entity(SPEC.name, (ONLINE,), customer) for customer in CUSTOMERS]
    assert answer["orders"] == [values.get("orders") for values in direct]
    assert [bool(values) for values in direct] == [True, True, True, False]
    again = feast_materialize.materialize(SPEC, results(made)[-1], made.ledger, there)
    assert again["views"]["customer"]["written"] == 0


def test_feast_writes_online_under_the_same_guard(made: Shop, settings: Settings) -> None:
    feast_materialize.materialize(SPEC, results(made)[1], made.ledger, settings)
    feast, store = feast_repo.open_feast(SPEC, settings), open_online(settings.online_url)
    before = store.read(SPEC.name, ONLINE, [("ann",)])

    def push(at: str, orders: int) -> None:
        row = {"customer": ["ann"], "orders": [orders], "mean_price": [2.5], "grade": ["z"]}
        feast.write_to_online_store("customer", pd.DataFrame({**row, "event_timestamp": pd.to_datetime([at], utc=True)}))

    push("2013-01-01 05:00", 98)
    assert store.read(SPEC.name, ONLINE, [("ann",)]) == before
    push("2013-01-05 05:00", 99)
    assert store.read(SPEC.name, ONLINE, [("ann",)]) == [{"orders": 99, "mean_price": 2.5, "grade": "z"}]


def test_feasts_own_materialize_goes_through_our_stores_too(made: Shop, settings: Settings) -> None:
    day = FIRST + timedelta(days=2)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    feast_repo.open_feast(SPEC, settings).materialize(start, start + timedelta(days=1))
    feasts, keys = open_online(settings.online_url), [("ann",), ("bob",), ("cleo",)]
    other = replace(settings, online_url=f"sqlite:///{settings.home}/other.db")
    feast_materialize.materialize(SPEC, results(made)[2], made.ledger, other)
    assert feasts.read(SPEC.name, ONLINE, keys) == open_online(other.online_url).read(SPEC.name, ONLINE, keys)


def _serve(made: Shop, settings: Settings, version: int, signature: dict[str, Any], folder: Path) -> None:
    """Register a version with that signature, and make it the champion."""
    path = folder / f"signature-{version}.json"
    path.write_text(json.dumps(signature))
    request = Request("train", "tests:none", SPEC.name, {"version": version})
    attempt = made.ledger.open_attempt(request.key, 0)
    result = made.ledger.commit(request, attempt, Outcome({}, {"signature.json": path}), 0.1)
    row = {"model": SPEC.name, "version": version, "key": str(version), "semver": f"{version}.0.0", "stage": "Production"}
    control = ControlStore(settings.control_url)
    control.create_tables()
    with control.transaction() as connection:
        connection.execute(registered.insert().values(**row, record={"train": made.ledger.ref(result).to_json()}, at=timestamp()))
        set_route(connection, SPEC.name, Route(champion=version))


def test_the_version_that_a_served_model_pins_stays_online_beside_the_present_one(
    made: Shop, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (present,) = definitions(SPEC.features).values()
    rounded = Definition(
        present.view.model_copy(update={"version": "r0unded"}), present.sql.replace("avg(price)", "round(avg(price), -1)")
    )
    monkeypatch.setattr("include.features.offline.sources.good_rows", shop.good_rows)
    settings = replace(settings, control_url=f"sqlite:///{tmp_path}/control.db")
    pinning = {"inputs": [], "views": {"customer": "r0unded"}, "definitions": {"customer": rounded.to_json()}}
    _serve(made, settings, 1, pinning, tmp_path)
    report = feast_materialize.materialize(SPEC, results(made)[2], made.ledger, settings)["views"]
    assert report["customer@r0unded"]["written"] == report["customer"]["written"] > 0
    store, keys = open_online(settings.online_url), [("ann",), ("bob",), ("cleo",)]
    both = zip(store.read(SPEC.name, ONLINE, keys), store.read(SPEC.name, rounded.view, keys), strict=True)
    pairs = [(new["mean_price"], old["mean_price"]) for new, old in both if new and old]
    assert pairs
    assert all(old in (0, 10) and abs(old - new) <= 5 for new, old in pairs), "rounded to tens"
    assert any(old != new for new, old in pairs)
    assert store.read(SPEC.name, VIEW, keys) == [None] * 3, "nobody reads rows without a version"

    _serve(made, settings, 2, {"inputs": []}, tmp_path)  # a model from before versions were pinned
    feast_materialize.materialize(SPEC, results(made)[2], made.ledger, settings)
    assert store.read(SPEC.name, VIEW, keys) == store.read(SPEC.name, ONLINE, keys)


def test_catching_up_brings_online_what_is_published_and_not_there(
    made: Shop, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("include.features.offline.sources.good_rows", shop.good_rows)
    settings = replace(settings, control_url=f"sqlite:///{tmp_path}/control.db")
    control = ControlStore(settings.control_url)
    control.create_tables()
    for result in results(made):
        day, ref = date.fromisoformat(result.value["day"]), made.ledger.ref(result)
        publish(control, SPEC.name, day, ref, result.value["rows"], 1)
    monkeypatch.setattr("include.cli.features.load_owner", lambda *_: SPEC)
    monkeypatch.setattr("include.cli.features.open_context", lambda: CliContext(settings))
    monkeypatch.setattr("include.cli.main._require_model", lambda *_: None)  # it is no model of a package

    def said(*options: str) -> str:
        assert main(["features", "catch-up", SPEC.name, *options]) == 0
        return capsys.readouterr().out

    first, last = (FIRST + timedelta(days=n) for n in (0, DAYS - 1))
    feast_materialize.materialize(SPEC, results(made)[-1], made.ledger, settings)
    waiting = said("--dry-run", "--all")
    assert f"({DAYS - 1} of {DAYS})" in waiting
    assert str(last) not in waiting
    assert f"{first}  customer" in said("--all")
    assert "are online as they stand" in said("--all")
    old = definitions(SPEC.features)["customer"]
    old = replace(old, view=old.view.model_copy(update={"version": "0ld"}))
    _serve(made, settings, 7, {"inputs": [], "views": {"customer": "0ld"}, "definitions": {"customer": old.to_json()}}, tmp_path)
    assert f"({DAYS} of {DAYS})" in said("--dry-run", "--all"), "the version that is served now is not online"
    made.land("orders", first, orders_of(first, 41))
    late = said("--dry-run", "--all")
    made.land("orders", first, orders_of(first))  # the other tests' shop
    assert f"--from-date {first} --to-date {first + timedelta(days=SPEC.data.lookback_days)}" in late


def test_historical_features_are_those_of_the_training_set(made: Shop, settings: Settings) -> None:
    refs: dict[str, Ref] = {result.value["day"]: made.ledger.ref(result) for result in results(made)}
    trained = made.read(made.training_set(refs, as_of="2013-01-05T00:00:00"), "train").to_pandas()
    entities = trained[["request_id", "customer", "event_timestamp"]].sample(frac=1, random_state=1)
    entities["event_timestamp"] = entities["event_timestamp"].dt.tz_localize("UTC")
    feast = feast_repo.open_feast(SPEC, settings)
    found = feast.get_historical_features(entity_df=entities, features=feast.get_feature_service(feast_repo.SERVICE)).to_df()
    assert len(found) == len(entities), "one row for each, in whatever order"
    both = found.merge(trained, on="request_id", suffixes=("", "_trained"))
    known = both["orders"].notna()
    assert known.sum() > 10
    np.testing.assert_array_equal(both["orders"][known], both["orders_trained"][known])
    np.testing.assert_array_equal(both["mean_price"][known], both["mean_price_trained"][known])
    assert not both["orders_trained"][~known].notna().any()


def _materialize(settings: Settings, keys: list[str]) -> None:
    ledger = Ledger(settings.storage())
    for key in keys:
        result = ledger.result(key)
        assert result is not None
        feast_materialize.materialize(SPEC, result, ledger, settings)


def test_four_days_at_once_and_out_of_order_leave_the_newest_and_each_interval_once(made: Shop, settings: Settings) -> None:
    keys = [result.key for result in results(made)]
    context = multiprocessing.get_context("fork")
    workers = []
    for seed in range(2):  # every day by two workers, in different orders: each is also a repetition
        order = random.Random(seed).sample(keys, len(keys))
        workers += [
            context.Process(target=_materialize, args=(settings, order[:2])),
            context.Process(target=_materialize, args=(settings, order[2:])),
        ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * 4
    store, names = open_online(settings.online_url), [("ann",), ("bob",), ("cleo",)]
    rows = pa.concat_tables([made.read(result, VIEW.name) for result in results(made)]).to_pylist()
    newest = [max((row for row in rows if row["customer"] == name), key=lambda row: row["event_timestamp"]) for (name,) in names]
    assert store.event_times(SPEC.name, ONLINE, names) == [row["event_timestamp"] for row in newest]
    assert [values and values["orders"] for values in store.read(SPEC.name, ONLINE, names)] == [row["orders"] for row in newest]
    intervals = feast_repo.open_feast(SPEC, settings).get_feature_view("customer").materialization_intervals
    assert sorted(first.date() for first, _ in intervals) == [date(2013, 1, n) for n in range(1, DAYS + 1)]


def test_a_push_through_feast_goes_online_and_into_the_offline_log(made: Shop, settings: Settings) -> None:
    view = VIEW.model_copy(update={"pushed": True})
    spec = SPEC.model_copy(update={"features": SPEC.features.model_copy(update={"views": (view,)})})
    feast = feast_repo.open_feast(spec, settings)
    row = {"customer": ["zoe"], "orders": [3], "mean_price": [1.5], "grade": ["b"]}
    at = pd.to_datetime(["2013-02-01 09:00"], utc=True)
    feast.push("customer_push", pd.DataFrame({**row, "event_timestamp": at}), to=feast_source.PushMode.ONLINE_AND_OFFLINE)
    seen = open_online(settings.online_url).read(SPEC.name, ONLINE, [("zoe",)])
    assert seen == [{"orders": 3, "mean_price": 1.5, "grade": "b"}]
    assert len(pushed(made.ledger.storage, SPEC.name, view, date(2013, 2, 1))) == 1


def test_feasts_materialize_records_an_interval_once_however_often_it_is_repeated(made: Shop, settings: Settings) -> None:
    feast, start = feast_repo.open_feast(SPEC, settings), datetime(2013, 1, 2, tzinfo=UTC)
    for _ in range(2):
        feast.materialize(start, start + timedelta(days=1))
    assert len(feast.registry.get_feature_view("customer", SPEC.name).materialization_intervals) == 1


# -- one registry of several machines ----------------------------------------------------------------------


@pytest.fixture
def machines(made: Shop, settings: Settings, tmp_path: Path, postgres: str) -> tuple[Settings, Settings]:
    """Two, with homes of their own, over one root, one control store in PostgreSQL and one online store."""
    url = sa.make_url(new_database(postgres, f"feast{abs(hash(str(tmp_path)))}")).set(password="kept-quiet")
    shared = replace(settings, control_url=url.render_as_string(hide_password=False))
    ControlStore(shared.control_url).create_tables()
    return replace(shared, home=tmp_path / "first"), replace(shared, home=tmp_path / "second")


def intervals(settings: Settings) -> list[date]:
    view = feast_repo.open_feast(SPEC, settings).registry.get_feature_view("customer", SPEC.name)
    return sorted(first.date() for first, _ in view.materialization_intervals)


def test_two_machines_have_one_registry(made: Shop, machines: tuple[Settings, Settings]) -> None:
    for n, machine in enumerate(machines):
        feast_materialize.materialize(SPEC, results(made)[n], made.ledger, machine)
    assert intervals(machines[0]) == intervals(machines[1]) == [FIRST, FIRST + timedelta(days=1)]
    feast, day, third = feast_repo.open_feast(SPEC, machines[1]), FIRST + timedelta(days=2), results(made)[2]
    publish(ControlStore(machines[1].control_url), SPEC.name, day, made.ledger.ref(third), third.value["rows"], 1)
    start = datetime.combine(day, datetime.min.time(), UTC)
    feast.materialize(start, start + timedelta(days=1))
    assert len(intervals(machines[0])) == 3
    assert [path.name for machine in machines for path in machine.home.glob("feast*")] == []
    assert "kept-quiet" not in f"{feast.config.registry!r} {feast.config.offline_store!r}"


def test_what_a_machines_own_registry_knew_is_carried_over(
    made: Shop, settings: Settings, machines: tuple[Settings, Settings]
) -> None:
    before = replace(settings, home=machines[0].home)
    feast_materialize.materialize(SPEC, results(made)[0], made.ledger, before)
    assert intervals(machines[0]) == intervals(machines[1]) == [FIRST]


def test_a_role_that_may_make_no_schema_is_told_what_to_do(machines: tuple[Settings, Settings]) -> None:
    url = sa.make_url(machines[0].control_url)
    with ControlStore(machines[0].control_url).engine.begin() as connection:
        connection.execute(sa.text("CREATE ROLE plain LOGIN"))
    plain = replace(machines[0], control_url=url.set(username="plain").render_as_string(hide_password=False))
    with pytest.raises(PermanentError, match=r"(?s)permission denied for database.*CREATE SCHEMA slipstream_feast AUTHORIZATION"):
        feast_repo.open_feast(SPEC, plain)
    with ControlStore(machines[0].control_url).engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA slipstream_feast AUTHORIZATION plain"))
    assert [view.name for view in feast_repo.open_feast(SPEC, plain).list_feature_views()] == ["customer"]


def test_a_registry_that_another_machine_holds_is_waited_for_and_then_said(
    machines: tuple[Settings, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.backends.feast.registry.PATIENCE", 0.1)
    with feast_registry.registry_lock(machines[0]), pytest.raises(NotReadyError, match=r"(?s)being changed.*retried"):
        feast_repo.open_feast(SPEC, machines[1])


def test_feasts_configuration_shows_no_password(settings: Settings) -> None:
    hidden = replace(settings, online_url="redis://:kept-quiet@h:6379/0")
    config = feast_repo.open_feast(SPEC, hidden).config
    assert config.online_store.url == hidden.online_url
    assert "kept-quiet" not in f"{config.online_store!r} {config.offline_store!r}"


IMPORTED = """
import sys, typeguard
given = typeguard.typechecked
{first}
import include.backends.feast.retrieval
import feast, feast.torch_wrapper
checked = any("typeguard" in name for name in feast.FeatureView.__init__.__code__.co_names)
print("torch" in sys.modules, checked, typeguard.typechecked is given, callable(feast.torch_wrapper.get_torch))
"""


@pytest.mark.thorough
@pytest.mark.parametrize(("first", "told"), [("", "False False True True"), ("import feast", "True True True True")])
def test_feast_is_imported_without_torch_and_typeguard_unless_somebody_did_before(first: str, told: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", IMPORTED.format(first=first)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.split("\n")[-2] == told, done.stderr
