"""The port of the online store is all that the gateway needs: a store that has what it says, and nothing more, serves.

`tests/contract/test_online_store.py` says what each call does; here a store is handed to whoever uses it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from include.backends.sqlite.online_store import SqliteOnlineStore
from include.core.partition import Partition
from include.core.spec import Data, Feature, Features, ModelSpec, Training, View
from include.features.online.freshness import freshness
from include.features.online.materialize import materialize_view
from include.features.online.presence import Published, empty_views
from include.features.online.pushed import LoggedWriter
from include.online_store.store import OnlineStore, RowFetcher, RowWriter
from include.serving.prediction.online_features import FeatureReader
from include.serving.prediction.online_features import Features as Read
from include.serving.prediction.request_types import Contract
from tests.support.memory_store import MemoryStore

AT = datetime.fromisoformat("2026-01-02T12:00:00")
WEATHER = View(name="weather", keys=("place",), features=(Feature(name="heat"),), ttl=timedelta(days=3))
CROWD = View(name="crowd", keys=("place", "hour"), features=(Feature(name="people", dtype="int"),))
SPEC = ModelSpec(
    name="toy", owner="tests", description="a toy", label="late",
    data=Data(sources=("things",), first=date(2020, 1, 1)),
    features=Features(build="x:a", entities="x:b", labels="x:c", views=(WEATHER, CROWD), request=()),
    expectations="x:d", training=Training(fit="x:e"),
)  # fmt: skip


def weather(**heat: float) -> pa.Table:
    times = pa.array([AT] * len(heat), pa.timestamp("us"))
    return pa.table({"place": [*heat], "event_timestamp": times, "heat": [*heat.values()]})


def port_alone(store: OnlineStore) -> OnlineStore:
    """What the port says of a store, and nothing else of it."""
    said = [name for each in (RowWriter, OnlineStore) for name in vars(each) if not name.startswith("_")]
    bare: Any = SimpleNamespace(**{name: getattr(store, name) for name in said})
    return bare  # type: ignore[no-any-return]


class Slow:
    """A memory store that answers the event loop later, as one behind a network does."""

    def __init__(self) -> None:
        self.store = MemoryStore()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def rows(self, loop: asyncio.AbstractEventLoop) -> RowFetcher:
        def fetch(keys: Sequence[str], done: Callable[[Any], None]) -> None:
            loop.call_later(0.001, lambda: done(self.store.fetch(keys)))

        fetcher: Any = SimpleNamespace(fetch=fetch, close=lambda: None)
        return fetcher  # type: ignore[no-any-return]


@pytest.fixture(params=["memory", "slow memory", "sqlite by its port alone"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> OnlineStore:
    made: Any = {
        "memory": MemoryStore,
        "slow memory": Slow,
        "sqlite by its port alone": lambda: port_alone(SqliteOnlineStore(tmp_path / "online.db")),
    }[request.param]()
    return made  # type: ignore[no-any-return]


def ask(reader: FeatureReader, *places: str, at: datetime = AT) -> list[Read]:
    """What the gateway reads for requests of these places."""
    bodies = [f'{{"entity": {{"place": "{place}", "hour": 7}}}}'.encode() for place in places]
    items = [item for body in bodies for item in Contract(SPEC).decode(body)[0]]

    async def answered() -> list[Read]:
        found: asyncio.Future[list[Read]] = asyncio.get_running_loop().create_future()
        reader.source(SPEC, SPEC.features.views).read(items, at, found.set_result)
        return await asyncio.wait_for(found, 5)

    return asyncio.run(answered())


def test_the_gateway_serves_from_a_store_that_has_the_port_and_nothing_more(store: OnlineStore) -> None:
    store.write("toy", WEATHER, weather(oslo=0.5, rome=0.75), AT)
    store.write("toy", CROWD, pa.table({"place": ["rome"], "hour": [7], "event_timestamp": pa.array([AT], pa.timestamp("us")),
                                        "people": [12]}), AT)  # fmt: skip
    found = ask(FeatureReader(lambda: store), "oslo", "rome", "nowhere")
    assert found == [({"heat": 0.5}, []), ({"heat": 0.75, "people": 12}, []), ({}, [])]
    late = ask(FeatureReader(lambda: store), "rome", at=AT + timedelta(days=4))
    assert late == [({"people": 12}, [])]


def test_rows_pushed_through_the_gateway_are_read_by_it_and_go_through_its_writer(store: OnlineStore) -> None:
    seen: list[str] = []

    class Told:
        def write(self, model: str, view: View, rows: pa.Table, created: datetime) -> int:
            seen.append(view.name)
            return store.write(model, view, rows, created)

    reader = FeatureReader(lambda: store, writer=lambda _: Told())
    assert reader.write("toy", WEATHER, weather(oslo=0.25), AT) == 1
    assert (ask(reader, "oslo"), seen) == ([({"heat": 0.25}, [])], ["weather"])


def test_a_writer_that_keeps_pushed_rows_conforms(store: OnlineStore, tmp_path: Path) -> None:
    from include.core.storage import LocalStorage

    writer: RowWriter = LoggedWriter(store, LocalStorage(tmp_path / "kept"))
    assert writer.write("toy", WEATHER.model_copy(update={"pushed": True}), weather(oslo=0.25), AT) == 1
    assert store.read("toy", WEATHER, [("oslo",)]) == [{"heat": 0.25}]
    assert len([*(tmp_path / "kept").rglob("*.parquet")]) == 1


def test_materializing_and_the_looks_of_the_gateway_need_no_more_either(store: OnlineStore) -> None:
    report = materialize_view(store, "toy", WEATHER, weather(oslo=0.5, rome=0.75), AT)
    assert (report.entities, report.written, report.compared) == (2, 2, 2)
    published = Published(
        {Partition.of_day(AT.date()): {"weather": 2, "crowd": 1}}, {str(AT.date()): datetime.now(UTC).replace(tzinfo=None)}
    )
    assert empty_views(store, SPEC, (WEATHER, CROWD), published) == ["crowd"]
    assert [each.newest for each in freshness(store, SPEC, AT)] == [AT, None]
