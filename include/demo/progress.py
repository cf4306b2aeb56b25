"""How far the demonstration is: a bar with an estimate on a terminal, a plain line now and then where there is none."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Self, TextIO

QUIET = 10.0  # seconds without a line after which a plain one says how far it is
REDRAW = 0.5  # seconds between two bars
WIDTH = 24  # characters of the bar
UNSEEN = 0.95  # of a phase, at most, is taken as done from its time alone
PRIOR = 60.0  # seconds of budget that a machine is thought to keep before it has shown how fast it is


@dataclass
class Course:
    """The phases with their budgets in seconds, what the finished ones took, and how far the present one is.

    A phase that says nothing of itself is as far as its time is along its budget.
    """

    budget: Mapping[str, float]
    took: dict[str, float] = field(default_factory=dict)
    aside: str = ""  # a phase that tells nothing of the machine's pace, as a download
    phase: str = ""
    share: float = 0.0  # of the present phase, as far as it is known
    words: str = ""  # what it does now

    def within(self, elapsed: float) -> float:
        """How much of the present phase is done, 0 to 1."""
        if self.phase not in self.budget:
            return 0.0
        return max(self.share, min(UNSEEN, elapsed / (self.budget[self.phase] * self.pace())))

    def done(self, elapsed: float) -> float:
        """How much of all is done, 0 to 1, by the budgets."""
        total = sum(self.budget.values())
        return (self._finished() + self.within(elapsed) * self.budget.get(self.phase, 0.0)) / total

    def seconds_left(self, elapsed: float) -> float:
        """By the budgets of what is left, at the pace of what is done; what takes longer than thought goes on a little."""
        present = self.budget.get(self.phase, 0.0)
        later = sum(self.budget.values()) - self._finished() - present
        return ((1 - self.within(elapsed)) * present + later) * self.pace()

    def pace(self) -> float:
        """What the finished phases took, over what they were to take."""
        telling = [name for name in self._known() if name != self.aside]
        took, budget = (sum(of[name] for name in telling) for of in (self.took, self.budget))
        return (took + PRIOR) / (budget + PRIOR)

    def _known(self) -> list[str]:
        return [name for name in self.budget if name in self.took and name != self.phase]

    def _finished(self) -> float:
        return sum(self.budget[name] for name in self._known())


class Progress:
    """Prints lines, and below them how far it is. Used as a context: a thread draws while the caller waits for Airflow."""

    def __init__(self, course: Course, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.course, self.out, self.clock = course, out or sys.stdout, clock
        self.began = self.phase_began = self.said = clock()
        self.drawn = False
        self._lock, self._stop = Lock(), Event()
        self._thread = Thread(target=self._draw_on, daemon=True, name="progress")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        with self._lock:
            self._wipe()

    def begin(self, phase: str) -> None:
        with self._lock:
            self.course.phase, self.course.share, self.course.words, self.phase_began = phase, 0.0, "", self.clock()

    def end(self, phase: str, seconds: float) -> None:
        with self._lock:
            self.course.took[phase] = seconds
            self.course.phase, self.course.share, self.course.words = "", 0.0, ""

    def reach(self, share: float, words: str = "") -> None:
        """The present phase is so far (0 to 1), and does this now. It never goes back."""
        with self._lock:
            self.course.share = max(self.course.share, min(share, 1.0))
            self.course.words = words or self.course.words

    def line(self, text: str) -> None:
        """A line of its own, above the bar."""
        with self._lock:
            self._wipe()
            self._print(text)

    def status(self) -> str:
        """`###------  31 %  v1: training   about 2:50 left`"""
        elapsed = self.clock() - self.phase_began
        share = self.course.done(elapsed)
        full = round(share * WIDTH)
        what = ": ".join(filter(None, (self.course.phase, self.course.words))) or "starting"
        left = max(1, round(self.course.seconds_left(elapsed)))
        return f"{'#' * full}{'-' * (WIDTH - full)} {share:4.0%}  {what}, about {left // 60}:{left % 60:02d} left"

    def tick(self) -> None:
        """Draw the bar anew; without a terminal, a plain line if nothing was said for a while."""
        with self._lock:
            if self.out.isatty():
                self._wipe()
                self.out.write(self.status()[: shutil.get_terminal_size().columns - 1])
                self.out.flush()
                self.drawn = True
            elif self.clock() - self.said >= QUIET:
                self._print(self.status())

    def _draw_on(self) -> None:
        while not self._stop.wait(REDRAW):
            self.tick()

    def _print(self, text: str) -> None:
        print(f"[{self.clock() - self.began:5.0f} s] {text}", file=self.out, flush=True)
        self.said = self.clock()

    def _wipe(self) -> None:
        if self.drawn:
            self.out.write("\r\x1b[K")
            self.drawn = False
