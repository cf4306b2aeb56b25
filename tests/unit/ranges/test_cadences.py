"""One model by the hour, by days of a zone and by weeks: taken in as a range, it learns what it learns by the day."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from include.core.control import ControlStore
from include.core.errors import DataError
from include.core.ledger import Ledger
from include.core.partition import Cadence, Partition
from include.core.request import Ref, Result
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.task import perform
from include.data.published import published
from include.data.raw import RawPartitions
from include.features.offline.late import Digests, late_days, made_of
from include.features.request import features_request, training_set_request
from include.ranges import take_in as take_in_module
from include.ranges.progress import Progress
from include.ranges.span import Span
from include.ranges.take_in import Range, take_in
from include.validation.request import verdict_request
from tests.unit.operators.models.shop.spec import SPEC as SHOP

HERE = "tests.unit.ranges.test_cadences"
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
CUSTOMERS, ORDERS = 12, 10  # orders of an hour


def views(part: Partition | date) -> dict[str, str]:
    """What a customer bought in an hour is known as the next one begins."""
    own = Partition.of(part)
    return {
        "customer": f"""
            SELECT customer, date_trunc('hour', ordered_at) + INTERVAL 1 HOUR AS event_timestamp,
                avg(price) AS mean_price, count(*)::DOUBLE AS bought
            FROM orders WHERE event_timestamp >= TIMESTAMP '{own.start}' AND event_timestamp < TIMESTAMP '{own.end}' GROUP BY ALL
        """
    }


def spec_of(every: timedelta, zone: str = "UTC", **data: Any) -> ModelSpec:
    given = {"sources": SHOP.data.sources, "first": date(2013, 1, 1), "lookback_days": 1, "every": every, "zone": zone, **data}
    return ModelSpec(**{**dict(SHOP), "data": given, "features": SHOP.features.model_copy(update={"build": f"{HERE}:views"})})


def rows_of(hour: datetime) -> dict[str, pa.Table]:
    """An hour's orders, and what came back of them, known as it ends."""
    chance = random.Random(f"{hour}")
    orders = {
        "id": [f"{hour:%Y%m%dT%H}-{n}" for n in range(ORDERS)],
        "customer": [f"customer-{chance.randrange(CUSTOMERS)}" for _ in range(ORDERS)],
        "ordered_at": [hour + timedelta(minutes=5 * n) for n in range(ORDERS)],
        "price": [float(chance.randrange(1, 80)) for _ in range(ORDERS)],
        "shelf": [chance.choice(["low", "high"]) for _ in range(ORDERS)],
        "currency": ["EUR"] * ORDERS,
    }
    back = {"id": orders["id"], "came_back": pa.array([n % 2 for n in range(ORDERS)], pa.int8()),
            "known_at": pa.array([hour + timedelta(minutes=59)] * ORDERS, pa.timestamp("us"))}  # fmt: skip
    return {"orders": pa.table(orders), "returns": pa.table(back)}


@dataclass
class Place:
    """A store of its own for one cadence."""

    spec: ModelSpec
    settings: Settings

    @classmethod
    def of(cls, home: Path, spec: ModelSpec) -> Place:
        home.mkdir(exist_ok=True)
        place = cls(spec, Settings.from_env({"SLIPSTREAM_HOME": str(home)}))
        place.control.create_tables()
        return place

    @property
    def control(self) -> ControlStore:
        return ControlStore(self.settings.control_url)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.settings.storage())

    @property
    def cadence(self) -> Cadence:
        return self.spec.data.cadence

    def land(self, part: Partition) -> None:
        raw, hours = RawPartitions.of(self.ledger.storage, self.spec), int(part.length / HOUR)
        tables = [rows_of(part.start + n * HOUR) for n in range(hours)]
        for source in self.spec.data.sources:
            buffer = io.BytesIO()
            pq.write_table(pa.concat_tables([table[source] for table in tables]), buffer)
            raw.storage.write(raw.path(source, part), buffer.getvalue())

    def take_in(self, first: str, last: str) -> Progress:
        span = Span.of(first, last, self.cadence)
        return take_in(Range(self.spec, span, self.ledger, self.control, self.settings, no_store, run="a range", holder="a test",
                             workers=0, say=quiet, warn=quiet))  # fmt: skip

    def training_set(self, as_of: str, days: int) -> Result:
        asked = training_set_request(self.spec, datetime.fromisoformat(as_of), self.control, window_days=days)
        self.ledger.record(asked)
        return perform(asked, self.ledger.open_attempt(asked.key, 0), self.ledger, self.settings)


