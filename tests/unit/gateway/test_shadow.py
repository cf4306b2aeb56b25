"""The shadow's process takes what the gateway starts it with."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from include.gateway import shadow as process
from include.serving import shadow
from include.serving.shadow import Shadow
from include.serving.telemetry.counters import ARENA, Metrics
from include.serving.telemetry.shared_memory import SharedMemory


def test_the_process_reads_every_option_that_the_gateway_gives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(shadow.subprocess, "Popen", lambda command, **_: started.append(command))
    memory = SharedMemory(2 * ARENA)
    ours, theirs = socket.socketpair()
    end = theirs.fileno()
    parent: Any = Shadow(Metrics(memory, 0), memory, 1, process.COMMAND)
    parent._spawn(theirs)
    options = process._options(started[0][len(process.COMMAND) :])
    assert (options.socket, options.memory, options.arena) == (end, memory.fd, 1)
    ours.close()
