"""What crashed gateways left is cleared away; what the living write, and what is still wanted, is not touched."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from include.core.digest import PROJECT
from include.core.scratch import PREFIX, scratch_folder
from include.prediction_log.layout import segments
from include.prediction_log.reader import read_records
from include.prediction_log.record import Record
from include.prediction_log.shared import SharedLog
from include.prediction_log.writer import PredictionLog
from tests.unit.reconcile.conftest import Place

KILLED = """
import os, signal
from pathlib import Path
from include.core.scratch import scratch_folder
with scratch_folder(Path({folder!r})) as made:
    (made / "model.onnx").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def scratch(place: Place) -> Path:
    """Of this home: with what a killed process left there, and what a living one is writing."""
    folder = place.home / "scratch"
    folder.mkdir()
    subprocess.run([sys.executable, "-c", KILLED.format(folder=str(folder))], cwd=PROJECT, check=False)
    return folder


def logged(place: Place, model: str, days: float) -> Path:
    """A segment that was last written to that many days ago."""
    log = PredictionLog(place.home, model)
    log.write([Record(kind="prediction", id="r1", at="2026-01-01T10:00:00.000000+00:00", score=0.5)])
    log.close()
    (segment,) = segments(place.home, model)
    at = time.time() - days * 86_400
    os.utime(segment, (at, at))
    return segment


def test_the_scratch_of_a_killed_gateway_goes_and_that_of_a_living_one_stays(place: Place, scratch: Path) -> None:
    assert len(list(scratch.glob(f"{PREFIX}*"))) == 1
    with scratch_folder(place.home) as living:
        mine = living.rename(scratch / living.name)
        found = [finding for finding in place.look().found if str(scratch) in finding.summary]
        assert [finding.kind for finding in found] == ["leftover.scratch"]
        assert list(scratch.glob(f"{PREFIX}*")) == [mine]
        assert not [finding for finding in place.look().found if str(scratch) in finding.summary]
        mine.rename(living)


def test_a_segment_that_nobody_takes_off_the_disk_is_shipped_and_loses_nothing(place: Place) -> None:
    segment = logged(place, "a_model_without_dags", days=10)
    (finding,) = [each for each in place.look().found if each.kind == "leftover.log"]
    assert segment.name in finding.summary
    assert not segment.exists()
    log = SharedLog(place.home, place.world().ledger.storage)
    assert [record.id for record in read_records(log, "a_model_without_dags")] == ["r1"]


def test_a_younger_segment_is_left_to_the_monitoring_dag(place: Place) -> None:
    segment = logged(place, "toy", days=8)
    assert not [each for each in place.look().found if each.kind == "leftover.log"]
    assert segment.exists()


def test_a_segment_that_a_gateway_holds_is_left_alone(place: Place) -> None:
    segment = logged(place, "toy", days=10)
    with segment.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        place.look()
    assert segment.exists()
