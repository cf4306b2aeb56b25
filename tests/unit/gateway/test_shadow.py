"""The command of the shadow's process, as the gateway's end starts it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from include.gateway.shadow import COMMAND
from include.serving.shadow import Copy, Shadow
from include.serving.telemetry.counters import ARENA, Metrics
from include.serving.telemetry.shared_memory import SharedMemory


@pytest.mark.lives
def test_it_takes_what_the_gateway_hands_it_and_ends_with_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path))
    memory, started = SharedMemory(2 * ARENA), []
    popen = subprocess.Popen

    def kept(*given: object, **named: object) -> object:
        started.append(popen(*given, **named))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr("include.serving.shadow.subprocess.Popen", kept)
    shadow = Shadow(Metrics(memory, 0), memory, 1, COMMAND)
    shadow.offer("nobody", [Copy(1, "a", "0" * 16, 1, 0.5, 1, {})])
    shadow.stop(seconds=120)
    assert [process.returncode for process in started] == [0], capfd.readouterr().err
