"""Names of an author's own: every word of our SQL is tried as each kind of name; it is refused, or it holds its own values."""

from __future__ import annotations

import ast
import json
import keyword
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from include.core.errors import DataError, SpecError
from include.core.names import COLUMNS, DATASETS, SCHEMAS
from include.core.settings import Settings
from include.core.spec import Feature, Features, ModelSpec, Serving, View
from include.data.session import open_session
from include.data.window import Window, moment
from include.features.offline.dataset import Dataset, check
from include.features.offline.sources import open_sources
from include.features.skew.comparison import compare
from include.features.skew_step import served_table
from include.monitoring.collect_step import _columns, _counts, _labels
from include.prediction_log.sql_view import open_log, select
from include.problems.of import of_spec
from include.serving.prediction.request_types import Contract
from tests.support.effort import effort
from tests.support.shop import FIRST, SPEC, Shop

HERE = "tests.unit.features.test_authored_names"
ROOT = Path(__file__).parents[3]
OUR_SQL = [
    *(ROOT / "include/features").rglob("*.py"),
    *(ROOT / "include/model_contract").glob("*.py"),
    ROOT / "include/monitoring/collect_step.py",
    ROOT / "include/prediction_log/reader.py",
    ROOT / "include/scoring/rows.py",
]
SQL: dict[str, Any] = {}


def words(*paths: Path) -> list[str]:
    """Whatever could be a name in the string literals of some modules, and what Python would stumble over."""
    found = set(keyword.kwlist)
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        texts = [text for text in texts if not re.match(r"[A-Z`]?[a-z].*\.$|[A-Z][a-z]", text, re.DOTALL)]  # prose
        found.update(*(re.findall(r"\b[a-z][a-z0-9_]*\b", text) for text in texts if re.search(r"[A-Z]{4}|^[a-z_]+$", text)))
    return sorted(name for name in found if re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name))


WORDS = words(*OUR_SQL)
FREE = [name for name in WORDS if name not in COLUMNS and name not in ("customer", "price", "came_back")]


def views(day: date) -> dict[str, str]:
    inside = f"event_timestamp::DATE = DATE '{day}'"
    return {name: f"SELECT * FROM ({sql}) WHERE {inside}" for name, sql in SQL["views"].items()}


def entities() -> str:
    return str(SQL["entities"])


def labels() -> str:
    return str(SQL["labels"])


BASE = "SELECT customer, ordered_at AS event_timestamp{} FROM orders WHERE customer IS NOT NULL GROUP BY ALL"
ASKED = "SELECT id AS request_id, ordered_at AS event_timestamp, customer{} FROM orders"
KNOWN = "SELECT id AS request_id, came_back::INT AS {}, known_at AS label_timestamp FROM returns"


def made(views: tuple[View, ...], request: tuple[Feature, ...] = (), label: str = "came_back", **changes: Any) -> ModelSpec:
    """The spec; every feature's SQL is its place among the inputs."""
    features = Features(build=f"{HERE}:views", entities=f"{HERE}:entities", labels=f"{HERE}:labels", views=views, request=request)
    numbers = {feature.name: float(place) for place, feature in enumerate(features.inputs)}
    told = {f.name: f', {numbers[f.name]}::DOUBLE AS "{f.name}"' for f in features.inputs}
    SQL["views"] = {}
    for view in views:
        created = f', ordered_at AS "{view.created}"' if view.created else ""
        keys = "".join(f', customer AS "{key}"' for key in view.keys if key != "customer")
        base = BASE if "customer" in view.keys else BASE.replace("SELECT customer, ", "SELECT ")
        SQL["views"][view.name] = base.format(created + keys + "".join(told[f.name] for f in view.features))
    keys = "".join(f', customer AS "{key}"' for key in features.keys if key != "customer")
    SQL["entities"] = ASKED.format(keys + "".join(told[f.name] for f in request))
    SQL["labels"] = KNOWN.format(f'"{label}"')
    given = {name: getattr(SPEC, name) for name in ("name", "owner", "description", "data", "expectations", "training")}
    return ModelSpec(**{**given, "label": label, "features": features, **changes})


def view(*names: str, **changes: Any) -> View:
    features = tuple(Feature(name=name) for name in names)
    return View(**{"name": "v", "keys": ("customer",), "features": features, **changes})


def training_set(shop: Shop, spec: ModelSpec) -> pa.Table:
    days = [FIRST + timedelta(days=n) for n in range(7)]
    refs = {day.isoformat(): shop.ledger.ref(shop.features(day, spec.features)) for day in days}
    section = spec.features.model_dump(mode="json")
    return shop.read(shop.training_set(refs, features=section, label=spec.label), "train")


