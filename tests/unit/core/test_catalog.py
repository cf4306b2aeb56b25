from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.core.catalog import (
    feature_set_names,
    load_feature_set,
    load_owner,
    load_spec,
    model_names,
    owner_names,
    place_of,
)
from include.core.errors import SpecError
from include.core.reference import load
from include.core.spec import FeatureSet
from tests.support.toy_spec import SPEC


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "zoo"
    folder.mkdir()
    (folder / "__init__.py").touch()
    _forget_zoo()  # another test's
    yield folder
    _forget_zoo()


def _forget_zoo() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "zoo"]:
        del sys.modules[name]


def add(package: Path, name: str, spec: str | None = None) -> None:
    (package / name).mkdir()
    (package / name / "__init__.py").touch()
    if spec is not None:
        (package / name / "spec.py").write_text(spec)


def test_adding_a_folder_is_all_it_takes(package: Path) -> None:
    for name in ("bear", "ant"):
        add(package, name, SPEC.format(name=name))
    assert model_names("zoo") == ["ant", "bear"]
    assert [load_spec(name, "zoo").name for name in model_names("zoo")] == ["ant", "bear"]


def test_an_unknown_model_is_refused_with_those_there_are(package: Path) -> None:
    add(package, "ant", SPEC.format(name="ant"))
    with pytest.raises(SpecError, match=r"(?s)no model 'bear'.*models here: ant"):
        load_spec("bear", "zoo")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("import no_such_library", r"spec of model 'ant' cannot be imported.*no_such_library"),
        ("SPEC = 3", r"must define SPEC = ModelSpec.*'int'"),
        ("", r"must define SPEC"),
        (SPEC.format(name="bear"), r"folder 'ant' names itself otherwise.*'bear'"),
        (SPEC.format(name="ant").replace("owner=", "owned_by="), r"owned_by: is not a field here"),
    ],
    ids=["unimportable", "no spec", "empty", "other name", "unknown field"],
)
def test_a_wrong_spec_file_says_what_is_wrong(package: Path, spec: str, message: str) -> None:
    add(package, "ant", spec)
    with pytest.raises(SpecError, match=f"(?s){message}"):
        load_spec("ant", "zoo")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (b"SPEC = ModelSpec(", r"cannot be imported: SyntaxError.*never closed.*spec\.py:1"),
        (b"SPEC = 'caf\xe9'", r"cannot be imported: SyntaxError.*utf-8"),
        (b"import sys\nsys.exit(3)", r"cannot be imported: SystemExit: 3.*spec\.py:2"),
        (b"\n\n1 / 0", r"cannot be imported: ZeroDivisionError.*spec\.py:3"),
        (b"from include.core.spec import View\nView('weather')", r"cannot be imported: TypeError.*spec\.py:2"),
        (
            b"from include.core.spec import Feature\n\nFeature(name='Bad Name')",
            r"Feature\(name='Bad Name'\).*is wrong:(.|\n)*spec\.py:3",
        ),
    ],
    ids=["half a file", "no UTF-8", "exits", "raises", "by position", "a wrong part"],
)
def test_whatever_an_authors_file_does_is_an_error_with_its_place(package: Path, spec: bytes, message: str) -> None:
    add(package, "ant")
    (package / "ant" / "spec.py").write_bytes(spec)
    with pytest.raises(SpecError, match=f"(?s){message}"):
        load_spec("ant", "zoo")


def test_folders_that_are_no_models_are_passed_over_and_half_models_are_named(package: Path) -> None:
    for name in ("__pycache__", ".ipynb_checkpoints", "_old", "data"):
        (package / name).mkdir()
    (package / ".ipynb_checkpoints" / "spec.py").touch()
    (package / "_old" / "spec.py").touch()
    (package / "notes.txt").touch()
    for name in ("bare", "my-model"):
        (package / name).mkdir()
        (package / name / "spec.py").write_text(SPEC.format(name=name.replace("-", "_")))
    add(package, "empty")
    assert model_names("zoo") == ["bare", "empty", "my-model"]
    for name, message in (("bare", r"no __init__\.py"), ("empty", r"has no spec\.py"), ("my-model", "cannot be a model's name")):
        with pytest.raises(SpecError, match=f"(?s){message}"):
            load_spec(name, "zoo")


