"""Processes that make days beside each other. Days are pure: only publishing and the online store know an order."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from queue import SimpleQueue
from typing import Protocol

from include.core.digest import PROJECT
from include.core.environment import SETTINGS
from include.core.errors import JobFailedError
from include.core.settings import Settings
from include.ranges.making import Failed, Made, Maker

DAYS_A_WORKER = 4  # a process of its own takes about two seconds to start: not for fewer days


class Pool(Protocol):
    """`take` gives what became of the submitted days, in any order, one for each `submit`."""

    def submit(self, day: date) -> None: ...

    def take(self) -> Made | Failed: ...


class InProcess:
    """Makes a day when it is asked for."""

    def __init__(self, maker: Maker) -> None:
        self._maker, self._waiting = maker, deque[date]()

    def submit(self, day: date) -> None:
        self._waiting.append(day)

    def take(self) -> Made | Failed:
        return self._maker.make(self._waiting.popleft())


class Workers:
    """A thread hands days to each process, and begins another process where one died."""

    def __init__(self, model: str, settings: Settings, fresh: str, count: int) -> None:
        self._command = [sys.executable, "-m", "include.ranges.worker", model, fresh]
        self._environ = _environ(settings)
        self._days: SimpleQueue[date | None] = SimpleQueue()
        self._outcomes: SimpleQueue[Made | Failed] = SimpleQueue()
        self._processes: set[subprocess.Popen[str]] = set()
        self._closed = False
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, day: date) -> None:
        self._days.put(day)

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
        while (day := self._days.get()) is not None and not self._closed:
            process = process if process is not None else self._start()
            outcome = _ask(process, day)
            if outcome is None:
                outcome, process = Failed(day, _died(day, self._reap(process))), None
            self._outcomes.put(outcome)
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
    """As many processes as there are processors and days for; this one alone where that is one. `workers`: so many at most."""
    count = min(workers if workers is not None else os.cpu_count() or 1, days // DAYS_A_WORKER)
    if (count <= 1 and workers is None) or count < 1:
        yield InProcess(maker)
        return
    pool = Workers(maker.spec.name, maker.settings, maker.fresh, count)
    try:
        yield pool
    finally:
        pool.close()


def _ask(process: subprocess.Popen[str], day: date) -> Made | Failed | None:
    """What the process says of a day; None if it died over it."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{day}\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except (OSError, ValueError):
        return None
    if not line.endswith("\n"):
        return None
    told = json.loads(line)
    return Failed.from_json(told) if "error" in told else Made.from_json(told)


def _died(day: date, code: int) -> JobFailedError:
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
