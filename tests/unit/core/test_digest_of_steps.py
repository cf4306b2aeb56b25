"""What the code digests of the real steps cover: the rooms that stages share, and nothing behind a name that they cannot see."""

from __future__ import annotations

import ast
import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from include.core import digest
from include.core.digest import REFERENCE, code_digest

INCLUDE = digest.PROJECT / "include"
STEPS = sorted(
    ".".join(path.relative_to(digest.PROJECT).with_suffix("").parts)
    for path in INCLUDE.rglob("*_step.py")
    if "backends" not in path.parts
)
# A room that stages share, and the steps that certainly use it.
ROOMS = {
    "model_contract/encoder.py": ("reference", "evaluate", "measure_again", "train", "tune", "shadows", "score"),
    "model_contract/definition.py": ("features",),
    "model_contract/view_version.py": ("features", "training_set", "skew", "score"),
    "metrics/binary.py": ("train", "evaluate", "monitor", "reference"),
    "routing/entity_hash.py": ("collect",),
    "prediction_log/sql_view.py": ("collect",),
    "prediction_log/reader.py": ("skew", "withdrawn"),
    "row_rules/predicate.py": ("features", "validate"),
    "data/raw.py": ("features", "validate"),
}
# Code that a request names in `uses`, and so counts beside its step's.
OF_THE_MODEL = {
    "features.build",
    "view.build",  # of a feature set, whose own days name it; where a model's step reads the set it asks for no SQL
    "features.entities",
    "features.labels",
    "training['fit']",
    "material.fit",  # the same, of a trial
    "reference",  # of expectations, and of the author's metrics
    "self.value.decision",  # of the problem: see uses_of in include/problems/of.py
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this project's sources that a test may edit."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(INCLUDE, root / "include", ignore=shutil.ignore_patterns("__pycache__", "demo", "cli", "local"))
    return root


@pytest.mark.parametrize(("room", "step"), [(room, step) for room, steps in ROOMS.items() for step in steps])
def test_a_change_of_a_shared_room_is_a_change_of_every_step_that_uses_it(
    room: str, step: str, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest, "PROJECT", copied)
    (module,) = (each for each in STEPS if each.endswith(f".{step}_step"))
    path = copied / "include" / room
    text = path.read_text()
    before = code_digest(f"{module}:run")
    try:
        path.write_text(f"{text}\nCHANGED = True\n")
        os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000))
        assert code_digest(f"{module}:run") != before
    finally:
        path.write_text(text)
        os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 2_000_000))


@pytest.mark.parametrize("step", STEPS)
def test_a_step_loads_nothing_by_a_name_that_its_digest_does_not_follow(step: str) -> None:
    for module in sorted(digest._closure(step)):
        for argument in _loads(module):  # `adapter` names vendors alone: test_adapters.py
            if isinstance(argument, ast.Constant):
                assert REFERENCE.fullmatch(str(argument.value)), f"{module}: load({argument.value!r}) is not followed"
            else:
                assert ast.unparse(argument) in OF_THE_MODEL, f"{module}: load({ast.unparse(argument)}) may name anything"


@cache  # the steps have most of their modules in common
def _loads(module: str) -> list[ast.expr]:
    """What the calls of `load` in a module name."""
    return list(_arguments_of_load(module))


def _arguments_of_load(module: str) -> Iterator[ast.expr]:
    tree = ast.parse(digest._file(module).read_text())
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "include.core.reference"
        for alias in node.names
        if alias.name == "load"
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield node.args[0]
