"""The `slipstream` command of an environment is the one that pyproject.toml declares."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.scripts import load_script

launchers = load_script("launchers")


def test_every_declared_command_is_a_function_of_ours() -> None:
    declared = launchers.commands()
    assert declared["slipstream"] == "include.cli.main:main"
    for target in declared.values():
        module, _, function = target.partition(":")
        assert callable(getattr(import_module(module), function))


def test_a_launcher_runs_its_command_from_any_folder(tmp_path: Path) -> None:
    (launcher,) = launchers.write(tmp_path, Path(sys.executable))
    assert launcher == tmp_path / "slipstream"
    done = subprocess.run([str(launcher), "--help"], cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: slipstream ")


def test_the_launcher_of_the_environment_runs_what_is_declared() -> None:
    installed = Path(sys.prefix) / "bin" / "slipstream"
    if not installed.is_file():
        pytest.skip("this environment was not made by scripts/setup.sh")
    module, _, function = launchers.commands()["slipstream"].partition(":")
    assert f"from {module} import {function}" in installed.read_text()


def test_the_provider_is_registered_once_and_replaced_by_a_later_version(tmp_path: Path) -> None:
    first = launchers.register_provider(tmp_path)
    assert launchers.register_provider(tmp_path) == first
    first.rename(tmp_path / "slipstream-0.0.1.dist-info")
    assert launchers.register_provider(tmp_path) == first
    assert sorted(each.name for each in tmp_path.glob("*.dist-info")) == [first.name]
    code = (
        "from importlib.metadata import distribution, entry_points\n"
        "(found,) = entry_points(group='apache_airflow_provider', name='provider_info')\n"
        "print(distribution('slipstream').version, found.load()()['package-name'])"
    )
    environ = {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [first.name.split("-")[1].removesuffix(".dist"), "slipstream"]  # without the project, too


def test_a_package_that_was_installed_is_left_as_it_is(tmp_path: Path) -> None:
    installed = tmp_path / "slipstream-9.dist-info"
    installed.mkdir()
    (installed / "INSTALLER").write_text("pip\n")
    assert launchers.register_provider(tmp_path) == installed
    assert [each.name for each in tmp_path.iterdir()] == [installed.name]
