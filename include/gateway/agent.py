"""`python -m include.gateway.agent --alive FD`: the process beside a gateway's workers that does what no request waits for.

It does *duties*, each in a thread of its own at its interval: one that fails is logged, counted and tried again, and holds up no
other. One agent works for a home, however many gateways and workers use it: the others wait for its lock. It sees its
gateway's end, kill -9 included, by a pipe that the gateway and its workers hold open; every duty is then done a last time.
include/gateway/agent_keeper.py is the gateway's end.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from include.core import error_reports, logs
from include.core.errors import one_line
from include.prediction_log.compactor import LogCompactor
from include.prediction_log.entity_keys import EntityKeys
from include.prediction_log.shared import SharedLog
from include.prediction_log.shipping import Limits, LogShipper
from include.rollout.evidence_publisher import EvidencePublisher, source_of
from include.services.services import Services
from include.serving.target import GATEWAY, served_by
from include.serving.telemetry.agent_report import Report

log = logging.getLogger(__name__)
COMMAND = (sys.executable, "-m", "include.gateway.agent")
NAME = "gateway-agent"  # of the process, where programs show names
LOCK = "agent.lock"
NICE = 10  # the gateway's workers come first on a busy machine
FIRST_SECONDS = 1.0  # before a duty is done first: the workers are starting
LOCK_SECONDS = 1.0  # between two looks whether another agent of the home has ended
REPORT_SECONDS = 2.0
RETRY_SECONDS = 30.0  # the longest that a duty which fails waits, unless its own interval is longer
LAST_SECONDS = 10.0  # for all duties' last time together


class Duty(Protocol):
    """Something that is done again and again."""

    name: str
    every: float
    """Seconds between two times."""

    def run(self) -> None:
        """Once. Whatever it raises is counted and logged, and it is tried again."""


@runtime_checkable
class Ending(Protocol):
    """A duty that does something else the last time, when its gateway has ended."""

    def end(self) -> None: ...


def duties(services: Services) -> list[Duty]:
    """What an agent does over those services."""
    settings = services.settings
    shared = SharedLog(settings.home, services.storage)
    limits = Limits.from_env(settings.environ)
    return [
        LogShipper(shared, limits, settings.environ),
        LogCompactor(shared),
        EntityKeys(shared, settings.environ),
        EvidencePublisher(
            lambda: services.control, settings.home, lambda: source_of(settings), served_by(GATEWAY, services.spec)
        ),
    ]


class Agent:
    """Does duties until `ended` is set, then each a last time."""

    def __init__(self, work: Sequence[Duty], ended: threading.Event, report: Report, last_seconds: float = LAST_SECONDS) -> None:
        self._work, self._ended, self._report, self._last = work, ended, report, last_seconds

    def run(self) -> None:
        threads = [threading.Thread(target=self._keep_doing, args=(duty,), name=duty.name, daemon=True) for duty in self._work]
        for thread in threads:
            thread.start()
        self._report.write()
        while not self._ended.wait(REPORT_SECONDS):
            self._report.write()
        until = time.monotonic() + self._last
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        late = [thread.name for thread in threads if thread.is_alive()]
        if late:
            log.warning("the gateway has ended, and was not waited for longer: %s; the next agent goes on", ", ".join(late))
        self._report.write()

    def _keep_doing(self, duty: Duty) -> None:
        wait, failures = min(duty.every, FIRST_SECONDS), 0
        while not self._ended.wait(wait):
            failures = 0 if self._once(duty.name, duty.run, failures) else failures + 1
            wait = duty.every if not failures else _pause(duty.every, failures)
        self._once(duty.name, duty.end if isinstance(duty, Ending) else duty.run, failures)

    def _once(self, name: str, work: Callable[[], None], failures: int) -> bool:
        """Whether it went well. The first failure of several is logged, and the end of them."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - nothing may end this process, and no duty another
            self._report.failed(name, one_line(error))
            if not failures:
                log.warning("%s failed, and is tried again: %s", name, one_line(error))
            return False
        self._report.done(name)
        if failures:
            log.info("%s works again after %d failures", name, failures)
        return True


def _pause(every: float, failures: int) -> float:
    """Seconds until a duty that failed so often in a row is tried again."""
    doubled: float = every * 2.0 ** min(failures, 10)
    return max(every, min(doubled, RETRY_SECONDS))


def watch(alive: int) -> threading.Event:
    """Set once nobody holds the other end of the pipe any more."""
    ended = threading.Event()

    def look() -> None:
        with contextlib.suppress(OSError):
            while os.read(alive, 1):
                pass
        ended.set()

    threading.Thread(target=look, name="gateway", daemon=True).start()
    return ended


def locked(home: Path, ended: threading.Event) -> int | None:
    """The lock of the home's one agent, held as long as the descriptor is open; None where the gateway ended before."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except BlockingIOError:
            if ended.wait(LOCK_SECONDS):
                os.close(handle)
                return None


def work(alive: int, find: Callable[[Services], Sequence[Duty]] = duties) -> int:
    """An agent's life, in a process that does nothing else. Returns its exit status."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # it ends when its gateway has: there is still work then
    _show_name()
    os.nice(NICE)
    ended = watch(alive)
    services = Services.from_env()
    lock = locked(services.settings.home, ended)
    if lock is not None:
        Agent(find(services), ended, Report(services.settings.home)).run()
    return 0


def _show_name() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(NAME)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="include.gateway.agent")
    parser.add_argument("--alive", type=int, required=True, help="a pipe whose other end its gateway holds")
    logs.configure("agent")
    error_reports.start("agent")
    os.umask(0o077)
    return work(parser.parse_args(argv).alive)


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    os._exit(status)  # a duty that hangs in a store's library holds up nobody
