"""How far it is: an estimate that follows the machine, a bar on a terminal, and never silence where there is none."""

from __future__ import annotations

import io

import pytest

from include.demo.progress import QUIET, Course, Progress

BUDGET = {"set-up": 30.0, "start": 60.0, "features": 30.0, "v1": 60.0}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_phase_that_says_nothing_is_as_far_as_its_time() -> None:
    course = Course(BUDGET, {"set-up": 30.0}, phase="start")
    assert course.within(15) == pytest.approx(0.25)
    assert course.done(30) == pytest.approx(60 / 180)
    assert course.seconds_left(30) == pytest.approx(120)


def test_a_phase_over_its_budget_is_never_taken_as_done() -> None:
    course = Course(BUDGET, phase="v1")
    assert course.within(10_000) < 1
    assert course.seconds_left(10_000) > 0


def test_what_a_phase_says_of_itself_counts_more_than_its_time() -> None:
    course = Course(BUDGET, phase="features", share=0.8)
    assert course.within(1) == 0.8


def test_a_slow_machine_makes_the_rest_longer_and_a_slow_download_does_not() -> None:
    download = Course(BUDGET, {"set-up": 600.0}, aside="set-up", phase="features")
    assert download.seconds_left(0) == pytest.approx(150 - 0)
    slow = Course(BUDGET, {"set-up": 30.0, "start": 180.0}, aside="set-up", phase="features")
    assert slow.seconds_left(0) == pytest.approx(2 * 90)


def test_without_a_terminal_a_line_comes_only_after_a_silence(clock: Clock) -> None:
    out = io.StringIO()
    progress = Progress(Course(BUDGET), out, clock)
    progress.begin("start")
    clock.now = QUIET - 1
    progress.tick()
    assert out.getvalue() == ""
    clock.now = QUIET + 20
    progress.tick()
    progress.tick()
    assert out.getvalue().splitlines() == ["[   30 s] ####--------------------  17%  start, about 2:30 left"]


def test_a_line_wipes_the_bar_off_a_terminal_and_the_bar_follows_below(clock: Clock) -> None:
    out = Terminal()
    progress = Progress(Course(BUDGET, {"set-up": 30.0, "start": 60.0}), out, clock)
    progress.begin("features")
    progress.reach(0.5, "27 of 55 days")
    progress.tick()
    progress.line("version 1 promoted")
    progress.tick()
    bar = "##############----------  58%  features: 27 of 55 days, about 1:15 left"
    assert out.getvalue() == f"{bar}\r\x1b[K[    0 s] version 1 promoted\n{bar}"


def test_it_never_goes_back_within_a_phase_and_begins_anew_with_the_next(clock: Clock) -> None:
    progress = Progress(Course(BUDGET), io.StringIO(), clock)
    progress.begin("features")
    progress.reach(0.6)
    progress.reach(0.2)
    assert progress.course.share == 0.6
    progress.end("features", 20.0)
    progress.begin("v1")
    assert (progress.course.share, progress.course.took) == (0.0, {"features": 20.0})


def test_its_thread_draws_while_the_caller_waits_and_leaves_a_clean_line() -> None:
    out = Terminal()
    with Progress(Course(BUDGET), out) as progress:
        progress.begin("start")
        progress.tick()
    assert out.getvalue().endswith("\r\x1b[K")
