from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from include.backends.sqlite.online_store import SqliteOnlineStore
from include.core.spec import ModelSpec
from include.prediction_log.reader import read_records
from include.prediction_log.record import Record
from include.prediction_log.writer import PredictionLog
from include.routing.entity_hash import unit
from include.routing.route import Route
from include.routing.split import Split
from include.serving.http.request_error import RequestError
from include.serving.models.deployment import Deployment
from include.serving.models.loaded_model import LoadedModel
from include.serving.prediction.online_features import FeatureReader
from include.serving.ranking.overlap import ListCopy
from include.serving.recommendation.recommender import Recommender
from include.serving.telemetry.counters import Metrics
from tests.support.films import SHARES, SPEC, Shares, version

AT = datetime.fromisoformat("2020-01-05T10:00:00")


class World:
    """A recommender over a store that knows two guests and all films."""

    def __init__(self, folder: Path, **serving: Any) -> None:
        self.folder, self.spec = folder, SPEC.model_copy(update={"serving": SPEC.serving.model_copy(update=serving)})
        self.store = SqliteOnlineStore(folder / "online.db")
        self._write("taste", {"guest": ["ann", "bob"], "likes": ["alien", ""], "had": ["casablanca", ""]})
        self._write("film", {"film": [*SHARES], "share": [*SHARES.values()]})
        self.reads: list[int] = []
        self.reader = FeatureReader(lambda: self.store)
        self.reader.rows = lambda: None  # type: ignore[method-assign]  # the store answers at once
        self.copies: list[tuple[str, ListCopy]] = []
        self.metrics = Metrics()
        self.recommender = Recommender(
            self.spec, self.reader, PredictionLog(folder, "films"), self.metrics, unit, lambda *of: self.copies.append(of)
        )

    def _write(self, view: str, columns: dict[str, list[Any]]) -> None:
        rows = pa.table({**columns, "event_timestamp": pa.array([AT] * len(next(iter(columns.values()))), pa.timestamp("us"))})
        self.store.write("films", next(each for each in SPEC.features.views if each.name == view), rows, AT)

    def ask(self, *models: LoadedModel, route: Route | None = None, **body: Any) -> dict[str, Any]:
        deployment = self.deployment(*models, route=route)
        asked = {"id": "q", "entity": {"guest": "ann"}, "event_time": "2020-01-06T00:00:00Z", **body}
        found: dict[str, Any] = json.loads(asyncio.run(self.recommender.answer(json.dumps(asked).encode(), deployment)))
        return found

    def deployment(self, *models: LoadedModel, route: Route | None = None) -> Deployment:
        return Deployment(self.spec, route or Route(champion=1), 3, {model.version: model for model in models})

    @property
    def logged(self) -> list[Record]:
        return list(read_records(self.folder, "films"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _items(answer: dict[str, Any]) -> list[str]:
    return [each["item"] for each in answer["items"]]


def test_the_best_of_what_is_near_and_was_not_seen(world: World) -> None:
    answer = world.ask(version())
    assert _items(answer) == ["brazil", "diva"]  # Casablanca is near, and Ann had it
    assert answer["items"][0] == {"item": "brazil", "score": pytest.approx(0.9), "id": "q/brazil"}
    assert {name: answer[name] for name in ("id", "source", "version", "arm", "degraded")} == {
        "id": "q", "source": "nearest", "version": 1, "arm": "champion", "degraded": [],
    }  # fmt: skip


def test_the_caller_says_what_was_seen_how_many_and_what_else(world: World) -> None:
    answer = world.ask(version(), seen=["brazil"], at=5, features={"new": "evita"})
    assert _items(answer) == ["evita", "diva", "alien"]


def test_each_item_is_a_prediction_of_the_log(world: World) -> None:
    world.ask(version())
    first, second = world.logged
    assert (first.id, first.place, second.id, second.place) == ("q/brazil", 0, "q/diva", 1)
    assert first.entity == {"guest": "ann", "film": "brazil", "visit": "q"}  # which rows are one list
    assert first.features == {"likes": "alien", "had": "casablanca", "share": 0.9, "new": ""}
    assert (first.version, first.arm, first.generation, first.event_time) == (1, "champion", 3, "2020-01-06T00:00:00")
    assert first.unit == second.unit
    assert first.at == second.at  # by which the lists of a log are told apart


def test_what_the_spec_redacts_is_in_no_line(tmp_path: Path) -> None:
    world = World(tmp_path, redact=("had", "guest"))
    world.ask(version())
    assert all(record.entity == {"film": record.id[2:], "visit": "q"} and "had" not in record.features for record in world.logged)


def test_who_has_liked_nothing_is_shown_the_popular_in_the_rankers_order(world: World) -> None:
    for guest in ("bob", "nobody"):
        answer = world.ask(version(), entity={"guest": guest})
        assert (_items(answer), answer["source"], answer["degraded"]) == (["casablanca", "diva"], "popular", [])


def test_an_unknown_guest_is_refused_where_the_spec_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, unknown_entity="refuse")
    assert _items(world.ask(version()))
    with pytest.raises(RequestError, match="Nothing is known") as refused:
        world.ask(version(), entity={"guest": "nobody"})
    assert refused.value.status == 404


def test_all_items_are_read_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch, sizes = world.store.fetch, []

    def counted(keys: Any) -> Any:
        sizes.append(len(keys))
        return fetch(keys)

    monkeypatch.setattr(world.store, "fetch", counted)
    world.ask(version())
    assert sizes == [1, 3]


def test_a_challenger_that_fails_is_answered_for(world: World) -> None:
    route = Route(champion=1, challenger=2, weight=100)
    answer = world.ask(version(), version(2, Shares(fails=True)), route=route)
    assert (_items(answer), answer["version"], answer["degraded"]) == (["brazil", "diva"], 1, ["challenger"])
    assert "a broken ranker" in str(world.logged[0].error)


def test_a_version_that_brings_nothing_is_answered_for(world: World) -> None:
    answer = world.ask(version(brings=False), version(3), route=Route(champion=1, previous=3))
    assert (answer["version"], answer["degraded"]) == (3, ["champion"])


def test_where_all_fail_the_popular_are_shown(world: World) -> None:
    answer = world.ask(version(ranker=Shares(fails=True)), seen=["casablanca"])
    assert _items(answer) == ["diva", "alien"]
    assert (answer["version"], answer["source"], answer["degraded"]) == (None, "popular", ["champion", "default_score"])
    assert {record.score for record in world.logged} == {-1.0}


def test_where_nobody_brings_anything_it_is_refused(world: World) -> None:
    with pytest.raises(RequestError, match="brings items to recommend") as refused:
        world.ask(version(brings=False))
    assert refused.value.status == 404
    assert not world.logged


def test_where_everything_was_seen_the_list_is_empty(world: World) -> None:
    answer = world.ask(version(), seen=[*SHARES])
    assert (answer["items"], answer["degraded"]) == ([], ["nothing_left"])


def test_a_store_that_is_away_is_a_degraded_list(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(keys: Any) -> Any:
        raise ConnectionError(str(len(keys)))

    monkeypatch.setattr(world.store, "fetch", away)
    answer = world.ask(version())
    assert (answer["source"], answer["degraded"]) == ("popular", ["features"])
    assert len(answer["items"]) == 2


def test_a_full_disk_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PredictionLog, "append", full)
    answer = world.ask(version())
    assert (_items(answer), answer["degraded"]) == (["brazil", "diva"], ["log"])


def test_a_version_that_failed_again_and_again_is_left_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.serving.recommendation.recommender.OVER", 0.0)
    model = version(ranker=Shares(fails=True))
    for _ in range(20):
        world.ask(model)
    world.ask(model)
    assert "is left alone" in str(world.logged[-1].error)


def test_the_shadow_gets_the_request_and_what_was_shown(world: World) -> None:
    route = Route(champion=1, challenger=2, shadow=2)
    world.ask(version(), version(2), route=route, seen=["alien"])
    ((model, copy),) = world.copies
    assert (model, copy.version, copy.answered, copy.seen, copy.at, copy.entity) == (
        "films", 2, 1, ["alien"], 2, {"guest": "ann"},
    )  # fmt: skip
    assert copy.row == {"likes": "alien", "had": "casablanca", "share": None, "new": ""}
    assert [(name, item) for name, item, _ in copy.shown] == [("q/brazil", "brazil"), ("q/diva", "diva")]


def test_one_guest_always_meets_the_same_arm(world: World) -> None:
    route = Route(champion=1, challenger=2, weight=50)
    arms = {guest: {world.ask(version(), version(2), route=route, entity={"guest": guest}, id=str(n))["arm"] for n in range(3)}
            for guest in map(str, range(20))}  # fmt: skip
    assert all(len(each) == 1 for each in arms.values())
    assert {arm for each in arms.values() for arm in each} == {"champion", "challenger"}


def test_a_list_counts_once(world: World) -> None:
    spec: ModelSpec = world.spec
    world.ask(version())
    assert world.metrics.series()["slipstream_requests_total"] == {(spec.name, "1", "champion"): [1.0]}


def test_an_experiment_draws_the_arm_of_a_list_and_is_written_into_the_log(world: World) -> None:
    route = Route(champion=1, challenger=2, experiment=Split("trial", "salt", 10_000, 9_999))
    assert world.ask(version(), version(2), route=route)["version"] == 2
    assert {(record.arm, record.experiment) for record in world.logged} == {("challenger", "trial")}
