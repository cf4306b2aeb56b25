from __future__ import annotations

import ast
import gc
import hashlib
import math
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from include.core import digest
from include.core.digest import canonical_json, code_digest, digest_file, digest_json
from include.core.errors import SpecError

STEP = '''
"""A step."""
from include.stage.part import half
import include.core.storage


def run(task):
    """Runs."""
    # a comment
    return half(task)
'''


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of a step that imports a part, which imports a leaf."""
    monkeypatch.setattr(digest, "PROJECT", tmp_path)
    files = {
        "stage/step.py": STEP,
        "stage/part.py": "from include.other import leaf\n\n\ndef half(x):\n    return leaf.ONE / 2\n",
        "other/leaf.py": "ONE = 1\n",
        "other/unused.py": "TWO = 2\n",
        "core/storage.py": "A = 1\n",
        "backends/vendor.py": "B = 1\n",
    }
    for name, text in files.items():
        path = tmp_path / "include" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    return tmp_path / "include"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000))


def now() -> str:
    return code_digest("include.stage.step:run")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("stage/step.py", "# a comment", "# another, longer comment"),
        ("stage/step.py", '"""Runs."""', '"""Runs, and says so."""'),
        ("stage/step.py", '"""A step."""', ""),
        ("stage/step.py", "return half(task)", "return (half(\n        task))"),
        ("other/unused.py", "TWO = 2", "TWO = 3"),
        ("other/leaf.py", "ONE = 1", 'ONE = 1\n"""One of them."""'),
        ("core/storage.py", "A = 1", "A = 2"),
        ("backends/vendor.py", "B = 1", "B = 2"),
    ],
    ids=["comment", "docstring", "module docstring", "layout", "not imported", "attribute's docstring", "kernel", "backend"],
)
def test_what_changes_no_result_changes_no_digest(project: Path, file: str, old: str, new: str) -> None:
    before = now()
    edit(project / file, old, new)
    assert now() == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("stage/step.py", "half(task)", "half(2 * task)"),
        ("stage/part.py", "/ 2", "/ 3"),
        ("other/leaf.py", "ONE = 1", "ONE = 1.0"),
        ("other/leaf.py", "ONE = 1", 'ONE = 1\nNAME = "text that is no docstring"'),
    ],
    ids=["itself", "imported", "imported by the imported", "a constant"],
)
def test_what_may_change_a_result_changes_the_digest(project: Path, file: str, old: str, new: str) -> None:
    before = now()
    edit(project / file, old, new)
    assert now() != before


def test_a_docstring_that_is_all_of_a_function_may_go(project: Path) -> None:
    leaf = project / "other" / "leaf.py"
    leaf.write_text('ONE = 1\n\n\ndef nothing():\n    """Only words."""\n')
    before = now()
    edit(leaf, '"""Only words."""', "pass")
    assert now() == before


def test_imports_in_circles_end(project: Path) -> None:
    edit(project / "other" / "leaf.py", "ONE = 1", "import include.stage.step\nONE = 1")
    assert len(now()) == 64


def test_several_references_are_one_digest_in_any_order(project: Path) -> None:
    one, other = "include.stage.step:run", "include.other.unused:TWO"
    assert code_digest(one, other) == code_digest(other, one) != code_digest(one)


def test_a_module_without_source_is_named(project: Path) -> None:
    with pytest.raises(SpecError, match=r"include\.stage\.gone"):
        code_digest("include.stage.gone:run")


@pytest.fixture
def restless(project: Path) -> Iterator[None]:
    """A step of a real module's size, and threads that switch as often as they can, above all in a collector that never rests."""
    (project / "stage/step.py").write_text(Path(digest.__file__).read_text())
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    yield
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)


class Knot:
    """Garbage only the collector can free, and that runs code as it goes."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        for _ in range(50):
            pass


def forget() -> None:
    digest._tree.cache_clear()
    digest._source_digest.cache_clear()


@pytest.mark.thorough
@pytest.mark.usefixtures("restless")
def test_threads_that_digest_at_once_do_not_trip_over_each_other() -> None:
    """Python 3.11 counts the depth of a tree under construction once for all threads."""
    expected = code_digest("include.stage.step:run")

    def work(_: int) -> set[str]:
        found = set()
        for _turn in range(15):
            Knot()
            forget()
            found.add(code_digest("include.stage.step:run"))
        return found

    with ThreadPoolExecutor(4) as pool:
        assert set().union(*pool.map(work, range(4))) == {expected}


@pytest.mark.thorough
@pytest.mark.usefixtures("restless")
def test_a_library_that_parses_in_a_thread_of_its_own_spoils_no_digest() -> None:
    expected, done = code_digest("include.stage.step:run"), threading.Event()

    def foreign() -> None:
        source = Path(digest.__file__).read_text()
        while not done.is_set():
            Knot()
            with suppress(SystemError):  # its own trouble
                ast.parse(source)

    thread = threading.Thread(target=foreign)
    thread.start()
    try:
        for _turn in range(15):
            Knot()
            forget()
            assert code_digest("include.stage.step:run") == expected
    finally:
        done.set()
        thread.join()


def test_files_are_digested_by_their_bytes(tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    (tmp_path / "f").write_bytes(data)
    assert digest_file(tmp_path / "f") == hashlib.sha256(data).hexdigest()


def test_equal_values_have_one_json_text() -> None:
    assert canonical_json({"b": (1, 2), "a": "ü"}) == '{"a":"ü","b":[1,2]}'.encode()
    assert digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": math.nan})
