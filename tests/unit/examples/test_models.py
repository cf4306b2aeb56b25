"""The example models are what an author may copy: they load, under any name, and make all the DAGs of a model."""

from __future__ import annotations

import shutil
from datetime import date, datetime
from importlib import import_module
from pathlib import Path

import duckdb
import pytest

from include.authoring.new import make
from include.core.catalog import load_spec, model_names
from operators.catalog import dags_of_models

PACKAGE = "examples.models"
FOLDER = Path(__file__).parents[3] / "examples" / "models"
NAMES = model_names(PACKAGE)
PARTS = ("features", "features_range", "training", "rollout", "monitoring", "scoring")


def test_there_is_an_example() -> None:
    assert "late_departure" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_example_has_the_dags_of_a_model(name: str) -> None:
    found = dags_of_models(PACKAGE)
    found.raise_broken()
    assert {f"{name}_{part}" for part in PARTS} <= {dag.dag_id for dag in found.dags}


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_under_another_name_is_a_model_of_its_own(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / f"copied_{name}"
    shutil.copytree(FOLDER / name, package / "mine", ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__init__.py").write_text("")
    spec = package / "mine" / "spec.py"
    spec.write_text(spec.read_text().replace(f'name="{name}"', 'name="mine"'))
    monkeypatch.syspath_prepend(tmp_path)
    loaded = load_spec("mine", package.name)
    assert loaded.features.build == f"copied_{name}.mine.features:views"
    assert loaded.training.fit == f"copied_{name}.mine.train:fit"


@pytest.mark.parametrize("name", NAMES)
def test_new_like_an_example_imports_nothing_of_it(name: str, tmp_path: Path) -> None:
    made = make(f"my_{name}", name, tmp_path, PACKAGE)
    texts = [path.read_text() for path in made.folder.rglob("*.py")]
    assert len(texts) == len(list((FOLDER / name).rglob("*.py")))
    assert not [text for text in texts if PACKAGE in text]


@pytest.mark.parametrize("name", NAMES)
def test_each_source_of_an_example_and_its_training_set_have_expectations(name: str) -> None:
    expectations = import_module(f"{PACKAGE}.{name}.expectations").EXPECTATIONS
    assert set(expectations) == {*load_spec(name, PACKAGE).data.sources, "training_set"}


def test_late_departure_selects_the_columns_that_its_spec_names() -> None:
    spec, sql = load_spec("late_departure", PACKAGE), import_module(f"{PACKAGE}.late_departure.features")
    moment = datetime.fromisoformat("2013-03-09T10:00")
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE weather AS SELECT 'JFK' origin, ?::TIMESTAMP observed_at, 9.0 visib, 5.0 wind_speed", [moment]
        )
        connection.execute(
            "CREATE TABLE landings AS SELECT 'F1' flight_id, ?::TIMESTAMP landed_at, 'JFK' origin, 'B6' carrier, 31.0 dep_delay",
            [moment],
        )
        (view,) = spec.features.views
        seen = connection.sql(sql.views(date(2013, 3, 9))[view.name]).columns
        assert set(seen) == {*view.keys, "event_timestamp", *(feature.name for feature in view.features)}
        asked = connection.sql(sql.entities()).columns
        assert set(asked) == {"request_id", "event_timestamp", *view.keys, *(feature.name for feature in spec.features.request)}
        assert connection.sql(sql.labels()).fetchall() == [("F1", 1, moment)]
