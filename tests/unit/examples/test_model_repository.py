"""The example of a repository of models: its models load, ask for what is there, and have DAGs in a bundle of their own."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.sdk import DAG

from include.core import places
from include.core.catalog import load_spec, model_names
from include.core.digest import PROJECT
from include.core.reference import load
from include.core.requirements import files, require_met
from operators.catalog import dags_of_models, platform_places

REPOSITORY = PROJECT / "examples" / "model_repository"
MODELS = str(REPOSITORY / "models")
NAMES = ["order_returned", "parcel_late"]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    places.activate("include.models")


def test_its_models_load_with_all_the_code_that_they_name_and_their_requirements_are_met() -> None:
    assert model_names(MODELS) == NAMES
    for name in NAMES:
        spec = load_spec(name, MODELS)
        assert all(load(reference) for reference in spec.code)
        assert set(load(spec.expectations)) == {*spec.data.sources, "training_set"}
        assert files(name, MODELS) == [REPOSITORY / "requirements.txt"]
        require_met(name, MODELS)


def test_as_a_bundle_of_its_own_it_has_the_dags_that_the_platforms_files_leave_to_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLIPSTREAM_MODELS", f"include.models:{MODELS}")
    assert platform_places() == f"include.models:{MODELS}"
    monkeypatch.setenv("SLIPSTREAM_DAGS_OF", "include.models:./other")
    assert platform_places() == f"include.models:{tmp_path}/other"
    bundle = runpy.run_path(str(REPOSITORY / "dags" / "models.py"))
    made = {name for name, value in bundle.items() if isinstance(value, DAG)}
    assert made == set(dags_of_models(MODELS).by_id) == {dag for dag in made if dag.startswith(tuple(NAMES))}
    assert len(made) == 6 * len(NAMES)
