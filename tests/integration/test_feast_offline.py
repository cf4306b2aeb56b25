"""get_historical_features through feature_store.yaml: any Parquet, frames and SQL, aliases, mappings, bad input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.errors import DataError
from tests.support.later import Later
from tests.support.s3_server import moto_server

feast, feast_types, feast_errors = Later("feast"), Later("feast.types"), Later("feast.errors")
feast_files = Later("feast.infra.offline_stores.file_source")
feast_on_demand = Later("feast.on_demand_feature_view")

YAML = """
project: shop
provider: local
registry: {folder}/registry.db
entity_key_serialization_version: 3
online_store: {{type: sqlite, path: {folder}/online.db}}
offline_store:
    type: include.backends.feast.offline.SlipstreamOfflineStore
    batch_rows: 3
"""
DAY = pd.Timestamp("2013-01-01", tz="UTC")
HOUR = pd.Timedelta(hours=1)


def write(path: Path, **columns: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_parquet(path, index=False)
    return str(path)


@pytest.fixture
def orders(tmp_path: Path) -> str:
    """ann: events at 1, 2, 2 (corrected) and 3 o'clock, the last arrives at 9; bob: at 5. Times in Tokyo."""
    events = [DAY + n * HOUR for n in (1, 2, 2, 3, 5)]
    return write(
        tmp_path / "orders" / "2013-01.parquet",
        customer_id=["ann", "ann", "ann", "ann", "bob"],
        at=pd.DatetimeIndex(events).tz_convert("Asia/Tokyo"),
        seen=pd.DatetimeIndex([*events[:2], DAY + 4 * HOUR, DAY + 9 * HOUR, events[4]]).tz_convert("Asia/Tokyo"),
        n=[1, 2, 22, 3, 5],
        mean=[1.0, 2.0, 22.0, 3.0, np.inf],
    )


def customer() -> Any:
    return feast.Entity(name="customer", join_keys=["customer"], value_type=feast.ValueType.STRING)


def view_of(path: str, **changes: Any) -> Any:
    source = feast.FileSource(
        name="orders",
        path=path,
        timestamp_field="at",
        created_timestamp_column="seen",
        field_mapping={"customer_id": "customer", "n": "orders"},
    )
    schema = [
        feast.Field(name="customer", dtype=feast_types.String),
        feast.Field(name="orders", dtype=feast_types.Int64),
        feast.Field(name="mean", dtype=feast_types.Float64),
    ]
    return feast.FeatureView(
        **{"name": "orders", "entities": [customer()], "schema": schema, "ttl": timedelta(hours=6), "source": source, **changes}
    )


def open_store(folder: Path, *definitions: Any) -> Any:
    (folder / "feature_store.yaml").write_text(YAML.format(folder=folder))
    store = feast.FeatureStore(repo_path=str(folder))
    store.apply([customer(), *definitions])
    return store


def asked(*pairs: tuple[str | None, float], **more: Any) -> pd.DataFrame:
    customers, hours = zip(*pairs, strict=True)
    return pd.DataFrame({"customer": customers, "event_timestamp": [DAY + hour * HOUR for hour in hours], **more})


def answers(store: Any, frame: Any, features: Any = ("orders:orders",)) -> list[Any]:
    wanted = features if isinstance(features, feast.FeatureService) else list(features)
    table = store.get_historical_features(entity_df=frame, features=wanted).to_arrow()
    return table.column(table.column_names[-1]).to_pylist()


