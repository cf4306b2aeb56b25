"""Processes that outlived their component: a killed server's children, or a killed supervisor's."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from include.core.environment import PLATFORM, RAY_JOB
from include.core.scratch import mark
from include.local.platform import Platform

GRACE = 5.0  # seconds between asking and killing


def replace(platform: Platform, name: str) -> None:
    """Remove what earlier processes of this component left, and record this one as its group's leader."""
    folder = platform.run / "groups"
    folder.mkdir(parents=True, exist_ok=True)
    for record in folder.glob(f"{name}.*.json"):
        for process in _group(platform, record):
            if not _busy(process):
                _send(process, signal.SIGKILL)  # nothing waits for them, and the new server wants their ports
        if not _group(platform, record):
            record.unlink(missing_ok=True)
    if name == "ray":
        for process in _ray_jobs(platform):
            _send(process, signal.SIGKILL)  # the new head does not know them, and is given their names again
    record = folder / f"{name}.{os.getpid()}.json"
    known = {"group": os.getpgid(0), "started": psutil.Process().create_time(), "of": _whose(platform)}
    record.write_text(json.dumps(known))


def find(platform: Platform) -> list[psutil.Process]:
    """All processes of every recorded group, their descendants, and jobs that outlived their Ray head."""
    found: dict[int, psutil.Process] = {process.pid: process for process in _ray_jobs(platform)}
    for record in (platform.run / "groups").glob("*.json"):
        for member in _group(platform, record):
            for process in (member, *_children(member)):
                found[process.pid] = process
    return list(found.values())


def stop(processes: Iterable[psutil.Process]) -> int:
    """Ask each to end, then kill. Returns how many there were."""
    alive = [process for process in processes if process.pid != os.getpid()]
    for process in alive:
        _send(process, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(alive, timeout=GRACE)
    for process in stubborn:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=GRACE)
    return len(alive)


def _whose(platform: Platform) -> str:
    """The home and the machine: in a home that was copied, the records name another's processes, or strangers'."""
    return f"{platform.digest}-{mark().partition('-')[0]}"


def _group(platform: Platform, record: Path) -> list[psutil.Process]:
    """Live members of a recorded group. A number that the kernel gave to a later process is not ours."""
    try:
        known = json.loads(record.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return []
    if known.get("of", _whose(platform)) != _whose(platform):
        return []
    group, started = int(known["group"]), float(known["started"])
    try:
        if psutil.Process(group).create_time() > started + 1:
            return []
    except psutil.NoSuchProcess:
        pass  # the leader is gone, its children are not
    return [process for process in psutil.process_iter() if _group_of(process) == group and _created(process) >= started - 1]


def _group_of(process: psutil.Process) -> int:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return -1


def _created(process: psutil.Process) -> float:
    try:
        return float(process.create_time())
    except psutil.Error:
        return 0.0


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def _ray_jobs(platform: Platform) -> Iterator[psutil.Process]:
    """Each leads a session of its own, so no recorded group has it.

    Ray 2.60 starts a watcher with each, which is to kill it once its supervising actor is gone. After a SIGKILL of the
    head, two jobs of two were still alive 23 s later, beside their successors.
    """
    for process in psutil.process_iter():
        try:
            environ = process.environ()
        except psutil.Error:
            continue
        if PLATFORM.read(environ) == platform.digest and RAY_JOB.is_set(environ):
            yield process


def _busy(process: psutil.Process) -> bool:
    """A worker of a killed scheduler that still runs a task may finish it; `down` ends it otherwise."""
    try:
        title = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return title.startswith(("airflow worker", "airflow task")) and "<idle>" not in title


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)
