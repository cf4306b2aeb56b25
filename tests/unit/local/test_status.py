"""`make status`: a row for each server."""

from __future__ import annotations

from pathlib import Path

from include.local.platform import Platform
from include.local.status import Line, shown


def test_every_server_has_a_row_under_a_heading(tmp_path: Path) -> None:
    lines = [Line("postgres", "RUNNING", 812, 61.4, ""), Line("gateway", "FATAL", 0, 0.0, "not running")]
    assert shown(Platform(tmp_path), lines).splitlines() == [
        "component  state    pid  running for  health",
        "postgres   RUNNING  812  61 s         healthy",
        "gateway    FATAL      –  –            not running",
    ]


def test_without_a_platform_the_command_that_starts_one_is_named(tmp_path: Path) -> None:
    assert "`make up`" in shown(Platform(tmp_path), [])
