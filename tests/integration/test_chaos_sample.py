"""A sample of the fault matrix: `make chaos` is the whole of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from include.core.digest import PROJECT
from tests.chaos import points
from tests.chaos.matrix import ON_AWS, PAGE, RECORD, STEPS, load_steps, sampled
from tests.chaos.page import write_page
from tests.chaos.protocol import FAULTS, Absent
from tests.chaos.record import Book
from tests.support.effort import effort

EVERY = effort(4, 2)  # one in so many of the quick cells


def test_every_cell_has_its_trials_or_its_reason() -> None:
    for name, step in load_steps(STEPS).items():
        assert set(step.cells) == set(FAULTS), name
        for fault, cell in step.cells.items():
            assert cell.reason if isinstance(cell, Absent) else cell, f"{name} {fault}"


def test_every_fail_point_is_used_and_every_used_one_exists() -> None:
    assert points.in_cells(load_steps(STEPS)) | set(points.ELSEWHERE) == points.in_sources()
    assert [name for name, test in points.ELSEWHERE.items() if not _passes(name, (PROJECT / test).read_text())] == []


def _passes(name: str, test: str) -> bool:
    """It names the point, or takes all that begin as it does."""
    return f'"{name}"' in test or f'in_sources() if name.startswith("{name.partition(".")[0]}.")' in test


def test_the_page_says_what_the_kept_book_says(tmp_path: Path) -> None:
    write_page(Book.read(RECORD), tmp_path / "page.md")
    assert PAGE.read_text() == (tmp_path / "page.md").read_text()


def test_the_sample_has_every_fault_and_every_row_that_a_minute_allows() -> None:
    trials = sampled(load_steps(STEPS), list(FAULTS), EVERY)
    assert {fault for _, fault, _ in trials} == set(FAULTS)
    # The others' trials train a network each, or need a server; that a request to forget is killed has a test of its own.
    assert {name for name, _, _ in trials} == {*STEPS} - {"checkpoint", "search", "forget", *ON_AWS}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_is_lost_or_doubled_in_a_sample(tmp_path: Path) -> None:
    """In a process of its own: it forks, which a process with threads had better not. A second slot would make a second one of
    each template and each twin."""
    command = [sys.executable, "-m", "tests.chaos", "--sample", "--every", str(EVERY), "--slots", "1"]
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=570, check=False)
    told = done.stdout[-6000:] + done.stderr[-3000:]
    assert done.returncode == 0, told
    assert "fail points that no trial passed" not in done.stdout, told
    found = re.search(r"(\d+) trials, (\d+) lost, (\d+) doubled, (\d+) unclear, (\d+) idle", done.stdout)
    assert found is not None, told
    assert int(found[1]) == len(sampled(load_steps(STEPS), list(FAULTS), EVERY))
    assert [int(number) for number in found.groups()[1:]] == [0, 0, 0, 0]
