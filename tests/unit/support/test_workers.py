"""The tests' processes are forked from one that has collected, and are otherwise what pytest-xdist's own are."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
CONFTEST = """
import pytest
from tests.support.workers import remote
from tests.support.workers.beds import plant

_BED = pytest.StashKey()

def pytest_xdist_setupnodes(config, specs):
    config.stash[_BED] = plant(config, specs)

def pytest_xdist_getremotemodule():
    return remote

def pytest_unconfigure(config):
    if config.stash.get(_BED, None):
        config.stash[_BED].close()
"""
MODULE = """
import json, os, random, sys, warnings
from pathlib import Path

def note(**facts):
    with open("facts", "a") as file:
        file.write(json.dumps(facts) + chr(10))

note(imported=__name__, by=os.getpid())
warnings.warn("while it was imported")

def test_where(tmp_path, capfd):
    os.system("echo of the child")
    print("of the test")
    note(ran=__name__, by=os.getpid(), parent=os.getppid(), worker=os.environ["PYTEST_XDIST_WORKER"], folder=str(tmp_path),
         drawn=random.random(), out=capfd.readouterr().out)

def test_fails():
    print("shown with the failure")
    assert __name__ == "another"
"""
SKIPPED = "import pytest; pytest.skip('not on this machine', allow_module_level=True)"
DIES_ONCE = """
import os
from pathlib import Path

def test_dies():
    if not Path("died").exists():
        Path("died").touch()
        os.kill(os.getpid(), 9)
"""
THREAD = "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"


def ran(folder: Path, **modules: str) -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
    """What two processes of tests say of these modules, and what the modules noted."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\n")
    for name, text in modules.items():
        (folder / f"test_{name}.py").write_text(text)
    options = ["-ra", "-n", "2", "--dist", "load", "-p", "no:schemathesis", "-p", "no:hypothesispytest"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--basetemp", str(folder / "temp"), "."],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    facts = folder / "facts"
    return done, [json.loads(line) for line in facts.read_text().splitlines()] if facts.exists() else []


@pytest.mark.lives
def test_a_worker_is_forked_from_what_was_collected_once(tmp_path: Path) -> None:
    done, facts = ran(tmp_path, a=MODULE, b=MODULE, c=SKIPPED, d=DIES_ONCE)
    assert Counter(each["imported"] for each in facts if "imported" in each) == {"test_a": 1, "test_b": 1}
    one, two = (each for each in facts if "ran" in each)
    assert one["parent"] == two["parent"] == facts[0]["by"], "both are children of the one that imported"
    assert one["worker"] != two["worker"]
    assert one["drawn"] != two["drawn"], "each draws its own numbers"
    for each in (one, two):
        assert f"popen-{each['worker']}/" in each["folder"]
        assert each["out"] == "of the child\nof the test\n"
    assert done.stdout.count("shown with the failure") == 4, "of each failure in the module's text, and in what was captured"
    for words in ("UserWarning: while it was imported", "not on this machine", "test_dies", "3 failed, 2 passed, 1 skipped"):
        assert words in done.stdout
    assert done.returncode == pytest.ExitCode.TESTS_FAILED


@pytest.mark.lives
def test_where_a_thread_runs_or_a_module_does_not_import_each_collects_for_itself(tmp_path: Path) -> None:
    done, facts = ran(tmp_path, a=MODULE, t=THREAD, x="import nothing_of_this_name")
    assert len({each["by"] for each in facts if "imported" in each}) == 3, "the one that was to be forked, and two workers"
    assert "No module named 'nothing_of_this_name'" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
    assert "after the imports threads run" in done.stderr