def check_life(shop: Shop, spec: ModelSpec) -> None:
    """Training set, request bodies, and the log as collect reads it: every column holds its own values."""
    table = training_set(shop, spec)
    inputs = [feature.name for feature in spec.features.inputs]
    assert sorted(table.column_names) == sorted(["request_id", "event_timestamp", *spec.features.keys, *inputs, spec.label])
    for place, name in enumerate(inputs):
        values = pc.drop_null(pc.if_else(pc.is_nan(table[name]), None, table[name])).to_pylist()  # at first nothing is known
        assert set(values) == {float(place)}, name
        assert len(values) > table.num_rows // 4, name
    assert set(table[spec.label].to_pylist()) == {0, 1}
    for key in spec.features.keys:
        assert {"ann", "bob", "cleo"} <= set(table[key].to_pylist()), key
    Contract(spec)
    _check_log(shop.settings, spec)


def _check_log(settings: Settings, spec: ModelSpec) -> None:
    folder = Path(settings.home, "log")
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {feature.name: float(place) for place, feature in enumerate(spec.features.inputs)}
    record = {"kind": "prediction", "id": "r", "at": "2013-01-01T00:00:01Z", "event_time": "2013-01-01T00:00:00Z", "version": 1}
    answer = {"arm": "champion", "score": 0.25, "degraded": [], "features": numbers}
    (folder / "a.jsonl").write_text(json.dumps({**record, **answer}) + "\n")
    known = {"request_id": ["r"], spec.label: pa.array([1], pa.int8()), "label_timestamp": [moment("2013-01-01T01:00")]}
    pq.write_table(pa.table(known), folder / "labels.parquet")
    window = Window(moment("2013-01-01"), moment("2013-01-02"))
    with open_log([folder / "a.jsonl"], spec.features.inputs, window) as connection:
        assert select(connection, spec.features.inputs).records == 1
        _labels(connection, [str(folder / "labels.parquet")], window, of_spec(spec), [])
        query = f"SELECT {_columns([*numbers], {})} FROM log LEFT JOIN labels USING (request_id) WHERE turn = 1"
        (row,) = connection.sql(query).to_arrow_table().to_pylist()
        assert _counts(connection, window, set(numbers))["labelled"] == 1
    assert {name: row[name] for name in numbers} == numbers
    assert (row["score"], row["version"], row["arm"], row["label"]) == (0.25, 1, "champion", 1.0)


@pytest.mark.thorough
def test_a_views_features_may_have_any_other_name(week: Shop) -> None:
    check_life(week, made((view(*FREE, created="seen_at"),)))


@pytest.mark.thorough
def test_a_requests_features_may_have_any_other_name(week: Shop) -> None:
    check_life(week, made((view("mean_price"),), tuple(Feature(name=name) for name in FREE)))


@pytest.mark.thorough
def test_keys_may_have_any_other_name(week: Shop) -> None:
    keys = ("customer", *FREE[::9])
    check_life(week, made((view("mean_price", keys=keys),)))


@pytest.mark.thorough
def test_views_and_arrival_times_may_have_any_other_name(week: Shop) -> None:
    names = [name for name in FREE if name not in DATASETS][::14]
    each = [view(f"x_{n}", name=name, created=name) for n, name in enumerate(names)]
    check_life(week, made(tuple(each)))


@pytest.mark.thorough
def test_labels_may_have_any_other_name(week: Shop) -> None:
    used = set(words(ROOT / "include/features/training_set_step.py", ROOT / "include/monitoring/collect_step.py")) & set(FREE)
    for label in [*sorted(used)[:: effort(40, 8)], "label", "rows", "positives", "known", "arrived", "select"]:
        check_life(week, made((view("mean_price", description=label),), label=label))


