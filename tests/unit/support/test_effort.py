"""What make test-unit runs, and what it leaves to make test."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from include.core.digest import PROJECT
from tests.support import effort
from tests.support.effort import STARTED, is_lived


def test_a_sample_is_looked_at_unless_all_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for thorough, expected in ((False, 3), (True, 90)):
        monkeypatch.setattr(effort, "THOROUGH", thorough)
        assert effort.effort(3, 90) == expected


def test_a_test_lives_by_what_it_asks_for() -> None:
    assert is_lived(["tmp_path", "life"], {})
    assert is_lived(["url"], {"url": "postgresql"})
    assert not is_lived(["tmp_path", "url"], {"url": "sqlite", "rows": 3})


def test_what_is_asked_for_is_a_fixture_that_is_there() -> None:
    texts = [path.read_text() for folder in ("unit", "support") for path in (PROJECT / "tests" / folder).rglob("*.py")]
    fixtures = {name for text in texts for name in re.findall(r"^@pytest\.fixture.*\ndef (\w+)\(", text, re.MULTILINE)}
    assert STARTED - fixtures == set()


def test_the_markers_that_a_quick_run_leaves_out_are_told_apart(pytestconfig: pytest.Config) -> None:
    told = {line.partition(":")[0] for line in pytestconfig.getini("markers")}
    (expression,) = re.findall(r'test-unit:.*\n.* -m "([^"]+)"', (PROJECT / "Makefile").read_text())
    assert set(re.findall(r"not (\w+)", expression)) == {"slow", "thorough", "lives", "e2e"} <= told


def test_a_test_without_the_marker_starts_no_server(tmp_path: Path) -> None:
    for server in ("redis-server", "/usr/lib/postgresql/bin/pg_ctl"):
        with pytest.raises(AssertionError, match=r"starts .*give it the marker `lives`"):
            subprocess.run([server, "--help"], cwd=tmp_path, check=False)


@pytest.mark.lives
def test_one_with_the_marker_may(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        subprocess.run([str(tmp_path / "redis-server")], check=False)
