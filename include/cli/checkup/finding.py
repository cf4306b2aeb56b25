"""What a check says: one line for a person, and what to do where something is not as it should be."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from include.core.errors import SlipstreamError, one_line


class Level(IntEnum):
    """From good to bad."""

    OK = 0
    WARNING = 1
    PROBLEM = 2

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Finding:
    level: Level
    about: str
    """What was looked at: `mlflow`, `disk` ..."""
    words: str
    next: str = ""
    """What to do; empty where nothing is to be done."""


Check = Callable[[], Iterable[Finding]]


def ok(about: str, words: str) -> Finding:
    return Finding(Level.OK, about, words)


def warning(about: str, words: str, next: str) -> Finding:
    return Finding(Level.WARNING, about, words, next)


def problem(about: str, words: str, next: str) -> Finding:
    return Finding(Level.PROBLEM, about, words, next)


def run_all(checks: Mapping[str, Check], seconds: float) -> list[Finding]:
    """All checks at once, in the order given. One that fails, or is not done in time, is a finding as well."""
    done: dict[str, queue.SimpleQueue[list[Finding]]] = {name: queue.SimpleQueue() for name in checks}
    until = threading.Event()
    timer = threading.Timer(seconds, until.set)
    timer.daemon = True
    timer.start()
    for name, check in checks.items():  # daemons: one that hangs does not keep the command from ending
        threading.Thread(target=_run, args=(name, check, done[name]), daemon=True).start()
    try:
        return [finding for name in checks for finding in _wait(name, done[name], until, seconds)]
    finally:
        timer.cancel()


def _wait(name: str, results: queue.SimpleQueue[list[Finding]], until: threading.Event, seconds: float) -> list[Finding]:
    while True:
        try:
            return results.get(timeout=0.05)
        except queue.Empty:
            if until.is_set() and results.empty():
                return [
                    problem(name, f"was not looked at to its end within {seconds:g} s.", "see whether it hangs, or try again.")
                ]


def _run(name: str, check: Check, results: queue.SimpleQueue[list[Finding]]) -> None:
    try:
        results.put(list(check()))
    except SlipstreamError as error:
        results.put([problem(name, one_line(error.what), error.hint)])
    except Exception as error:  # noqa: BLE001 - what is broken here is what the command is to tell
        results.put([problem(name, one_line(f"could not be looked at: {type(error).__name__}: {error}"), "report it.")])
