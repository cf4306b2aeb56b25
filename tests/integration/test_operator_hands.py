"""A sample of what an operator's hand may do, under a real Airflow: `make hands` is the whole of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.core.digest import PROJECT
from include.core.reference import load
from include.core.request import Request
from tests.hands.__main__ import PAGE, RECORD
from tests.hands.cells import ACTIONS, EVENTS, STATES, absent, matrix, sample, tasks_of
from tests.hands.record import MARK, NEXT, counted, merge, put_into_page, read, section, total, write
from tests.hands.run import models_for
from tests.hands.specs import KINDS, dag_of
from tests.hands.toys import JOBS, held_first
from tests.hands.trial import Verdict
from tests.hands.world import DAGS
from tests.support.airflow_world import World
from tests.support.shared_airflow import SharedAirflow


@pytest.fixture(scope="module")
def world(shared_airflow: SharedAirflow) -> Iterator[World]:
    with shared_airflow.serving(DAGS, *map(dag_of, models_for(sample(), spread=True))) as world:
        yield world


def test_every_task_of_every_dag_meets_every_action() -> None:
    cells = {(cell.kind, cell.task, cell.action) for cell in matrix()}
    for kind in KINDS:
        for task in tasks_of(kind):
            for action in ACTIONS:
                assert ((kind, task.task_id, action) in cells) != bool(absent(kind, task, action))
    assert {("rollout", "", event) for event in EVENTS} <= cells


def test_the_whole_matrix_has_every_state_that_comes_up() -> None:
    whole, drawn = list(matrix(whole=True)), list(matrix())
    assert set(drawn) < set(whole)
    assert {cell.state for cell in drawn if cell.task} == set(STATES)
    stages = {cell.task for cell in whole if cell.kind == "rollout" and cell.state == "waiting"}
    assert stages == {"shadow", "canary_50", "full_100"}
    waiting = {cell.task for cell in whole if cell.state == "waiting"}
    assert waiting - stages == {"wait_for_partition", "tune", "train", "score"}


def test_a_job_that_a_trial_cannot_hold_is_noticed() -> None:
    functions = {task.function for kind in KINDS for task in tasks_of(kind) if getattr(task, "where", "") == "job"}
    assert functions == set(JOBS)
    for function, held in JOBS.items():
        asked = held_first(lambda *given, function=function: Request("step", function, "shop"))(None, None, None)
        assert asked.function == held
        assert callable(load(held))


def test_the_page_takes_the_section_and_the_newer_run_of_a_cell_counts(tmp_path: Path) -> None:
    first, *others = matrix(["scoring"])
    old = counted([Verdict(first, findings=["lost: it"]), *map(Verdict, others)], "aaa, 2026-01-01")
    write(old, record := tmp_path / "hands.json")
    book = merge(read(record), counted([Verdict(first)], "bbb, 2026-01-02"))
    assert (total(book).trials, total(book).lost) == (len(others) + 1, 0)
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{NEXT}\n\n- much\n")
    for _ in range(2):
        put_into_page(section(book), page)
    text = page.read_text()
    assert text.count(MARK) == text.count(NEXT) == 1
    assert "| scoring score | 1: 0/0/0 |" in text
    assert "| rollout open | · |" in text
    assert f"({len(others)} of aaa, 2026-01-01; 1 of bbb, 2026-01-02)" in text
    assert text.startswith("# Page")
    assert text.endswith("- much\n")


def test_the_page_has_what_the_record_has() -> None:
    """The record is kept with the page: rows that one machine runs leave those of another as they are."""
    assert section(read(RECORD)) in PAGE.read_text()


def test_the_sample_is_of_the_matrix() -> None:
    assert set(sample()) < set(matrix(whole=True))
    assert len({cell.action for cell in sample()}) == len(sample())


@pytest.mark.slow
def test_nothing_is_lost_doubled_or_silent_in_a_sample(world: World) -> None:
    """In a process of its own, with services of its own."""
    command = [sys.executable, "-m", "tests.hands", "--sample", "--home", str(world.platform.home)]
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=900, check=False)
    told = done.stdout[-6000:] + done.stderr[-3000:]
    found = re.search(r"(\d+) trials, (\d+) lost, (\d+) doubled, (\d+) silent", done.stdout)
    assert found is not None, told
    assert [int(number) for number in found.groups()] == [len(sample()), 0, 0, 0], told
    assert done.returncode == 0, told
