from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.core.catalog import load_spec, load_specs, model_names
from include.core.errors import SpecError
from include.core.reference import load

SPEC = """
from datetime import date
from include.core.spec import ModelSpec

SPEC = ModelSpec(
    name="{name}", owner="me", description="-", label="late", data=dict(sources=("a",), first=date(2013, 1, 1)),
    features=dict(build="m:b", entities="m:e", labels="m:l", views=(), request=(dict(name="x"),)),
    expectations="m:E", training=dict(fit="m:f"),
)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "zoo"
    folder.mkdir()
    (folder / "__init__.py").touch()
    yield folder
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
    assert [spec.name for spec in load_specs("zoo")] == ["ant", "bear"]


def test_an_unknown_model_is_refused_with_those_there_are(package: Path) -> None:
    add(package, "ant", SPEC.format(name="ant"))
    with pytest.raises(SpecError, match=r"no model 'bear'.*models here: ant"):
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
    with pytest.raises(SpecError, match=message):
        load_spec("ant", "zoo")


@pytest.mark.parametrize("reference", ["include.core.nothing:x", "include.core.catalog:nothing", ":x", "include.core.catalog:"])
def test_an_unimportable_reference_is_named(reference: str) -> None:
    with pytest.raises(SpecError, match=f"'{reference}' cannot be imported"):
        load(reference)


def test_a_reference_gives_the_object() -> None:
    assert load("include.core.catalog:load_spec") is load_spec
