"""The set-up script, with Python and uv played: what it does once, what it leaves for later; a killed one begins anew."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# Python and uv at once: notes how it is called, makes a .venv of itself, and fails where the test says so.
PLAYED = """#!/bin/sh
echo "$(basename "$0") $*" >> {folder}/calls
case "$*" in
  "-m venv --clear .venv")
    rm -rf .venv && mkdir -p .venv/bin .venv/lib/python3.11/site-packages
    cp "$0" .venv/bin/python && cp "$0" .venv/bin/uv ;;
  *"-r requirements.txt"*) [ ! -e {folder}/broken ] ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("scripts/setup.sh", "scripts/launchers.py", "requirements.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "torch-cpu.txt").write_text("")
    played = tmp_path / "python3.11"
    played.write_text(PLAYED.format(folder=tmp_path))
    played.chmod(0o755)
    return tmp_path


def set_up(project: Path, **environ: str) -> tuple[int, str, list[str]]:
    """Exit status, what it said, and what it did."""
    (project / "calls").write_text("")
    known = {"PATH": os.environ["PATH"], "PYTHON": str(project / "python3.11"), **environ}
    done = subprocess.run(["bash", "scripts/setup.sh"], cwd=project, env=known, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr, (project / "calls").read_text().splitlines()


def did(calls: list[str]) -> list[str]:
    """The steps among the calls."""
    steps = {"-m venv": "venv", "torch-cpu.txt": "torch", "requirements.txt": "install", "compileall": "compile"}
    return [step for call in calls for word, step in steps.items() if word in call]


def test_everything_is_done_once(project: Path) -> None:
    status, _, calls = set_up(project)
    assert (status, did(calls)) == (0, ["venv", "torch", "install", "compile"])
    status, said, calls = set_up(project)
    assert (status, said, calls) == (0, "setup: .venv is up to date (reused)\n", [])


def test_bytecode_that_was_left_is_made_up_later_and_nothing_is_installed_again(project: Path) -> None:
    assert did(set_up(project, COMPILE="0")[2]) == ["venv", "torch", "install"]
    assert did(set_up(project, COMPILE="0")[2]) == []
    assert did(set_up(project)[2]) == ["compile"]
    assert did(set_up(project)[2]) == []


def test_a_set_up_that_did_not_come_to_its_end_begins_anew(project: Path) -> None:
    (project / "broken").touch()
    status, said, calls = set_up(project)
    assert (status, did(calls)) == (1, ["venv", "torch", "install"])
    assert "ready" not in said
    (project / "broken").unlink()
    assert did(set_up(project)[2]) == ["venv", "torch", "install", "compile"]


def test_another_lock_or_another_torch_is_another_environment(project: Path) -> None:
    set_up(project)
    (project / "requirements.txt").write_text("airflow==4")
    assert did(set_up(project)[2])[0] == "venv"
    assert did(set_up(project, TORCH="cpu")[2])[0] == "venv"


def test_the_seconds_that_the_demonstration_tells_are_written_down(project: Path) -> None:
    set_up(project, COMPILE="0")
    assert int((project / ".venv" / ".seconds").read_text()) >= 0
