"""The prediction log goes only where a retention is set, and never what a step may still ask for."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.errors import SpecError
from include.core.storage import LocalStorage
from include.core.time import now
from include.prediction_log.layout import folder
from include.retention.predictions import days_needed, find
from include.rollout.machine import open_rollout
from tests.support.stores import empty_control
from tests.support.toy_ledger import MODEL, SPEC
from tests.support.versions import add_candidates

KEEP = 400


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    return empty_control(tmp_path)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Days of 500, 401, 400 and 3 days ago; of the second the segment is still there."""
    made = folder(tmp_path, MODEL)
    for ago in (500, 401, 400, 3):
        day = made / f"date={now().date() - timedelta(days=ago)}"
        day.mkdir(parents=True)
        (day / f"segment-{ago}.parquet").write_bytes(b"x" * ago)
    (made / "segment-401.jsonl").write_bytes(b"{}")
    (made / "date=strange").mkdir()
    (made / "date=strange" / "segment-x.parquet").write_bytes(b"x")
    return made


def test_days_before_the_retention_go(tmp_path: Path, log: Path, control: ControlStore) -> None:
    (found,) = find(tmp_path, LocalStorage(tmp_path / "store"), SPEC, control, KEEP, now())
    assert (found.bytes, found.frees) == (500, True)
    assert found.act()
    assert found.act(), "and again"
    assert list(find(tmp_path, LocalStorage(tmp_path / "store"), SPEC, control, KEEP, now())) == []
    assert len(list(log.glob("date=*/*.parquet"))) == 4


def test_nothing_goes_while_a_rollout_is_live(tmp_path: Path, log: Path, control: ControlStore) -> None:
    del log
    with control.transaction() as connection:
        add_candidates(connection, MODEL, 1)
    epoch = control.take(f"rollout/{MODEL}", "t")
    open_rollout(control, SPEC, 1, request="dag/run/open/-1", actor="t", epoch=epoch)
    assert list(find(tmp_path, LocalStorage(tmp_path / "store"), SPEC, control, KEEP, now())) == []


def test_less_than_the_steps_read_is_refused(tmp_path: Path, control: ControlStore) -> None:
    assert days_needed(SPEC) == 365 + 28
    with pytest.raises(SpecError, match="its steps read 393 days back"):
        list(find(tmp_path, LocalStorage(tmp_path / "store"), SPEC, control, 392, now()))


def test_of_the_root_whole_sources_go_once_all_of_them_is_old(tmp_path: Path, control: ControlStore) -> None:
    storage, today = LocalStorage(tmp_path / "store"), now().date()
    old, older, young = (str(today - timedelta(days=ago)) for ago in (401, 500, 400))
    pieces = {
        "gone": [f"days/{older}/gone.000-100.{older}.parquet", f"days/{old}/gone.100-200.1.{old}.parquet"],
        "late": [f"days/{older}/late.000-100.{old}.parquet", f"days/{old}/late.100-200.{young}.parquet"],
        "under way": [f"days/{older}/open.000-100.{older}.parquet", "chunks/open/100-200.jsonl"],
        "of others": ["watermarks/x.json"],
    }
    for paths in pieces.values():
        for path in paths:
            storage.write(f"predictions/{MODEL}/{path}", b"12345")
    (found,) = find(tmp_path, storage, SPEC, control, KEEP, now())
    assert (found.name, found.bytes, found.files) == (f"predictions/{MODEL}/gone", 10, 2)
    assert found.act()
    left = {path.removeprefix(f"predictions/{MODEL}/") for path in storage.list("predictions")}
    assert left == {path for name, paths in pieces.items() if name != "gone" for path in paths}
