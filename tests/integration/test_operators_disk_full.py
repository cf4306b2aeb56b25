"""A disk that fills up while a day is published: the old partition stays readable, the retry goes on by itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.core.errors import StorageFullError, TransientError
from include.core.request import Ref
from include.data.published import published
from operators.validation import ValidateDataOperator
from tests.support.error_message import assert_says
from tests.support.operator_runs import MODEL, Life, Run, day, settle_in
from tests.support.wired import PublishFeaturesOperator
from tests.unit.operators.models.shop.orders import PER_DAY

CHEAP = {"price": [1.0] * PER_DAY}
BLOCK = 4096


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Take all space but `leave` bytes."""
    ballast = disk / "ballast"
    status = os.statvfs(disk)
    ballast.write_bytes(b"\0" * (status.f_bavail * status.f_frsize - leave))
    return ballast


def test_a_full_disk_costs_a_retry_and_nothing_else(small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Again and again with a little more space, so that it fails at the request, the attempt, each file, the result."""
    life = Life(settle_in(tmp_path / "home", monkeypatch, root=str(small_disk / "store")))
    life.land(day(1))
    old = Ref.from_json(life.publish(day(1)).xcom["publish"])
    life.land(day(1), orders=CHEAP)
    run = Run({"day": "2013-01-01"})
    run(ValidateDataOperator(task_id="validate", model=MODEL))

    errors: list[StorageFullError] = []
    for blocks in range(200):
        ballast = fill(small_disk, blocks * BLOCK)
        try:
            run(PublishFeaturesOperator(task_id="publish", model=MODEL))
        except StorageFullError as error:
            errors.append(error)
            ballast.unlink()
            assert published(life.services.control, MODEL, day(1), day(1)) == {day(1): old}
            assert life.services.ledger.verify(life.services.ledger.resolve(old)) == []
            assert not list(small_disk.rglob(".tmp-*"))  # no half-written file keeps the space
        else:
            break
    assert len(errors) > 2
    assert isinstance(errors[0], TransientError)  # so the DAGs retry it
    assert_says(errors[0], "No space left to write", str(small_disk), "bytes needed", "untouched", "free space under")
    new = published(life.services.control, MODEL, day(1), day(1))[day(1)]
    assert new == Ref.from_json(run.xcom["publish"]) != old
    assert life.services.ledger.verify(life.services.ledger.resolve(new)) == []
