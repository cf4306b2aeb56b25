"""A view that is lost as a whole flags the answers and the metrics; an entity that one view does not know is counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from include.backends.sqlite.online_store import SqliteOnlineStore
from include.core.errors import UnreachableError
from include.core.spec import Feature, ModelSpec, View
from include.routing.route import Route
from include.serving.models.deployment import Deployment
from include.serving.prediction.lost_views import LostViews
from include.serving.prediction.online_features import FeatureReader, Features
from include.serving.prediction.request_types import Contract
from include.serving.prediction.unknown_entity import without_unknown
from include.serving.telemetry.counters import Metrics

AT = datetime.fromisoformat("2013-03-01T10:00:00")
WEATHER = View(name="weather", keys=("place",), features=(Feature(name="heat"),))
PLANE = View(name="plane", keys=("place",), features=(Feature(name="age"),), version="abc")


class Site:
    """A reader of one model's views, and what looks after them."""

    def __init__(self, spec: ModelSpec, folder: Path) -> None:
        features = spec.features.model_copy(update={"views": (WEATHER, PLANE)})
        self.spec = spec.model_copy(update={"features": features})
        self.store, self.metrics = SqliteOnlineStore(folder / "online.db"), Metrics()
        self.reader = FeatureReader(lambda: self.store)
        self.lost: list[str] = []
        self.looks = self.close_looks = 0
        self.views = (WEATHER, PLANE)
        deployment = Deployment(self.spec, Route(champion=1), 1)
        self.watch = LostViews(self.look, lambda *_: "rows", self.reader, self.metrics, lambda: {self.spec.name: deployment})
        self.source = self.reader.source(self.spec, self.views)

    def look(self, spec: ModelSpec, views: Sequence[View], published: object, closely: bool) -> list[str]:
        assert (spec.name, published) == ("toy", "rows")
        self.looks += 1
        self.close_looks += closely
        return [name for name in self.lost if name in {view.name for view in views}]

    def write(self, view: View, *places: str, **values: float) -> None:
        rows = [{"place": place, "event_timestamp": AT, **values} for place in places]
        self.store.write(self.spec.name, view, pa.Table.from_pylist(rows), AT)

    def ask(self, *places: str) -> list[Features]:
        decode = Contract(self.spec).decode
        items = [decode(b'{"entity": {"place": "%s"}, "features": {}}' % place.encode())[0][0] for place in places]
        answers: list[list[Features]] = []

        async def read() -> None:
            self.source.read(items, AT, answers.append)

        asyncio.run(read())
        return answers[0]

    def counted(self, name: str) -> dict[str, float]:
        return {labels[1]: values[0] for labels, values in self.metrics.series()[f"slipstream_entities_{name}_total"].items()}

    def empty(self) -> dict[str, float]:
        return {labels[1]: value for _, labels, value in self.watch.samples(self.spec)}


@pytest.fixture
def site(spec: ModelSpec, tmp_path: Path) -> Site:
    return Site(spec, tmp_path)


def test_answers_are_flagged_while_a_view_is_lost_and_not_for_an_unknown_entity(site: Site) -> None:
    site.write(WEATHER, "oslo", heat=1.0)
    site.watch.step()
    assert site.ask("oslo", "atlantis") == [({"heat": 1.0}, []), ({}, [])]
    site.lost = ["plane"]
    site.watch.step()
    assert site.ask("oslo", "atlantis") == [({"heat": 1.0}, ["empty_view:plane"]), ({}, ["empty_view:plane"])]
    assert (site.empty(), site.watch.names("toy")) == ({"weather": 0.0, "plane": 1.0}, ["plane"])
    site.lost = []
    site.watch.step()
    assert site.ask("oslo")[0][1] == []
    assert site.empty() == {"weather": 0.0, "plane": 0.0}


def test_an_entity_is_not_refused_as_unknown_by_a_store_that_has_lost_it(site: Site) -> None:
    job: Any = type("Job", (), {"items": [None], "batch": False, "fail": lambda self, error: pytest.fail(str(error))})()
    site.lost = ["weather", "plane"]
    site.watch.step()
    assert without_unknown([job], site.ask("oslo"))[0] == [job]


def test_the_share_of_entities_without_a_row_is_counted_by_view(site: Site) -> None:
    site.write(WEATHER, "oslo", "rome", heat=1.0)
    site.write(PLANE, "oslo", age=1.0)
    site.ask("oslo", "rome", "atlantis")
    site.ask("oslo")
    site.watch.step()
    assert (site.counted("asked"), site.counted("missing")) == ({"weather": 4, "plane": 4}, {"weather": 1, "plane": 2})
    site.watch.step()
    site.ask("rome")
    site.watch.step()
    assert (site.counted("asked"), site.counted("missing")) == ({"weather": 5, "plane": 5}, {"weather": 1, "plane": 3})


def test_what_cannot_be_checked_stays_as_it_was_and_is_reported(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.lost = ["plane"]
    site.watch.step()

    def away(*_: object) -> list[str]:
        raise UnreachableError("away")

    monkeypatch.setattr(site.watch, "_find_lost", away)
    site.watch.step()
    assert site.ask("oslo")[0][1] == ["empty_view:plane"]
    with pytest.raises(RuntimeError, match="away"):
        list(site.watch.samples(site.spec))


def test_rows_are_looked_for_seldom_unless_some_are_lost(site: Site) -> None:
    for _ in range(5):
        site.watch.step()
    assert (site.looks, site.close_looks) == (5, 1)
    site.watch._known.clear()  # its time is over
    site.lost = ["plane"]
    for _ in range(3):
        site.watch.step()
    assert site.close_looks == 4, "what only a close look sees is looked at closely until it is there again"
    site.lost = []
    for _ in range(3):
        site.watch.step()
    assert (site.looks, site.close_looks) == (11, 5)


def test_the_thread_looks_at_once_and_ends(site: Site) -> None:
    site.watch.start()
    wait_for(lambda: site.looks > 0)
    site.watch.stop()
    assert not site.watch._thread.is_alive()


def wait_for(check: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not check():
        assert time.monotonic() < until
        time.sleep(0.01)
