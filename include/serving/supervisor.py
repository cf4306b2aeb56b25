"""Several workers on one socket: the parent listens, forks, and replaces who dies. It serves nobody itself.

The socket is the parent's and its queue is shared: while a worker is replaced, the others take the connections that
wait. Workers are forked with the libraries already imported: a new one is ready in tenths of a second.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType

from include.serving.models.route_switch import SLOTS

log = logging.getLogger(__name__)
RESTART_SECONDS = 1.0  # between two starts of one slot, if the first ended at once
BACKLOG = 2048
Serve = Callable[[int, int], int]  # slot, and a file descriptor that ends when the parent does; returns the exit status


def listen(host: str, port: int) -> socket.socket:
    """Raises OSError where the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((host, port))
    made.listen(BACKLOG)
    made.setblocking(False)
    return made


class Supervisor:
    """Keeps `workers` processes alive until SIGTERM or SIGINT. `on_exit` gets the slot of each that died."""

    def __init__(self, serve: Serve, workers: int, on_exit: Callable[[int], None], drain_seconds: float) -> None:
        self._serve, self._on_exit, self._drain = serve, on_exit, drain_seconds
        self._slots = range(min(workers, SLOTS))
        self._processes: dict[int, int] = {}  # pid: slot
        self._started: dict[int, float] = {}
        self._stopping = False
        self._alive, self._held = os.pipe()  # the workers see its end when this process ends, however it ends

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for each in self._slots:
            self._fork(each)
        while self._processes:
            pid, status = os.waitpid(-1, 0)
            slot = self._processes.pop(pid, None)
            if slot is None:
                continue
            self._on_exit(slot)
            if not self._stopping:
                log.error("worker %d (pid %d) ended: %s; starting it again", slot, pid, _how(status))
                time.sleep(max(0.0, self._started[slot] + RESTART_SECONDS - time.monotonic()))
                self._fork(slot)
        return 0

    def _fork(self, slot: int) -> None:
        if self._stopping:
            return
        self._started[slot] = time.monotonic()
        pid = os.fork()
        if pid:
            self._processes[pid] = slot
            return
        status = 1
        try:
            os.close(self._held)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            status = self._serve(slot, self._alive)
        except BaseException:
            log.exception("worker %d failed", slot)
        finally:
            os._exit(status)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if not self._stopping:
            self._stopping = True
            timer = threading.Timer(self._drain, self._send, (signal.SIGKILL,))
            timer.daemon = True
            timer.start()
        self._send(signal.SIGTERM)

    def _send(self, number: int) -> None:
        for pid in list(self._processes):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit status {os.WEXITSTATUS(status)}"