@pytest.mark.parametrize("reference", ["include.core.nothing:x", "include.core.catalog:nothing", ":x", "include.core.catalog:"])
def test_an_unimportable_reference_is_named(reference: str) -> None:
    with pytest.raises(SpecError, match=f"'{reference}' cannot be imported"):
        load(reference)


def test_a_reference_gives_the_object() -> None:
    assert load("include.core.catalog:load_spec") is load_spec


SET = """
from datetime import date
from include.core.spec import FeatureSet

SET = FeatureSet(
    name="{name}", owner="me", description="-", data=dict(sources=("a",), first=date(2013, 1, 1)), expectations="m:E",
    features=dict(build="m:b", views=(dict(name="v", keys=("k",), features=(dict(name="y"),)),)),
)
"""


def add_set(package: Path, name: str, text: str = "") -> None:
    add(package, name)
    (package / name / "feature_set.py").write_text(text or SET.format(name=name))


def test_a_feature_set_is_no_model_and_a_model_finds_it_by_its_name(package: Path) -> None:
    add_set(package, "ocean")
    add(package, "bear", SPEC.format(name="bear").replace("views=()", 'sets=("ocean",)'))
    assert (model_names("zoo"), feature_set_names("zoo"), owner_names("zoo")) == (["bear"], ["ocean"], ["bear", "ocean"])
    assert [view.set for view in load_spec("bear", "zoo").features.views] == ["ocean"]
    assert isinstance(load_owner("ocean", "zoo"), FeatureSet)
    assert load_owner("bear", "zoo").name == "bear"


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ("ozean", r"(?s)reads the feature set 'ozean', which cannot be had: There is no feature set 'ozean'.*did you mean ocean"),
        ("ant", r"(?s)reads the feature set 'ant', which cannot be had: 'ant' is a model, and a feature set is asked for"),
        ("broken", r"(?s)reads the feature set 'broken'.*The spec of feature set 'broken' cannot be imported.*no_such_library"),
        ("named", r"(?s)reads the feature set 'named'.*names itself otherwise"),
    ],
)
def test_a_set_that_cannot_be_had_is_said_with_who_reads_it(package: Path, sets: str, message: str) -> None:
    add_set(package, "ocean")
    add_set(package, "broken", "import no_such_library")
    add_set(package, "named", SET.format(name="other"))
    add(package, "ant", SPEC.format(name="ant"))
    add(package, "bear", SPEC.format(name="bear").replace("views=()", f'sets=("{sets}",)'))
    with pytest.raises(SpecError, match=message):
        load_spec("bear", "zoo")


def test_models_and_feature_sets_share_one_namespace(package: Path, tmp_path: Path) -> None:
    add(package, "ant", SPEC.format(name="ant"))
    (package / "ant" / "feature_set.py").write_text(SET.format(name="ant"))
    for ask in (load_spec, load_feature_set, load_owner):
        with pytest.raises(SpecError, match="There are 2 models and feature sets 'ant': such a name is one for all places"):
            ask("ant", "zoo")
    add_set(package, "bear")
    with pytest.raises(SpecError, match="'bear' is a feature set, and a model is asked for"):
        load_spec("bear", "zoo")


def test_a_folder_of_feature_sets_alone_is_a_place(tmp_path: Path) -> None:
    folder = tmp_path / "sets"
    folder.mkdir()
    add_set(folder, "tides")
    both = f"include.models:{folder}"
    assert feature_set_names(both) == ["tides"]
    assert load_feature_set("tides", both).code == ("m:b", "m:E")
    assert place_of("tides", both) is not None
