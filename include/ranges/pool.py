"""Processes that make days beside each other. Days are pure: only publishing and the online store know an order."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Protocol

from include.core.digest import PROJECT
from include.core.environment import SETTINGS
from include.core.errors import JobFailedError
from include.core.partition import Partition
from include.core.settings import Settings
from include.core.time import ONE_DAY
from include.ranges.making import Failed, Made, Maker

TOGETHER = 16  # days that one process makes in a row: their look-back is read once
FINER = 96  # partitions finer than a day, of which a look-back has many
MOST = 8  # processes, however many processors there are: each holds the partitions of its days in memory
DAYS_A_WORKER = 8  # a process of its own takes about two seconds to start: not for fewer days


class Pool(Protocol):
    """`take` gives what became of the submitted days, in any order, one for each."""

    def submit(self, days: Sequence[Partition]) -> None: ...

    def take(self) -> Made | Failed: ...


class InProcess:
    """Makes a day when it is asked for."""

    def __init__(self, maker: Maker) -> None:
        self._maker, self._waiting = maker, deque[Generator[Made | Failed]]()

    def submit(self, days: Sequence[Partition]) -> None:
        self._waiting.append(self._maker.make(days))

    def take(self) -> Made | Failed:
        while (outcome := next(self._waiting[0], None)) is None:
            self._waiting.popleft()
        return outcome

    def close(self) -> None:
        for each in self._waiting:
            each.close()


class Workers:
    """A thread hands days to each process, and begins another process where one died."""

    def __init__(self, model: str, settings: Settings, fresh: str, count: int, together: int = TOGETHER) -> None:
        self._together = together
        self._command = [sys.executable, "-m", "include.ranges.worker", model, fresh]
        self._environ = _environ(settings)
        self._days: SimpleQueue[Sequence[Partition] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[Made | Failed] = SimpleQueue()
        self._processes: set[subprocess.Popen[str]] = set()
        self._closed = False
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, days: Sequence[Partition]) -> None:
        for start in range(0, len(days), self._together):
            self._days.put(days[start : start + self._together])

    def take(self) -> Made | Failed:
        return self._outcomes.get()

    def close(self) -> None:
        """End the processes, whatever they are at: what they had not committed is made by the next run."""
        self._closed = True
        for _ in self._threads:
            self._days.put(None)
        for process in list(self._processes):
            process.kill()
        for thread in self._threads:
            thread.join(10)

    def _serve(self) -> None:
        process: subprocess.Popen[str] | None = None
        while (days := self._days.get()) is not None and not self._closed:
            left = deque(days)
            while left and not self._closed:
                process = process if process is not None else self._start()
                for outcome in _answers(process, left):
                    self._outcomes.put(outcome)
                if left:  # it died over the first of them: the others are for the next process
                    day = left.popleft()
                    self._outcomes.put(Failed(day, _died(day, self._reap(process))))
                    process = None
        if process is not None:
            self._reap(process)

    def _start(self) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True, cwd=PROJECT, env=self._environ)
        self._processes.add(process)
        return process

    def _reap(self, process: subprocess.Popen[str]) -> int:
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        code = process.wait()
        if process.stdout is not None:
            process.stdout.close()
        self._processes.discard(process)
        return code


@contextmanager
def open_pool(maker: Maker, days: int, workers: int | None = None) -> Iterator[Pool]:
    """As many processes as there are processors and days for, and one more; this one alone where that is one. `workers`: so many
    instead."""
    count = min(_processes(os.cpu_count() or 1) if workers is None else workers, days // DAYS_A_WORKER)
    if (count <= 1 and workers is None) or count < 1:
        here = InProcess(maker)
        try:
            yield here
        finally:
            here.close()
        return
    together = TOGETHER if maker.spec.data.every >= ONE_DAY else FINER
    pool = Workers(maker.spec.name, maker.settings, maker.fresh, count, together)
    try:
        yield pool
    finally:
        pool.close()


def _processes(processors: int) -> int:
    """One more than there are processors, since one or the other waits for the disk: a day is some thirty writes to be synced."""
    return min(MOST, processors + 1) if processors > 1 else 1


def _answers(process: subprocess.Popen[str], days: deque[Partition]) -> Iterator[Made | Failed]:
    """What the process says of each day, which then is taken from `days`. It ends early if the process does."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{' '.join(map(str, days))}\n")
        process.stdin.flush()
        while days and (line := process.stdout.readline()).endswith("\n"):
            told = json.loads(line)
            days.popleft()
            yield Failed.from_json(told) if "error" in told else Made.from_json(told)
    except (OSError, ValueError):
        return


def _died(day: Partition, code: int) -> JobFailedError:
    how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
    return JobFailedError(
        f"The process that made {day} {how}.",
        safe="nothing of the day was published; the other days are made all the same.",
        hint="its last lines are in the task's log; a kill without words is most often the memory of the machine.",
    )


def _environ(settings: Settings) -> dict[str, str]:
    """This process's, with the settings it works by, and the places it imports from."""
    given = {variable.name: str(value) for name, variable in SETTINGS.items() if (value := getattr(settings, name))}
    return {**os.environ, **given, "PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), *sys.path]))}
