"""Gateways that are forked from a process which has imported what they need: a second of processor time less each.

What a forked one runs is what `python -m include.gateway` runs, in the environment that it is given;
tests/contract/test_gateway.py starts one as a person does. Run by the tests: `python -m tests.support.warm_gateway`.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from include.core.digest import PROJECT

IMPORTED = (
    "include.gateway.host", "include.gateway.build", "include.backends.onnx.model", "include.backends.sqlite.online_store",
    "include.features.online.freshness", "include.features.online.presence", "include.features.online.pushed",
    "include.features.skew.findings", "include.monitoring.alarm", "httptools", "uvloop",
)  # fmt: skip
POLL_SECONDS = 0.02


class Forked:
    """A gateway as `subprocess.Popen` would have it."""

    def __init__(self, nest: Nest, pid: int) -> None:
        self._nest, self.pid = nest, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._nest.ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        until = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired("include.gateway", timeout or 0.0)
            time.sleep(POLL_SECONDS)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nest:
    """The process that they are forked from; it starts with the first one, and ends with the process of the tests."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._turn = threading.Lock()

    def start(self, arguments: Sequence[str], environ: Mapping[str, str], log: Path) -> Forked:
        return Forked(self, self.ask({"arguments": list(arguments), "environ": dict(environ), "log": str(log)}))

    def ask(self, question: Mapping[str, Any]) -> Any:
        with self._turn:
            if self._process is None:
                command = [sys.executable, "-m", "tests.support.warm_gateway"]
                pipe = subprocess.PIPE
                self._process = subprocess.Popen(command, cwd=PROJECT, stdin=pipe, stdout=pipe, text=True)
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(f"{json.dumps(question)}\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())


NEST = Nest()


# -- the process -----------------------------------------------------------------------------------------


def main() -> None:
    for name in IMPORTED:
        import_module(name)
    gc.freeze()  # else the first look for garbage in a child copies every page of what was imported
    for line in sys.stdin:
        question = json.loads(line)
        if "poll" in question:
            answer = _status(question["poll"])
        else:
            answer = os.fork() or _be_gateway(question["arguments"], question["environ"], question["log"])
        print(json.dumps(answer), flush=True)


def _status(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _be_gateway(arguments: list[str], environ: dict[str, str], log: str) -> NoReturn:
    """In the child."""
    status = 1
    try:
        _move_in(environ, log)
        from include.gateway.host import main as serve

        sys.argv = ["include.gateway", *arguments]
        status = serve()
    except SystemExit as end:
        status = _told(end)
    except BaseException:  # noqa: BLE001 - as the interpreter does at the end of a program
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _move_in(environ: dict[str, str], log: str) -> None:
    nothing, out = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for handle, number in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(handle, number)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    tempfile.tempdir = None
    sys.path[1:1] = [place for place in environ.get("PYTHONPATH", "").split(os.pathsep) if place]


def _told(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)
    return 1


if __name__ == "__main__":
    main()
