"""What is older than its spec keeps it goes, and what was made of it stays explained."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from include.core.errors import SpecError
from include.core.ledger import Ledger
from include.core.spec import Data, ModelSpec, Retention
from include.core.time import now
from include.governance.lineage import trace
from include.retention import datasets
from include.retention.finding import Kind
from include.retention.ledger import Bounds
from include.scoring import table as scores
from tests.support.aged import killed_at
from tests.support.gc_world import World
from tests.support.toy_ledger import MODEL, SPEC

NOW = now()
DAYS = (NOW.date() - date(2013, 1, 3)).days  # so the toy's first two days are over, and those after them are not


def keeping(**days: int) -> ModelSpec:
    return SPEC.model_copy(update={"data": SPEC.data.model_copy(update={"retention": Retention(**days)})})


def days_of(ledger: Ledger) -> list[str]:
    return sorted(path.split("=")[1][:10] for path in ledger.storage.list(f"raw/{MODEL}/flights"))


def scored(world: World, day: date) -> None:
    value = {"day": str(day), "rows": 1, "version": 1}
    ref = world.loop.commit("score", {"day": str(day)}, {}, value, {"scores.parquet": str(day).encode()})
    epoch = world.control.take(scores.resource(MODEL, str(day)), "t")
    scores.publish(world.control, world.loop.ledger, MODEL, world.loop.ledger.resolve(ref), epoch)


def test_raw_partitions_go_and_the_version_made_of_them_says_so(world: World) -> None:
    version = world.registered()
    ledger = world.loop.ledger
    assert list(datasets.find(ledger, world.control, SPEC, NOW)) == [], "by default all is kept"
    found = list(datasets.find(ledger, world.control, keeping(raw_days=DAYS), NOW))
    assert [each.name for each in found] == [f"raw/{MODEL}/flights/date=2013-01-0{n}/part.parquet" for n in (1, 2)]
    assert days_of(ledger) == ["2013-01-01", "2013-01-02", "2013-01-03"], "to find is to change nothing"
    with killed_at("gc.raw.marked"):
        found[0].act()
    for each in found:
        assert each.act()
    assert days_of(ledger) == ["2013-01-03"]
    assert not found[0].act(), "it is gone"
    traced = trace(ledger, world.control, MODEL, version.version)
    assert traced.intact
    said = {node.uri[-28:-13]: str(node.detail["forgotten"]) for node in traced.root.walk() if "forgotten" in node.detail}
    assert sorted(said) == ["date=2013-01-01", "date=2013-01-02"]
    assert all("'request': 'retention'" in each for each in said.values())
    ledger.storage.delete(f"raw/{MODEL}/flights/date=2013-01-03/part.parquet")
    assert not trace(ledger, world.control, MODEL, version.version).intact, "nobody said that this one may go"


def test_scores_go_with_the_batches_that_they_are_of(world: World) -> None:
    for number in (1, 2, 8):
        scored(world, date(2013, 1, number))
    world.registered()
    spec = keeping(scores_days=DAYS)
    world_spec(world, spec)
    (first, second) = datasets.find(world.loop.ledger, world.control, spec, NOW)
    assert {first.kind, second.kind} == {Kind.SCORES}
    with killed_at("scores.withdrawn"):
        first.act()
    assert [each.day for each in scores.table(world.control, MODEL)] == ["2013-01-02", "2013-01-08"]
    left = list(datasets.find(world.loop.ledger, world.control, spec, NOW))
    assert {each.name for each in left} == {first.name, second.name}, "also the file that nothing stands for by now"
    for each in left:
        each.act()
    assert list(scores.wrong(world.control, world.loop.ledger.storage, MODEL)) == []
    assert [path.split("=")[1][:10] for path in world.loop.ledger.storage.list(f"scores/{MODEL}")] == ["2013-01-08"]
    assert len(list(datasets.expired_scores(world.loop.ledger, spec, NOW))) == 2
    world.pass_days(40)
    done = world.gc(Bounds.stopped(timedelta(days=30)))
    assert {each.name.split("/")[1] for each in done.done if each.step == "removed"} == {"score"}
    held = [path for path in world.files() if "scores.parquet" in path]
    assert len(held) == 1


def world_spec(world: World, spec: ModelSpec) -> None:
    """From now on gc finds this spec."""
    made = replace(world.place(), spec=lambda _: spec)
    world.place = lambda: made  # type: ignore[method-assign]


def test_answers_that_no_gateway_swept(world: World) -> None:
    settings, storage = world.place().settings, world.loop.ledger.storage
    for day in ("2012-12-01", str(NOW.date())):
        for file in ("request.json", "answer.json"):
            storage.write(f"asynchronous/{MODEL}/date={day}/abc/{file}", b"{}")
    (found,) = datasets.find_answers(storage, settings, NOW)
    assert (found.name, found.files, found.bytes) == (f"asynchronous/{MODEL}/date=2012-12-01", 2, 4)
    assert found.act()
    assert len(list(storage.list("asynchronous"))) == 2


def test_fewer_days_than_a_day_reads_back_are_refused() -> None:
    with pytest.raises(SpecError, match="less than a day reads back"):
        Data(sources=("a",), first=date(2013, 1, 1), lookback_days=7, retention=Retention(raw_days=7))
