"""The demo's memory: an interrupted demo goes on where it was, a finished one reuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.demo.journal import Journal


def test_a_phase_is_done_only_if_it_ended_well(tmp_path: Path) -> None:
    journal = Journal.load(tmp_path / "demo.json")
    with pytest.raises(ValueError, match="broken"), journal.phase("features"):
        raise ValueError("broken")
    assert not Journal.load(tmp_path / "demo.json").is_done("features")
    with journal.phase("features"):
        pass
    assert Journal.load(tmp_path / "demo.json").is_done("features")


def test_events_facts_and_times_outlive_the_process(tmp_path: Path) -> None:
    journal = Journal.load(tmp_path / "demo.json")
    journal.facts["requests"] = 12
    journal.record("2013-04-01", "version 1 promoted")
    again = Journal.load(tmp_path / "demo.json")
    assert again.facts == {"requests": 12}
    assert [event["what"] for event in again.events] == ["version 1 promoted"]


def test_the_time_of_an_interrupted_phase_adds_up(tmp_path: Path) -> None:
    journal = Journal.load(tmp_path / "demo.json")
    journal.seconds["v1"] = 40.0
    with journal.phase("v1"):
        pass
    assert journal.seconds["v1"] >= 40.0
