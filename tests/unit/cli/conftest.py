"""A platform's home with one registered and served model, and nothing running: no Airflow, no gateway, no MLflow."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from include.backends.folder.registry import FolderRegistry
from include.cli.main import main
from include.core.control import ControlStore
from include.governance.registry import register, resource
from include.routing.route import Route, set_route
from include.versions.record import Stage
from tests.support.toy_ledger import MODEL, Loop
from tests.support.versions import move

Slipstream = Callable[..., tuple[int, str, str]]


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    return Loop.under(tmp_path)


@pytest.fixture(scope="session")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, and copied for each test: it takes a third of a second of processor time."""
    home = tmp_path_factory.mktemp("served")
    loop, store = Loop.under(home), ControlStore(f"sqlite:///{home / 'control.db'}")
    store.create_tables()
    epoch = store.take(resource(MODEL), "t")
    for days in (2, 3):
        version = register(store, FolderRegistry(loop.ledger.storage), loop.package(days=days), epoch).version
        move(store, MODEL, version, Stage.PRODUCTION, "t")
        if version == 1:
            move(store, MODEL, 1, Stage.ARCHIVED, "t")
    with store.transaction() as connection:
        set_route(connection, MODEL, Route(champion=2, previous=1))
    return home


@pytest.fixture
def control(tmp_path: Path, loop: Loop, _served: Path) -> ControlStore:
    """Version 1 was the champion before version 2."""
    del loop  # its folders are there
    shutil.copytree(_served, tmp_path, dirs_exist_ok=True)
    return ControlStore(f"sqlite:///{tmp_path / 'control.db'}")


@pytest.fixture
def slipstream(
    tmp_path: Path, control: ControlStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Slipstream:
    """`slipstream("versions", "toy")` -> (exit status, stdout, stderr)."""
    package = tmp_path / "toy_models" / MODEL
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    (package / "spec.py").write_text("from tests.support.toy_ledger import SPEC as SPEC\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "toy_models"]:  # another test's folder
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in os.environ if name.startswith(("SLIPSTREAM_", "AIRFLOW_CONN_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path))
    nowhere = {f"SLIPSTREAM_{name}_URL": "http://127.0.0.1:1" for name in ("AIRFLOW", "MLFLOW", "RAY", "GATEWAY")}
    settings = {**nowhere, "SLIPSTREAM_MODELS": "toy_models", "SLIPSTREAM_JOB_BACKEND": "process"}
    settings["SLIPSTREAM_AUDIT_ANCHOR"] = f"file://{tmp_path / 'anchors.jsonl'}"
    (tmp_path / "connections.env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def call(*argv: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = main(list(argv))
        except SystemExit as error:
            status = int(error.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call
