"""What the agent says of itself, and the lines of the metrics page that are made of it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from include.core.errors import NotReadyError
from include.serving.telemetry.agent_report import FILE, Report, agent_source, read_report
from tests.support.shop import SPEC


def test_counts_are_written_read_and_go_on_in_the_next_agent(tmp_path: Path) -> None:
    for _ in range(2):
        report = Report(tmp_path)
        report.done("ship")
        report.failed("ship", "away")
        report.failed("beat", "no control store")
        report.done("beat")
        report.write()
    _, counts = read_report(tmp_path)
    assert (counts["ship"].done, counts["ship"].failed, counts["ship"].error) == (2, 2, "away")
    assert (counts["beat"].done, counts["beat"].failed, counts["beat"].error) == (2, 2, "")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"at": 1}', '{"at": "x", "duties": {}}', '{"at": 1, "duties": [1]}'])
def test_what_cannot_be_read_is_no_report(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert read_report(tmp_path) == (0.0, {})
    assert Report(tmp_path).counts == {}


def test_a_report_of_a_later_release_is_read(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"at": 5.0, "duties": {"ship": {"done": 3, "moon": "full"}}, "more": 1}))
    assert read_report(tmp_path)[1]["ship"].done == 3


def test_the_metrics_page_says_how_long_it_has_been_silent_and_what_failed(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError):
        list(agent_source(tmp_path)(SPEC))
    (tmp_path / FILE).write_text(json.dumps({"at": time.time() - 100, "duties": {"ship": {"done": 3, "failed": 2}}}))
    age, *counts = agent_source(tmp_path)(SPEC)
    assert age[0] == "slipstream_agent_silent_seconds"
    assert 100 <= age[2] < 200
    assert counts == [("slipstream_agent_done_total", ("ship",), 3.0), ("slipstream_agent_failures_total", ("ship",), 2.0)]
