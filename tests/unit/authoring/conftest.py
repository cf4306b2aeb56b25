from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from include.authoring.new import NewModel, make
from include.core.digest import PROJECT
from include.services.services import Services

Zoo = Callable[..., NewModel]


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: the digests of a file are kept by its path, and those of all steps take a second of processor time."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "include").symlink_to(PROJECT / "include")
    return folder


@pytest.fixture
def models(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty package of models, `zoo`."""
    folder = project / "zoo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "__init__.py").touch()
    importlib.invalidate_caches()  # another test's package had the same path
    monkeypatch.setattr("include.core.digest.PROJECT", project)  # code below it is what keys are made from
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(project))
    for name in [name for name in sys.modules if name.split(".")[0] == "zoo"]:
        monkeypatch.delitem(sys.modules, name)
    return folder


@pytest.fixture
def services(tmp_path: Path) -> Services:
    """Stores in which nothing is."""
    return Services.from_env({"SLIPSTREAM_HOME": str(tmp_path / "home"), "SLIPSTREAM_MODELS": "zoo"})


@pytest.fixture
def zoo(models: Path) -> Zoo:
    """`zoo("ape", {"spec.py": ("old", "new")})`: a new model in it, with texts of its files replaced."""

    def new(name: str, edits: dict[str, tuple[str, str]] | None = None, like: str = "template") -> NewModel:
        made = make(name, like, None, "zoo")
        for file, (before, after) in (edits or {}).items():
            text = (made.folder / file).read_text()
            assert before in text
            (made.folder / file).write_text(text.replace(before, after))
        return made

    return new
