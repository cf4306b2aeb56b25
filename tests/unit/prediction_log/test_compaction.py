"""Compaction: whenever it dies, and whatever is shipped or redacted meanwhile, each line is read once."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from include.core import fault
from include.core.fault import Fault, ResponseLost
from include.core.machine import gateway_id
from include.prediction_log import redaction, rotation
from include.prediction_log.compaction import compact
from include.prediction_log.compactor import LogCompactor
from include.prediction_log.layout import segments
from include.prediction_log.pieces import gateway_of, shipped
from include.prediction_log.reader import read_records
from include.prediction_log.shared import SharedLog
from include.prediction_log.shipping import LogShipper
from include.prediction_log.writer import PredictionLog
from tests.support.shipped_log import AT_ONCE, elsewhere, ids, names, record, shipped_in

KILLS = ("log.compact.read", "storage.create.temporary", "storage.create.linked", "log.compact.created", "log.compact.delete")


def test_chunks_become_one_file_and_are_read_the_same(log: SharedLog, tmp_path: Path) -> None:
    shipped_in(log, 4)
    assert compact(log, "toy") == []  # opened just now
    before = list(read_records(log, "toy"))
    made = compact(log, "toy", timedelta(0))
    assert [piece.path for piece in shipped(log.storage, "toy")] == made
    assert list(read_records(elsewhere(log, tmp_path), "toy")) == list(read_records(log, "toy")) == before
    assert compact(log, "toy", timedelta(0)) == []
    (piece,) = shipped(log.storage, "toy")
    assert (piece.first_day, piece.last_day) == ("2026-01-01", "2026-01-01")
    assert [each.id for each in read_records(elsewhere(log, tmp_path), "toy", "2026-01-02T00:00:00")] == []


@pytest.mark.parametrize(
    "point",
    ["log.compact.read", "storage.create.temporary", "storage.create.linked", "log.compact.created", "log.compact.delete"],
)
def test_killed_at_any_step_of_compaction_nothing_is_lost_or_doubled(log: SharedLog, tmp_path: Path, point: str) -> None:
    shipped_in(log, 3)
    for skip in range(3):
        fault.arm(Fault(point, "kill", skip=skip))
        child = os.fork()
        if not child:
            compact(log, "toy", timedelta(0))
            os._exit(0)
        os.waitpid(child, 0)
        fault.arm(None)
        assert ids(elsewhere(log, tmp_path)) == names(0, 1, 2)
    compact(log, "toy", timedelta(0))
    assert ids(elsewhere(log, tmp_path)) == names(0, 1, 2)
    assert len(shipped(log.storage, "toy")) == 1


def test_lines_that_come_after_a_compaction_are_shipped_from_there_on_and_compacted_with_the_rest(
    log: SharedLog, writer: PredictionLog, tmp_path: Path
) -> None:
    writer.write([record(0), record(1)])
    LogShipper(log, AT_ONCE).run()
    compact(log, "toy", timedelta(0))
    writer.write([record(2)])
    LogShipper(log, AT_ONCE).run()
    assert len(shipped(log.storage, "toy")) == 2
    assert ids(elsewhere(log, tmp_path)) == names(0, 1, 2)
    compact(log, "toy", timedelta(0))
    assert len(shipped(log.storage, "toy")) == 1
    assert ids(elsewhere(log, tmp_path)) == names(0, 1, 2)


def test_a_gap_is_not_compacted_over(log: SharedLog, tmp_path: Path) -> None:
    pieces = sorted(shipped_in(log, 3), key=lambda piece: piece.start)
    held = log.storage.read(pieces[1].path)
    log.storage.delete(pieces[1].path)
    compact(log, "toy", timedelta(0))
    log.storage.create(pieces[1].path, held)  # it comes after all
    assert ids(elsewhere(log, tmp_path)) == names(0, 1, 2)


def test_a_compaction_that_read_what_was_redacted_meanwhile_leaves_no_file(
    log: SharedLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shipped_in(log, 3)
    create = log.storage.create

    def late(path: str, data: bytes) -> bool:
        if path.endswith(".parquet"):
            monkeypatch.undo()
            redaction.redact(log, "toy", lambda each: each.id == "r1")
        return create(path, data)

    monkeypatch.setattr(log.storage, "create", late)
    assert compact(log, "toy", timedelta(0)) == []
    assert ids(elsewhere(log, tmp_path)) == names(0, 2)
    assert len(compact(log, "toy", timedelta(0))) == 1
    assert ids(elsewhere(log, tmp_path)) == names(0, 2)


@pytest.mark.parametrize("compacted", [False, True], ids=["chunks", "Parquet"])
def test_redaction_replaces_what_was_shipped_and_a_killed_one_is_gone_on_with(
    log: SharedLog, tmp_path: Path, compacted: bool
) -> None:
    shipped_in(log, 3)
    if compacted:
        compact(log, "toy", timedelta(0))
    reader = elsewhere(log, tmp_path)
    fault.arm(Fault("log.redact.revised", "lose"))
    with pytest.raises(ResponseLost):
        redaction.redact(reader, "toy", lambda each: each.id == "r1")
    fault.arm(None)
    assert ids(reader) == names(0, 2)
    assert redaction.redact(reader, "toy", lambda each: each.id == "r1") == 0
    assert not any(b'"r1"' in log.storage.read(piece.path) for piece in shipped(log.storage, "toy"))
    assert redaction.redact(reader, "toy", lambda each: each.id in names(0, 2)) == 2
    assert ids(reader) == []


def test_an_agent_compacts_what_its_own_gateway_wrote_once_that_is_complete(log: SharedLog, tmp_path: Path) -> None:
    for place, opened in ((log, "20260101-000000"), (SharedLog(tmp_path / "other", log.storage), "20260101-000000")):
        writer = PredictionLog(place.home, "toy")
        writer.write([record(0)])
        writer.close()
        for segment in segments(place.home, "toy"):
            segment.rename(segment.with_name(f"{opened}{segment.name[15:]}"))
        LogShipper(place, AT_ONCE).run()
    LogCompactor(log).run()
    LogCompactor(log).end()
    found = {gateway_of(piece.source): piece.compacted for piece in shipped(log.storage, "toy")}
    assert found == {gateway_id(log.home): True, gateway_id(tmp_path / "other"): False}


def test_by_hand_every_model_is_compacted(
    log: SharedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path / "reader"))
    monkeypatch.setenv("SLIPSTREAM_ROOT", str(tmp_path / "root"))
    shipped_in(log, 2)
    assert rotation.main([]) == 0
    assert capsys.readouterr().out == ""
    assert rotation.main(["--minutes", "0"]) == 0
    assert capsys.readouterr().out.strip().endswith(".parquet")
    assert ids(elsewhere(log, tmp_path)) == names(0, 1)


def test_a_line_of_a_later_release_holds_up_its_own_segment_alone(log: SharedLog, caplog: pytest.LogCaptureFixture) -> None:
    for extra in (b"", b'{"kind":"prediction","id":"new","at":"2026-01-01T10:00:00.000000+00:00","v":99}\n'):
        writer = PredictionLog(log.home, "toy")
        writer.write([record(0)])
        if extra:
            writer.append(extra)
        writer.close()
        LogShipper(log, AT_ONCE).run()
    assert len(compact(log, "toy", timedelta(0))) == 1
    assert "was not compacted" in caplog.text
    assert [piece.compacted for piece in shipped(log.storage, "toy")].count(False) >= 1