@pytest.fixture(params=["in memory", "batch by batch", "in SQL"])
def store(tmp_path: Path, orders: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param != "in memory":  # as where all views' rows do not fit in it: of the five rows there four do, or none
        monkeypatch.setattr("include.backends.feast.lookup.VIEW_ROWS", 4 if request.param == "batch by batch" else 0)
    return open_store(tmp_path, view_of(str(Path(orders).parent)))


def test_what_was_known_then_in_the_order_asked(store: Any) -> None:
    pairs = [
        ("bob", 5),
        ("ann", 10),
        ("ann", 2),
        ("ann", 3.5),
        ("ann", 4),
        ("ann", 9),
        ("ann", 9.1),
        ("bob", 4),
        ("ann", 0.5),
        ("ann", 2),
    ]
    assert answers(store, asked(*pairs)) == [5, None, 2, 2, 22, 3, None, None, None, 2]
    frame = asked(*pairs, colour=list("abcdefghij"), customer_id=range(10))
    found = store.get_historical_features(entity_df=frame, features=["orders:orders"]).to_df()
    pd.testing.assert_frame_equal(found[list(frame.columns)], frame)


def test_feasts_own_flag_is_accepted_and_changes_nothing(store: Any) -> None:
    job = store.get_historical_features(asked(("ann", 3.5)), ["orders:orders"], filter_by_created_timestamp=True)
    assert job.to_df()["orders"].tolist() == [2]


def test_duplicate_entity_rows_and_null_keys_come_back_each(store: Any) -> None:
    assert answers(store, asked(("ann", 4), ("ann", 4), (None, 4), ("ann", 4))) == [22, 22, None, 22]


def test_times_without_zone_are_utc_and_any_zone_is_that_moment(store: Any) -> None:
    frame = asked(("ann", 4))
    for times in (
        pd.DatetimeIndex(["2013-01-01 04:00"]),
        pd.DatetimeIndex(["2013-01-01 09:45"]).tz_localize("Asia/Kathmandu"),
        ["2013-01-01T04:00:00"],
        ["2012-12-31T23:00:00-05:00"],
    ):
        assert answers(store, frame.assign(event_timestamp=times)) == [22]


def test_infinite_values_are_the_users_own(store: Any) -> None:
    assert answers(store, asked(("bob", 6)), ["orders:mean"]) == [np.inf]


def test_several_views_services_aliases_and_full_names(tmp_path: Path, orders: str) -> None:
    grades = write(tmp_path / "grades.parquet", customer=["ann", "bob"], at=[DAY, DAY + 2 * HOUR], grade=["a", "b"])
    source = feast.FileSource(name="grades", path=grades, timestamp_field="at")
    graded = feast.FeatureView(
        name="grades",
        entities=[customer()],
        schema=[feast.Field(name="customer", dtype=feast_types.String), feast.Field(name="grade", dtype=feast_types.String)],
        source=source,
    )
    view = view_of(orders)
    friend = view.with_name("friends").with_join_key_map({"customer": "friend"})
    service = feast.FeatureService(name="all", features=[view.with_name("own"), graded, friend[["orders"]]])
    store = open_store(tmp_path, view, graded, service)
    frame = asked(("ann", 4), ("bob", 1), friend=["bob", "ann"])
    job = store.get_historical_features(frame, service, full_feature_names=True)
    assert job.to_arrow().drop_columns(["customer", "event_timestamp"]).to_pylist() == [
        {"friend": "bob", "own__orders": 22, "own__mean": 22.0, "grades__grade": "a", "friends__orders": None},
        {"friend": "ann", "own__orders": None, "own__mean": None, "grades__grade": None, "friends__orders": 1},
    ]


def test_on_demand_features_are_computed_in_every_form(tmp_path: Path, orders: str) -> None:
    view = view_of(orders)
    request = feast.RequestSource(name="request", schema=[feast.Field(name="price", dtype=feast_types.Float64)])

    @feast_on_demand.on_demand_feature_view(
        sources=[view, request], schema=[feast.Field(name="times", dtype=feast_types.Float64)], mode="pandas"
    )
    def times(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"times": inputs["orders"] * inputs["price"]})

    store = open_store(tmp_path, view, times)
    frame = asked(*[("ann", 1 + n) for n in range(5)], price=[2.0] * 5)
    job = store.get_historical_features(frame, ["orders:orders", "times:times"])
    wanted = [2.0, 4.0, 4.0, 44.0, 44.0]
    assert job.to_df()["times"].tolist() == wanted
    assert pa.concat_tables(job.batches())["times"].to_pylist() == wanted
    job.persist(feast_files.SavedDatasetFileStorage(path=str(tmp_path / "saved.parquet")))
    assert pq.read_table(tmp_path / "saved.parquet")["times"].to_pylist() == wanted


def test_sql_streams_to_a_file_or_a_folder_whole_or_not_at_all(tmp_path: Path, store: Any) -> None:
    entities = write(tmp_path / "asked.parquet", **asked(*[("ann", n / 2) for n in range(20)]).to_dict("series"))
    job = store.get_historical_features(f"SELECT * FROM '{entities}' ORDER BY random()", ["orders:orders"])
    frame = store.get_historical_features(pd.read_parquet(entities), ["orders:orders"]).to_df()
    for path in (tmp_path / "saved.parquet", tmp_path / "saved"):
        storage = feast_files.SavedDatasetFileStorage(path=str(path))
        job.persist(storage)
        saved = pd.read_parquet(path).sort_values("event_timestamp", ignore_index=True)
        pd.testing.assert_series_equal(saved["orders"], frame["orders"])
        assert str(saved["event_timestamp"].dt.tz) == "UTC"
        with pytest.raises(feast_errors.SavedDatasetLocationAlreadyExists):
            job.persist(storage)
        job.persist(storage, allow_overwrite=True)
        assert len(pd.read_parquet(path)) == 20
    assert len(list((tmp_path / "saved").iterdir())) > 2, "a part for each batch"
    assert not list(tmp_path.glob(".tmp-*"))


