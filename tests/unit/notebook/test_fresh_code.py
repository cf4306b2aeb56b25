"""A process that lives on computes by the files as they are, not by what it imported of them before."""

from __future__ import annotations

import os
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from include.core.catalog import load_spec
from include.core.errors import ConflictError
from include.notebook import fresh_code
from tests.support.error_message import assert_says

SPEC = """
from datetime import date
from include.core.spec import ModelSpec

SPEC = ModelSpec(
    name="pear", owner="me", description="-", label="late", data=dict(sources=("a",), first=date(2013, 1, 1)),
    features=dict(build="m:b", entities="m:e", labels="m:l", views=(), request=(dict(name="x"),)),
    expectations="m:E", training=dict(fit="m:f"),
)
"""


@pytest.fixture
def pear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "orchard" / "pear"
    folder.mkdir(parents=True)
    for file in (folder.parent / "__init__.py", folder / "__init__.py"):
        file.touch()
    (folder / "spec.py").write_text(SPEC)
    (folder / "train.py").write_text("KIND = 'green'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "orchard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(fresh_code, "_since", {"orchard": time.time_ns()})
    return folder


def edit(file: Path, text: str) -> None:
    file.write_text(text)
    later = time.time_ns() + 10**9
    os.utime(file, ns=(later, later))


def test_an_edited_module_is_imported_anew_and_so_is_what_imported_it(pear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_spec("pear", "orchard")
    assert import_module("orchard.pear.train").KIND == "green"
    assert not fresh_code.refresh(spec)
    edit(pear / "train.py", "KIND = 'a ripe one'\n")
    assert fresh_code.refresh(spec)
    assert import_module("orchard.pear.train").KIND == "a ripe one"
    assert not hasattr(sys.modules["orchard"], "pear") or sys.modules["orchard"].pear is sys.modules["orchard.pear"]


def test_an_edited_spec_is_read_anew(pear: Path) -> None:
    spec = load_spec("pear", "orchard")
    edit(pear / "spec.py", SPEC.replace('owner="me"', 'owner="another"'))
    assert fresh_code.refresh(spec)
    assert load_spec("pear", "orchard").owner == "another"


def test_slipstreams_own_code_that_has_changed_wants_a_new_process(pear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_spec("pear", "orchard")
    monkeypatch.setattr(fresh_code, "STARTED", 0)
    with pytest.raises(ConflictError) as refused:
        fresh_code.refresh(spec)
    assert_says(refused.value, "has changed since this process began", "restart the kernel")
