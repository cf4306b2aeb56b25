"""The gateway's end of its agent (include/gateway/agent.py): started with the gateway, started again when it dies.

The first one is forked from the gateway's first process, before that has threads: it costs no import, and the start of the
gateway does not wait for it. Later ones, and those of a process that has threads already, are programs of their own.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence

from include.gateway import agent

log = logging.getLogger(__name__)
RESTART_SECONDS, LONGEST_SECONDS = 1.0, 60.0  # between two starts: doubled while it dies at once
LIVED_SECONDS = 60.0  # one that lived so long did not die at once
STOP_SECONDS = agent.LAST_SECONDS + 2.0


class AgentKeeper:
    """Keeps one agent alive until `stop`. Workers that are forked later hold its pipe open, too: it outlives them all."""

    def __init__(self, command: Sequence[str] = agent.COMMAND, work: Callable[[int], int] = agent.work) -> None:
        """`work` is what a forked agent does with its end of the pipe; `command` runs one that is a program of its own."""
        self._command, self._work = command, work
        self._alive, self._held = os.pipe()
        self._spawning = threading.Lock()
        self._stopping = threading.Event()
        self._pid = 0
        self._thread: threading.Thread | None = None

    def start(self, alone: bool = False) -> None:
        """At once. `alone`: this process has no threads yet, of any library, so that it may be forked."""
        # A worker that is forked while a program is being started would hold that start's own pipe open.
        os.register_at_fork(
            before=self._spawning.acquire, after_in_parent=self._spawning.release, after_in_child=self._spawning.release
        )
        process = None if alone and threading.active_count() == 1 and self._fork() else self._spawn()
        self._thread = threading.Thread(target=self._keep, args=(process,), name="agent-keeper", daemon=True)
        self._thread.start()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Let it work a last time, for at most that long. What it has not done by then the next agent of the home does."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            os.close(self._held)
        if self._thread is None:
            return
        self._thread.join(seconds)
        if self._thread.is_alive():
            log.warning("the agent was not done within %g s: the next one of this home goes on", seconds)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._thread.join(seconds)

    def _keep(self, process: subprocess.Popen[bytes] | None) -> None:
        pause = RESTART_SECONDS
        while True:
            started = time.monotonic()
            _wait(self._pid, process)
            if self._stopping.is_set():
                return
            pause = RESTART_SECONDS if time.monotonic() - started > LIVED_SECONDS else min(2 * pause, LONGEST_SECONDS)
            log.error("the agent (pid %d) ended; it is started again in %g s", self._pid, pause)
            if self._stopping.wait(pause):
                return
            try:
                process = self._spawn()
            except OSError as error:  # no memory, no processes left
                log.error("the agent could not be started: %s", error)

    def _fork(self) -> bool:
        pid = os.fork()
        if pid:
            self._pid = pid
            return True
        status = 1
        try:
            os.close(self._held)
            status = self._work(self._alive)
        except BaseException:
            log.exception("the agent failed")
        finally:
            logging.shutdown()
            os._exit(status)

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._spawning:
            process = subprocess.Popen([*self._command, "--alive", str(self._alive)], pass_fds=(self._alive,))
        self._pid = process.pid
        return process


def _wait(pid: int, process: subprocess.Popen[bytes] | None) -> None:
    """Until it has ended, whoever in this process is told so: a supervisor waits for any child."""
    if process is not None:
        process.wait()
        return
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
