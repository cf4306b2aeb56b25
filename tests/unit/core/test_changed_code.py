"""A folder of an author's that was changed is imported anew, and no other."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.core.catalog import load_spec
from include.core.changed_code import ChangedCode
from include.core.errors import SpecError
from include.core.reference import load
from tests.support.toy_spec import SPEC

PLACE = "changing_zoo"


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("ant", "bear"):
        folder = tmp_path / PLACE / name
        folder.mkdir(parents=True)
        for file, text in (("__init__.py", ""), ("spec.py", SPEC.format(name=name)), ("rules.py", "LIMIT = 100\n")):
            (folder / file).write_text(text)
    (tmp_path / PLACE / "__init__.py").touch()
    yield tmp_path / PLACE
    for name in [name for name in sys.modules if name.partition(".")[0] == PLACE]:
        del sys.modules[name]


def write(path: Path, text: str) -> None:
    """A second later than it was written before: Python tells files apart by that."""
    before = path.stat().st_mtime if path.exists() else 0.0
    path.write_text(text)
    os.utime(path, (before + 2, before + 2) if before else None)


def test_what_was_changed_is_seen_and_what_was_not_stays_imported(zoo: Path) -> None:
    code = ChangedCode(PLACE)
    assert [code.look(name) for name in ("ant", "bear", "ant")] == [False] * 3
    first = {name: load_spec(name, PLACE) for name in ("ant", "bear")}
    assert load(f"{PLACE}.ant.rules:LIMIT") == 100
    write(zoo / "ant" / "rules.py", "LIMIT = 200\n")
    assert load(f"{PLACE}.ant.rules:LIMIT") == 100, "nobody has looked"
    assert [code.look("ant"), code.look("bear"), code.look("ant")] == [True, False, False]
    assert load(f"{PLACE}.ant.rules:LIMIT") == 200
    assert load_spec("bear", PLACE) is first["bear"]
    assert load_spec("ant", PLACE) is not first["ant"]


def test_a_file_that_came_or_went_counts_and_half_a_spec_is_an_error_until_it_is_whole(zoo: Path) -> None:
    code = ChangedCode(PLACE)
    code.look("ant")
    load_spec("ant", PLACE)
    (zoo / "ant" / "more").mkdir()
    write(zoo / "ant" / "more" / "deep.py", "x = 1\n")
    assert code.look("ant")
    write(zoo / "ant" / "spec.py", "SPEC = half a file\n")
    assert code.look("ant")
    with pytest.raises(SpecError, match="cannot be imported"):
        load_spec("ant", PLACE)
    write(zoo / "ant" / "spec.py", SPEC.format(name="ant"))
    assert code.look("ant")
    assert load_spec("ant", PLACE).name == "ant"
    shutil.rmtree(zoo / "ant")
    assert [code.look("ant"), code.look("ant")] == [True, False], "it is gone"
    with pytest.raises(SpecError, match="no model 'ant'"):
        load_spec("ant", PLACE)
    assert not code.look("../bear")