def no_store() -> None:
    """Nothing is brought online here."""


def quiet(words: str) -> None:
    del words


@pytest.fixture(autouse=True)
def nothing_online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take_in_module, "bring_online", lambda *_: [])


def digests(result: Result) -> dict[str, str]:
    return {name: file.digest for name, file in result.files.items()}


@pytest.mark.parametrize("days", [2, pytest.param(5, marks=pytest.mark.thorough)])
def test_days_by_the_hour_are_the_training_set_of_the_days(tmp_path: Path, days: int) -> None:
    last, made = date(2013, 1, days), {}
    for every in (DAY, HOUR):
        place = Place.of(tmp_path / str(every.total_seconds()), spec_of(every))
        for part in place.cadence.within_days(date(2013, 1, 1), last):
            place.land(part)
        done = place.take_in("2013-01-01", str(last))
        assert (done.made, done.failed) == (days * DAY // every, {})
        made[every] = place.training_set(str(last + DAY), days)
    assert made[HOUR].value["rows"] == days * 24 * ORDERS
    assert digests(made[HOUR]) == digests(made[DAY])
    newest = place.ledger.resolve(published(place.control, "shop", last, last).popitem()[1])
    assert (newest.value["day"], newest.value["start"], newest.value["end"]) == (
        f"{last}T23:00", f"{last}T23:00:00", f"{last + DAY}T00:00:00",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("days", "hours"), [(("2013-03-30", "2013-04-01"), [24, 23, 24]), (("2013-10-26", "2013-10-28"), [24, 25, 24])]
)
def test_days_of_a_zone_have_23_or_25_hours_and_lose_no_row(tmp_path: Path, days: tuple[str, str], hours: list[int]) -> None:
    place = Place.of(tmp_path, spec_of(DAY, "Europe/Berlin"))
    parts = place.cadence.between(*map(place.cadence.parse, days))
    for part in parts:
        place.land(part)
    assert place.take_in(*days).made == 3
    refs = published(place.control, "shop", parts[0], parts[-1]).values()
    rows = [place.ledger.resolve(ref).value["rows"]["entities"] for ref in refs]
    assert rows == [each * ORDERS for each in hours]
    made = place.training_set(parts[-1].end.isoformat(), 3)
    tables = [pq.read_table(io.BytesIO(place.ledger.storage.read(file.path))) for file in made.files.values()]
    ids = pc.unique(pa.chunked_array([chunk for table in tables for chunk in table["request_id"].chunks]))
    begins = parts[-1].end - timedelta(days=3)  # the window is 72 hours
    assert len(ids) == sum(hours[each] for each in (0, 1, 2)) * ORDERS - max(0, int((begins - parts[0].start) / HOUR)) * ORDERS


def test_a_week_is_one_partition(tmp_path: Path) -> None:
    place = Place.of(tmp_path, spec_of(WEEK))
    week = place.cadence.parse("2013-W02")
    place.land(week)
    assert place.take_in("2013-W02", "2013-W02").made == 1
    assert place.training_set("2013-01-14", 7).value["rows"] == 7 * 24 * ORDERS
    with pytest.raises(DataError, match="No day is published in the 3 days before"):
        place.training_set("2013-01-12", 3)  # a week that is not over by then is not known


def test_another_cadence_over_published_partitions_is_refused(tmp_path: Path) -> None:
    place = Place.of(tmp_path, spec_of(DAY))
    place.land(place.cadence.parse("2013-01-01"))
    assert place.take_in("2013-01-01", "2013-01-01").made == 1
    changed = Place(spec_of(6 * HOUR), place.settings)
    changed.land(changed.cadence.parse("2013-01-01T06:00"))
    with pytest.raises(DataError, match="could not be taken in") as refused:
        changed.take_in("2013-01-01T06:00", "2013-01-01T06:00")
    assert "overlaps 2013-01-01, which is published" in str(refused.value.seen)
    assert [str(each) for each in published(place.control, "shop", date.min, date.max)] == ["2013-01-01"]


def test_what_names_no_partition_or_one_to_come_is_refused(tmp_path: Path) -> None:
    place = Place.of(tmp_path, spec_of(HOUR))
    place.land(place.cadence.parse("2013-01-01T06:00"))
    with pytest.raises(DataError, match=r"(?s)neighbours are 2013-01-01T06:00 and 2013-01-01T07:00"):
        place.take_in("2013-01-01T06:10", "2013-01-01T08:00")
    with pytest.raises(DataError, match="lies in the future"):
        place.take_in("2013-01-01T06:00", "2113-01-01T08:00")


def test_an_hour_that_lands_late_makes_those_of_its_look_back_late(tmp_path: Path) -> None:
    place = Place.of(tmp_path, spec_of(HOUR))
    hours = place.cadence.between(*map(place.cadence.parse, ("2013-01-01T04:00", "2013-01-01T07:00")))
    for hour in (hours[0], hours[2], hours[3]):
        place.land(hour)
    with pytest.raises(DataError, match=r"1 of 4 days.*2013-01-01T05:00"):
        place.take_in(str(hours[0]), str(hours[-1]))
    place.land(hours[1])
    refs = published(place.control, "shop", hours[0], hours[-1])
    raw = RawPartitions.of(place.ledger.storage, place.spec)
    late = late_days(raw, place.spec.data, made_of(place.ledger, refs, {}), Digests(trust_times=False))
    assert {str(each.day): each.words for each in late} == dict.fromkeys(
        map(str, hours[2:]), "orders of 2013-01-01T05:00 landed; returns of 2013-01-01T05:00 landed since it was made"
    )


def test_the_requests_of_a_day_say_nothing_of_a_cadence_and_those_of_others_all_of_it(tmp_path: Path) -> None:
    said = {}
    for spec in (spec_of(DAY), spec_of(HOUR), spec_of(DAY, "Europe/Berlin")):
        place = Place.of(tmp_path / spec.data.cadence.words.replace("/", "-"), spec)
        part = spec.data.earliest
        place.land(part)
        storage = place.ledger.storage
        asked, verdict = features_request(spec, part, storage, Ref("", "", "validate")), verdict_request(spec, part, storage)
        assert {name: asked.params.get(name) for name in ("day", "start", "end")} == {
            name: verdict.params.get(name) for name in ("day", "start", "end")
        }
        said[spec.data.cadence.words] = {name: asked.params.get(name) for name in ("day", "start", "end", "every", "zone")}
        assert ("every" in str(asked.params["features"])) == (spec.data.every != DAY)
    assert said["day"] == {"day": "2013-01-01", "start": None, "end": None, "every": None, "zone": None}
    assert said["hour"] == {
        "day": "2013-01-01T00:00", "start": "2013-01-01T00:00:00", "end": "2013-01-01T01:00:00", "every": 3600.0, "zone": "UTC",
    }  # fmt: skip
    assert (said["day in Europe/Berlin"]["start"], said["day in Europe/Berlin"]["zone"]) == (
        "2012-12-31T23:00:00",
        "Europe/Berlin",
    )
