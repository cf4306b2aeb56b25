"""The warm plugin: only in the scheduler, never in the way."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

PLUGIN = Path(__file__).parents[3] / "plugins" / "slipstream_warm.py"


class Job:
    """Stands for airflow.jobs.job.Job: the listener looks at the name of the class."""


@pytest.fixture
def plugin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("slipstream_warm", PLUGIN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def asked(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(plugin, "warm", calls.append)
    monkeypatch.delenv("SLIPSTREAM_WARM", raising=False)
    return calls


def start(plugin: ModuleType, component: object) -> None:
    plugin.SlipstreamWarmPlugin.listeners[0].on_starting(component)


def test_the_scheduler_imports(plugin: ModuleType, asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["airflow", "scheduler", "--skip-serve-logs"])
    start(plugin, Job())
    assert asked == [plugin.LIBRARIES]


@pytest.mark.parametrize("command", ["triggerer", "dag-processor", "task"])
def test_nothing_else_imports(
    plugin: ModuleType, asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["airflow", command])
    start(plugin, Job())
    monkeypatch.setattr(sys, "argv", ["airflow", "scheduler"])
    start(plugin, object())  # a task runner, forked from the scheduler, has its argv
    assert asked == []


def test_it_can_be_switched_off(plugin: ModuleType, asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["airflow", "scheduler"])
    monkeypatch.setenv("SLIPSTREAM_WARM", "0")
    start(plugin, Job())
    assert asked == []


def test_a_missing_or_broken_library_is_logged_and_skipped(
    plugin: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken_library.py").write_text("raise RuntimeError('half installed')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert set(plugin.warm(("no_such_library", "broken_library", "json"))) == {"json"}
    assert "no_such_library" in caplog.text
    assert "half installed" in caplog.text


def test_no_code_of_the_project_is_imported(plugin: ModuleType) -> None:
    assert not any(name.split(".")[0] in {"include", "operators", "plugins"} for name in plugin.LIBRARIES)