def test_sources_may_have_any_other_name(week: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = [name for name in dict.fromkeys([*WORDS[::6], "order", "user", "select", "range", "result"]) if name not in SCHEMAS]
    made((view("mean_price"),), data=SPEC.data.model_copy(update={"sources": tuple(names)}))
    monkeypatch.setitem(SQL, "views", {})
    for place, name in enumerate(names):
        week.land(name, FIRST, pa.table({"id": [place]}))
    partitions = {name: week.raw.digests(name, FIRST, FIRST) for name in names}
    with open_sources(week.raw, partitions, FIRST, SPEC.expectations, tmp_path / "raw") as connection:
        for schema in ("main", "today"):
            connection.execute(f"USE memory.{schema}")
            for place, name in reversed([*enumerate(names)]):
                found = Dataset("d", {"id": "BIGINT", "event_timestamp": "TIMESTAMP"}, ("id",), "event_timestamp")
                check(connection, found, f"SELECT id, TIMESTAMP '2013-01-01' AS event_timestamp FROM \"{name}\"", FIRST)
                assert connection.execute("SELECT id FROM temp._result").fetchall() == [(place,)], name


@pytest.mark.parametrize("which", ["view", "request"])
def test_skew_is_reported_of_no_feature_for_its_name(week: Shop, which: str) -> None:
    names = [*FREE[::5], "reason", "moment", "served", "offline", "differs", "distance"]
    wanted = tuple(Feature(name=name) for name in dict.fromkeys(names))
    spec = made((view(*dict.fromkeys(names)),)) if which == "view" else made((view("mean_price"),), wanted)
    numbers = {feature.name: float(place) for place, feature in enumerate(spec.features.inputs)}
    result = week.features(FIRST, spec.features)
    files = {Path(name).stem: [week.ledger.storage.uri(file.path)] for name, file in result.files.items()}
    rows = [row for row in pq.read_table(files["entities"][0]).to_pylist() if row["customer"]]
    asked = [(row["request_id"], {"customer": row["customer"]}) for row in rows]
    records = [SimpleNamespace(id=i, version=1, event_time=f"{FIRST}T23:59:59", entity=e, features=numbers) for i, e in asked]
    with open_session() as connection:
        connection.register("rows", served_table(spec.features, records))
        connection.execute("CREATE TABLE served AS SELECT * FROM rows")
        found = {each.feature: each for each in compare(connection, spec.features, files)}
    assert set(found) == set(numbers)
    assert not [each for each in found.values() if each.mismatched or not each.compared]


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_a_reserved_column_is_refused_wherever_it_is_given(name: str) -> None:
    given: dict[str, dict[str, Any]] = {
        "features": {"views": (view(name),)},
        "request": {"views": (view("x"),), "request": (Feature(name=name),)},
        "keys": {"views": (view("x", keys=(name,)),)},
        "created": {"views": (view("x", created=name),)},
        "label": {"views": (view("x"),), "label": name},
    }
    allowed = {"label": ["label"], "created_timestamp": ["created"]}.get(name, [])
    for place, changes in given.items():
        if place in allowed:
            made(**changes)
            continue
        with pytest.raises(SpecError, match=f"'{name}' is reserved"):
            made(**changes)


def _refused() -> Iterator[tuple[str, dict[str, Any]]]:
    x = view("x")
    for name in sorted(DATASETS):
        yield f"'{name}' is reserved", {"views": (view("x", name=name),)}
    for name in [*SCHEMAS, "duckdb_tables", "pg_class"]:
        yield f"'{name}' is reserved", {"views": (x,), "data": SPEC.data.model_copy(update={"sources": (name,)})}
    yield "'x' is a feature too", {"views": (x,), "label": "x"}
    yield "'x' is a feature too", {"views": (view("y"),), "request": (Feature(name="x"),), "label": "x"}
    yield "'customer' is a key too", {"views": (x,), "label": "customer"}
    yield "are a key and a feature", {"views": (view("customer"),)}
    yield "are a key and a feature", {"views": (x,), "request": (Feature(name="customer"),)}
    yield "'x' is a feature too", {"views": (view("x", created="x"),)}
    yield "'customer' is a key too", {"views": (view("x", created="customer"),)}
    yield "'came_back' is the label too", {"views": (view("x", created="came_back"),)}
    yield r"features.views: names must be unique, .*\['v'\]", {"views": (x, view("y"))}
    yield "v.keys: names must be unique", {"views": (view("x", keys=("customer", "customer")),)}
    twice = SPEC.data.model_copy(update={"sources": ("orders", "orders")})
    yield "data.sources: names must be unique", {"views": (x,), "data": twice}
    yield "serving.redact: .*'custommer'", {"views": (x,), "serving": Serving(redact=("custommer",))}


@pytest.mark.parametrize(("said", "changes"), list(_refused()))
def test_one_name_for_two_things_is_refused(said: str, changes: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=f"(?s){said}"):
        made(**changes)


@pytest.mark.parametrize("second", ["x", "X"])
def test_sql_that_gives_a_column_twice_case_aside_is_refused(second: str) -> None:
    dataset = Dataset("v", {"x": "DOUBLE", "event_timestamp": "TIMESTAMP"}, ("event_timestamp",), "event_timestamp")
    with duckdb.connect() as connection, pytest.raises(DataError, match="more than once, case aside: \\['x'\\]"):
        check(connection, dataset, f"SELECT 1.0 AS x, 2.0 AS \"{second}\", TIMESTAMP '2013-01-01' AS event_timestamp", FIRST)


def test_raw_columns_that_differ_in_case_alone_are_refused(week: Shop) -> None:
    week.land("orders", FIRST, pa.table({"Price": [1.0], "price": [2.0]}))
    with pytest.raises(DataError, match="2 columns that are one name to SQL: 'Price', 'price'"):
        week.features(FIRST)
