"""What `slipstream experiment` says of an experiment that has run, and that it makes its decisions again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.core.control import ControlStore, versions
from include.core.time import timestamp
from include.experiments.look import look_at
from include.experiments.machine import conclude, record_look
from include.experiments.record import ExperimentRecord
from tests.support.experiment_log import MODEL, START, Behaviour, lived, prediction, write
from tests.unit.cli.conftest import Slipstream


@pytest.fixture
def record(control: ControlStore, tmp_path: Path) -> ExperimentRecord:
    """Version 3 was tried for a week, and found better. The log is that of a model of the same name as the toy's."""
    with control.transaction() as connection:
        row = {"key": "k3", "model": MODEL, "version": 3, "semver": "9.3.0", "record": {}, "stage": "Candidate"}
        connection.execute(versions.insert().values(at=timestamp(), **row))
    made = lived(control, tmp_path, Behaviour(sale=(0.1, 0.5)), treatment=3)
    for day in (1, 7):
        seen = look_at(tmp_path, made, made.plan.look(day))
        record_look(control, made, seen.evidence, seen.decision.to_json(), control.take(made.resource, "t"))
    return made


def test_it_shows_what_was_found_and_why_it_ended(
    slipstream: Slipstream, record: ExperimentRecord, control: ControlStore
) -> None:
    conclude(control, record, actor="t", epoch=control.take(record.resource, "t"))
    status, out, _ = slipstream("experiment", "show", MODEL)
    assert status == 0
    assert f"toy: pricing ({record.id}), version 3 against 2: better" in out
    assert "sale is better" in out
    assert "Nothing is known of the traffic before the start" in out
    told = json.loads(slipstream("experiment", "show", MODEL, record.id, "--json")[1])
    assert [look["day"] for look in told["looks"]] == [1, 7]
    assert told["looks"][1]["effects"]["sale"]["low"] > 0


def test_its_decisions_are_made_again_and_a_changed_log_is_found(
    slipstream: Slipstream, record: ExperimentRecord, tmp_path: Path
) -> None:
    status, out, _ = slipstream("experiment", "recompute", MODEL)
    assert (status, out.count("yes")) == (0, 4)
    write(tmp_path, [prediction("late", "new", START, "champion", record.id)])
    status, out, _ = slipstream("experiment", "recompute", MODEL)
    assert status == 3
    assert "NO" in out
    assert "shipped some late" in out


def test_unknown_names_are_told_with_those_that_there_are(slipstream: Slipstream, record: ExperimentRecord) -> None:
    status, _, err = slipstream("experiment", "show", MODEL, "nothing")
    assert status == 1
    assert f"pricing ({record.id})" in err
    status, _, err = slipstream("experiment", "plan", MODEL, "nothing")
    assert status == 1
    assert "has no experiment 'nothing'" in err
    assert slipstream("experiment", "start", MODEL)[0] == 1
