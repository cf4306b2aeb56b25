from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from include.cli.checkup.finding import Level
from include.cli.checkup.installed import PROGRAMS, check_packages, check_programs, check_python, check_stamp, installed, pinned

LOCK = """\
# Written by `make lock`: do not edit.
alpha-one==1.2.0 \\
    --hash=sha256:00
beta[extra]==3.4 ; sys_platform == 'nowhere' \\
    --hash=sha256:00
gamma==5.6.0 ; python_version >= '3.8' \\
    --hash=sha256:00
"""
SETUP = "stamp=.venv/.locked\nlocks=(requirements.txt requirements/*.txt scripts/setup.sh)\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("requirements", "scripts", "packages", "env"):
        (tmp_path / folder).mkdir()
    (tmp_path / "requirements.txt").write_text(LOCK)
    (tmp_path / "requirements" / "torch-cpu.txt").write_text("torch==2.13.0+cpu \\\n    --hash=sha256:00\n")
    (tmp_path / "requirements" / "torch-default.txt").write_text("torch==2.13.0 \\\n    --hash=sha256:00\n")
    (tmp_path / "scripts" / "setup.sh").write_text(SETUP)
    for name in ("alpha_one-1.2.0", "gamma-5.6.0", "torch-2.13.0+cpu"):
        (tmp_path / "packages" / f"{name}.dist-info").mkdir()
    return tmp_path


def test_a_lock_is_read_without_what_is_for_other_platforms(project: Path) -> None:
    assert pinned(project / "requirements.txt") == {"alpha-one": {"1.2.0"}, "gamma": {"5.6.0"}}
    assert installed([str(project / "packages")])["alpha-one"] == "1.2.0"


def test_packages_are_compared_with_the_lock(project: Path) -> None:
    folders = [str(project / "packages")]
    (found,) = check_packages(project, folders)
    assert (found.level, found.words) == (Level.OK, "all 3 are as locked.")
    (project / "packages" / "gamma-5.6.0.dist-info").rename(project / "packages" / "gamma-5.7.0.dist-info")
    (project / "packages" / "alpha_one-1.2.0.dist-info").rmdir()
    (found,) = check_packages(project, folders)
    assert (found.level, found.next) == (Level.PROBLEM, "make setup")
    assert found.words == "2 of 3 are not as locked: alpha-one is missing, locked 1.2.0; gamma 5.7.0, locked 5.6.0."


def test_either_build_of_torch_is_right_and_another_version_is_not(project: Path) -> None:
    found = project / "packages" / "torch-2.13.0+cpu.dist-info"
    found = found.rename(project / "packages" / "torch-2.13.0.dist-info")
    assert next(check_packages(project, [str(project / "packages")])).level is Level.OK
    found.rename(project / "packages" / "torch-2.12.0.dist-info")
    assert "torch 2.12.0, locked 2.13.0 or 2.13.0+cpu" in next(check_packages(project, [str(project / "packages")])).words


def test_the_stamp_is_the_one_that_the_script_writes(project: Path) -> None:
    assert next(check_stamp(project, project / "env")).level is Level.WARNING  # there is none
    said = 'shopt -u nullglob; sha256sum "${locks[@]}" | sha256sum | cut -d" " -f1'
    wanted = subprocess.check_output(["bash", "-c", f". scripts/setup.sh; {said}"], cwd=project, text=True).strip()
    (project / "env" / ".locked").write_text(f"{wanted} auto\n")
    assert next(check_stamp(project, project / "env")).level is Level.OK
    (project / "requirements.txt").write_text(LOCK.replace("1.2.0", "1.3.0"))
    found = next(check_stamp(project, project / "env"))
    assert (found.level, found.next) == (Level.WARNING, "make setup")


def test_an_image_has_neither_the_locks_nor_the_script(tmp_path: Path) -> None:
    assert next(check_stamp(tmp_path, tmp_path)).level is Level.OK
    assert next(check_packages(tmp_path, [])).level is Level.WARNING


def test_programs_that_are_missing_are_named_with_what_needs_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = [each.words for each in check_programs()]
    assert len(said) == 1 + len(PROGRAMS)
    assert "wrk is not installed (Debian: wrk); only the gateway's benchmark needs it." in said


def test_another_python_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    assert next(check_python()).level is Level.OK
    monkeypatch.setattr("sys.version_info", (3, 12, 1))
    assert next(check_python()).level is Level.PROBLEM