def test_no_rows_asked_give_no_rows_with_all_columns(store: Any) -> None:
    table = store.get_historical_features(asked(("ann", 1)).iloc[:0], ["orders:orders"]).to_arrow()
    assert (table.num_rows, table.column_names) == (0, ["customer", "event_timestamp", "orders"])
    assert answers(store, asked((None, 1), (None, 9))) == [None, None]


def test_an_empty_view_leaves_every_row_with_nulls(tmp_path: Path, orders: str) -> None:
    pq.write_table(pq.read_table(orders).slice(0, 0), orders)
    assert answers(open_store(tmp_path, view_of(orders)), asked(("ann", 4), ("bob", 6))) == [None, None]


def test_reordered_columns_and_integers_of_other_widths_are_the_same_columns(tmp_path: Path, orders: str) -> None:
    table = pq.read_table(orders)
    table = table.set_column(table.column_names.index("n"), "n", table["n"].cast(pa.int32()))
    pq.write_table(table.slice(0, 2).select(table.column_names[::-1]), Path(orders).parent / "a.parquet")
    pq.write_table(pq.read_table(orders).slice(2), orders)
    assert answers(open_store(tmp_path, view_of(str(Path(orders).parent))), asked(("ann", 2), ("ann", 4))) == [2, 22]


def changed(orders: str, change: Callable[[pa.Table], pa.Table]) -> str:
    """A second file of the view, whose columns are others."""
    pq.write_table(change(pq.read_table(orders)), Path(orders).parent / "b.parquet")
    return str(Path(orders).parent)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda table: table.rename_columns(["customer_id", "at", "seen", "count", "mean"]),
            "column 'n' is missing in 1 of 2 files",
        ),
        (lambda table: table.drop_columns("seen"), "column 'seen' is missing in 1 of 2 files"),
        (lambda table: table.set_column(3, "n", table["n"].cast(pa.string())), "'n' is VARCHAR, expected a number"),
        (lambda table: table.set_column(1, "at", table["at"].cast(pa.string())), "'at' is VARCHAR, expected a time"),
    ],
)
def test_a_file_of_other_columns_is_refused_by_name(tmp_path: Path, orders: str, change: Any, said: str) -> None:
    store = open_store(tmp_path, view_of(orders))
    changed(orders, change)
    store.apply([view_of(str(Path(orders).parent))])
    with pytest.raises(DataError, match=f"(?s){said}"):
        answers(store, asked(("ann", 4)))


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (asked(("ann", 1)).drop(columns="customer"), "have no column .'customer'., a key of view 'orders'"),
        (asked(("ann", 1), orders=[1]), "already have a column .'orders'."),
        (asked(("ann", 1)).assign(customer=7), "Key 'customer' is BIGINT in the entity rows and VARCHAR in view 'orders'"),
        (asked(("ann", 1), ("bob", np.nan)), "1 entity rows have no time"),
        (asked(("ann", 1)).assign(event_timestamp="yesterday"), "The entity rows cannot be read"),
        ("SELECT 1 AS customer", "no column event_timestamp"),
        ("SELEKT", "The SQL of the entity rows cannot run"),
    ],
)
def test_entity_rows_that_cannot_be_joined_are_refused(store: Any, frame: Any, said: str) -> None:
    with pytest.raises(DataError, match=f"(?s){said}"):
        answers(store, frame)


def test_a_path_without_files_is_named(tmp_path: Path, orders: str) -> None:
    store = open_store(tmp_path, view_of(orders))
    Path(orders).unlink()
    with pytest.raises(DataError, match="There is no Parquet file at"):
        answers(store, asked(("ann", 1)))


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The endpoint of an S3 server of this test's own, with a bucket `lake`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with moto_server() as address:
        boto3.client("s3", endpoint_url=address).create_bucket(Bucket="lake")
        yield address


def test_a_view_on_s3_and_a_data_set_saved_there(tmp_path: Path, orders: str, bucket: str) -> None:
    client = boto3.client("s3", endpoint_url=bucket)
    client.upload_file(orders, "lake", "orders/year=2013/part.parquet")
    view = view_of("s3://lake/orders")
    view.batch_source.file_options.s3_endpoint_override = bucket
    store = open_store(tmp_path, view)
    assert answers(store, asked(("ann", 4), ("bob", 5))) == [22, 5]
    storage = feast_files.SavedDatasetFileStorage(path="s3://lake/saved.parquet", s3_endpoint_override=bucket)
    job = store.get_historical_features(asked(("ann", 4), ("bob", 5)), ["orders:orders"])
    job.persist(storage)
    client.download_file("lake", "saved.parquet", str(tmp_path / "saved.parquet"))
    assert pq.read_table(tmp_path / "saved.parquet")["orders"].to_pylist() == [22, 5]
    with pytest.raises(feast_errors.SavedDatasetLocationAlreadyExists):
        job.persist(storage)
