"""The `slipstream` command of an environment is the one that pyproject.toml declares."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def launchers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("launchers", ROOT / "scripts" / "launchers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_declared_command_is_a_function_of_ours(launchers: ModuleType) -> None:
    declared = launchers.commands()
    assert declared["slipstream"] == "include.cli.main:main"
    for target in declared.values():
        module, _, function = target.partition(":")
        assert callable(getattr(import_module(module), function))


def test_a_launcher_runs_its_command_from_any_folder(launchers: ModuleType, tmp_path: Path) -> None:
    (launcher,) = launchers.write(tmp_path, Path(sys.executable))
    assert launcher == tmp_path / "slipstream"
    done = subprocess.run([str(launcher), "--help"], cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: slipstream ")


def test_the_launcher_of_the_environment_runs_what_is_declared(launchers: ModuleType) -> None:
    installed = Path(sys.prefix) / "bin" / "slipstream"
    if not installed.is_file():
        pytest.skip("this environment was not made by scripts/setup.sh")
    module, _, function = launchers.commands()["slipstream"].partition(":")
    assert f"from {module} import {function}" in installed.read_text()
