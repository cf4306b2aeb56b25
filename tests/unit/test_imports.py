"""The import contracts of pyproject.toml cover everything: a folder or a package that none names would be held to nothing."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from include.core.digest import PROJECT

# Programs that stand alone, and models that an author copies: nothing of ours imports either.
APART = {"scripts", "examples", "docker", "helm"}  # programs of their own, that nothing imports
MADE = {"dist"}  # by make, of others' files


@pytest.fixture(scope="module")
def linter() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return found


def test_every_folder_of_code_is_a_root(linter: dict[str, Any]) -> None:
    folders = {path.name for path in PROJECT.iterdir() if path.is_dir() and not path.name.startswith(".")} - MADE
    code = {name for name in folders if any((PROJECT / name).rglob("*.py"))}
    assert code - APART == set(linter["root_packages"])


def test_every_package_has_its_layer(linter: dict[str, Any]) -> None:
    layered = {name: contract for contract in linter["contracts"] for name in contract.get("containers", ())}
    assert set(layered) == {"include", "include.backends"}
    assert all(contract["exhaustive"] for contract in layered.values())
    assert all("exhaustive_ignores" not in contract for contract in layered.values())


def test_no_root_of_ours_may_hold_a_circle(linter: dict[str, Any]) -> None:
    (contract,) = (contract for contract in linter["contracts"] if contract["type"] == "acyclic_siblings")
    assert set(contract["ancestors"]) == {"include", "operators", "plugins", "dags"}
