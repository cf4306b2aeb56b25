"""Only what is over, and what no task may still ask about, is found on the machine."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from include.core import scratch
from include.core.settings import Settings
from include.core.time import now
from include.retention.machine import find_jobs, find_scratch

MONTH = timedelta(days=30)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "tmp"))
    return Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)})


def test_scratch_of_the_dead_is_found_and_that_of_the_living_is_not(settings: Settings) -> None:
    with scratch.scratch_folder(settings.scratch()) as mine:
        (mine / "rows").write_bytes(b"123")
        machine, _, _, end = mine.name.removeprefix(scratch.PREFIX).split("-")
        dead = mine.with_name(f"{scratch.PREFIX}{machine}-999999-1-{end}")
        dead.mkdir()
        (dead / "rows").write_bytes(b"12345")
        (found,) = find_scratch(settings)
        assert (found.name, found.bytes, found.files, found.frees) == (str(dead), 5, 1, True)
        assert found.act()
        assert mine.exists()
        assert list(find_scratch(settings)) == []


def test_a_job_that_has_ended_long_ago_goes_unless_its_attempt_is_open(settings: Settings) -> None:
    for name, ended, days in (("over", True, 40), ("asked", True, 40), ("lately", True, 3), ("running", False, 40)):
        folder = settings.home / "jobs" / name
        folder.mkdir(parents=True)
        (folder / "log").write_text("x" * 100)
        if ended:
            (folder / "exit").write_text("0")
            at = time.time() - days * 86_400
            os.utime(folder / "exit", (at, at))
    (found,) = find_jobs(settings, MONTH, now(), {"asked"})
    assert found.name.endswith("/over")
    assert found.act()
    assert sorted(path.name for path in (settings.home / "jobs").iterdir()) == ["asked", "lately", "running"]
