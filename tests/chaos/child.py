"""Real processes for a trial: forked from a parent that has imported everything, so each starts in milliseconds."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from include.core import fault
from include.core.fault import Fault

PATIENCE = 120.0  # seconds; a child that takes longer hangs
POLL = 0.004


@dataclass(frozen=True)
class Ended:
    """How a child ended: with a value, with an error, or killed."""

    value: Any = None
    error: str = ""  # the class of the exception
    kinds: tuple[str, ...] = ()  # that class and its bases
    text: str = ""
    killed: bool = False
    hung: bool = False

    @property
    def ok(self) -> bool:
        return not (self.error or self.killed or self.hung)

    @property
    def permanent(self) -> bool:
        """The DAGs' retry policy fails the task at once."""
        return "PermanentError" in self.kinds and "FencedError" not in self.kinds

    @property
    def skipped(self) -> bool:
        return "AirflowSkipException" in self.kinds


@dataclass
class Child:
    pid: int
    out: Path
    log: Path
    ended: Ended | None = field(default=None)

    def poll(self) -> Ended | None:
        """How it ended, or None while it runs (or is stopped)."""
        if self.ended is None:
            pid, _ = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.ended = self._read()
        return self.ended

    def wait(self, patience: float = PATIENCE) -> Ended:
        until = time.monotonic() + patience
        while (ended := self.poll()) is None:
            if time.monotonic() > until:
                self.kill()
                self.ended = Ended(hung=True, text=f"no end after {patience:.0f} s: {tail(self.log)}")
                return self.ended
            time.sleep(POLL)
        return ended

    def stopped(self) -> bool:
        """Whether it lies there, stopped by SIGSTOP."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        except FileNotFoundError:
            return False

    def wake(self) -> None:
        if self.ended is None:
            os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """The process and whatever it started in its group."""
        if self.ended is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:  # so young that it leads no group yet
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.ended = Ended(killed=True)

    def end(self, patience: float = 10.0) -> None:
        """Ask it to end, as a supervisor does; kill it if it does not."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
            self.wait(patience)

    def _read(self) -> Ended:
        if not self.out.exists():
            return Ended(killed=True, text=tail(self.log))
        body = json.loads(self.out.read_text())
        body["kinds"] = tuple(body.get("kinds", ()))
        return Ended(**body)


def fork(function: Callable[[], Any], environ: Mapping[str, str], out: Path, armed: Fault | None = None) -> Child:
    """Call `function` in a forked process, a session of its own, with that environment and that fault."""
    log = out.with_suffix(".log")
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Child(pid, out, log)
    status = 1
    try:
        os.setsid()
        _redirect(log)
        os.environ.clear()
        os.environ.update(environ)
        tempfile.tempdir = None  # the parent's answer is not this child's TMPDIR
        fault.arm(armed)
        body = _call(function)
        fault.arm(None)
        half = out.with_suffix(".half")
        half.write_text(json.dumps(body))
        half.rename(out)
        status = 0
    finally:
        os._exit(status)  # no atexit of the parent's, no flush of what it had buffered


def _call(function: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"value": function()}
    except BaseException as error:  # noqa: BLE001 - whatever a task dies of is what the harness asks about
        traceback.print_exc()
        kinds = [kind.__name__ for kind in type(error).__mro__]
        return {"error": type(error).__name__, "kinds": kinds, "text": str(error)}
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _redirect(log: Path) -> None:
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(handle, stream)
    os.close(handle)


def tail(log: Path, size: int = 1500) -> str:
    return log.read_text(errors="replace")[-size:] if log.exists() else ""
