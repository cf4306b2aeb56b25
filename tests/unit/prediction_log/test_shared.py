"""The log as a reader sees it: what was shipped, and on a gateway's machine what was not; fetched from a far root once."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from include.core.errors import NotReadyError
from include.core.spec import Feature
from include.core.storage import LocalStorage
from include.data.window import Window, moment
from include.prediction_log import redaction, shared
from include.prediction_log.compaction import compact
from include.prediction_log.layout import segments
from include.prediction_log.pieces import Piece, shipped
from include.prediction_log.reader import read_records, read_requests
from include.prediction_log.shared import CACHE, SharedLog, files, models
from include.prediction_log.shipping import LogShipper
from include.prediction_log.sql_view import Selection, open_log, select
from include.prediction_log.writer import PredictionLog
from tests.support.shipped_log import AT_ONCE, elsewhere, ids, names, record, shipped_in

INPUTS = (Feature(name="a"),)
DAY = Window(moment("2026-01-01"), moment("2026-01-02"))


class Far(LocalStorage):
    """A root whose files are fetched, as S3's are; counts how often each was."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.fetched: Counter[str] = Counter()

    def fetch(self, path: str, scratch: Path) -> Path:
        self.fetched[path] += 1
        return Path(shutil.copy(super().fetch(path, scratch), scratch / f"{len(self.fetched)}-{Path(path).name}"))


@pytest.fixture
def far(tmp_path: Path) -> Far:
    return Far(tmp_path / "root")


@pytest.fixture
def log(tmp_path: Path, far: Far) -> SharedLog:
    return SharedLog(tmp_path / "home", far)


def selection(where: SharedLog) -> Selection:
    with open_log(files(where, "toy"), INPUTS, DAY) as connection:
        return select(connection, INPUTS)


def test_a_far_root_is_read_from_once_and_what_is_gone_from_it_is_not_kept(
    log: SharedLog, far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped_in(log, 3)
    reader = elsewhere(log, tmp_path)
    for _ in range(3):
        assert ids(reader) == names(0, 1, 2)
    assert set(far.fetched.values()) == {1}
    compact(log, "toy", timedelta(0))
    monkeypatch.setattr(shared, "UNUSED_SECONDS", 0.0)
    assert ids(reader) == names(0, 1, 2)
    kept = [path.name for path in (reader.home / CACHE).rglob("*") if path.is_file()]
    assert kept == [Path(piece.path).name for piece in shipped(far, "toy")]


def test_a_gateway_s_own_machine_reads_its_segments_and_fetches_nothing_of_them(log: SharedLog, far: Far) -> None:
    shipped_in(log, 2)
    assert ids(log) == names(0, 1)
    assert not far.fetched


def test_readers_of_records_and_of_sql_agree_wherever_the_lines_are(log: SharedLog, tmp_path: Path) -> None:
    shipped_in(log, 3)
    other = SharedLog(tmp_path / "other", log.storage)
    writer = PredictionLog(other.home, "toy")
    writer.write([record(7), record(1)])  # a request that is sent to two gateways
    LogShipper(other, AT_ONCE).run()
    reader = elsewhere(log, tmp_path)
    before = selection(reader)
    assert before.records == 4
    assert selection(log) == selection(other) == before
    for where in (log, other, reader):
        assert sorted(each.id for each in read_requests(where, "toy", "2026-01-01", "2026-01-02").first.values()) == names(
            0, 1, 2, 7
        )
    compact(log, "toy", timedelta(0))
    assert selection(log) == selection(other) == selection(reader) == before


def test_parts_that_overlap_are_cut_for_every_reader(log: SharedLog, far: Far, tmp_path: Path) -> None:
    pieces = sorted(shipped_in(log, 4), key=lambda piece: piece.start)
    lines = [far.read(piece.path) for piece in pieces]
    source, reader = pieces[0].source, elsewhere(log, tmp_path)

    def again(first: int, last: int) -> Piece:
        """Another chunk, of those lines."""
        start, end = pieces[first].start, pieces[last].end
        path = f"predictions/toy/chunks/{source}/{start:012d}-{end:012d}.jsonl"
        far.create(path, b"".join(lines[first : last + 1]))
        return Piece(path, source, start, end)

    again(0, 1)
    far.delete(pieces[2].path)
    again(1, 2)
    assert ids(reader) == names(0, 1, 2, 3)
    assert selection(reader).records == 4
    compact(reader, "toy", timedelta(0))
    again(2, 3)
    far.delete(pieces[3].path)
    assert ids(reader) == names(0, 1, 2, 3)


def test_a_reader_on_a_copied_home_does_not_count_a_segment_twice(log: SharedLog, tmp_path: Path) -> None:
    writer, shipper = PredictionLog(log.home, "toy"), LogShipper(log, AT_ONCE)
    writer.write([record(0)])
    shipper.run()
    copy = SharedLog(tmp_path / "copy", log.storage)
    shutil.copytree(log.home, copy.home)
    writer.write([record(1)])
    shipper.run()
    compact(log, "toy", timedelta(0))
    assert ids(copy) == ids(log) == names(0, 1)
    assert selection(copy).records == 2


def test_a_file_that_goes_while_it_is_read_is_said_and_not_passed_over(
    log: SharedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped_in(log, 2)
    reader = SharedLog(tmp_path / "reader", LocalStorage(tmp_path / "root"))
    listed = files(reader, "toy")
    records = read_records(reader, "toy")
    next(records)
    compact(log, "toy", timedelta(0))
    with pytest.raises(NotReadyError, match="compacted while it was read"):
        list(records)
    with pytest.raises(NotReadyError):
        open_log(listed, INPUTS, DAY)
    gone = files(reader, "toy")
    redaction.redact(reader, "toy", lambda each: each.id == "r0")
    with pytest.raises(NotReadyError):
        open_log(gone, INPUTS, DAY)
    monkeypatch.setattr(shared, "stored", lambda *given: (_ for _ in ()).throw(FileNotFoundError()))
    with pytest.raises(NotReadyError, match="compacted while it was read"):
        files(reader, "toy")


def test_a_day_is_read_without_the_files_of_earlier_ones(log: SharedLog, tmp_path: Path) -> None:
    shipped_in(log, 2)
    compact(log, "toy", timedelta(0))
    reader = elsewhere(log, tmp_path)
    assert files(reader, "toy", "2026-01-02") == []
    (file,) = files(reader, "toy", "2026-01-01")
    assert pq.read_table(file, columns=["id"])["id"].to_pylist() == names(0, 1)


def test_models_are_those_here_and_in_the_root(log: SharedLog, tmp_path: Path) -> None:
    shipped_in(log, 1)
    PredictionLog(tmp_path / "reader", "mine").write([record(0)])
    assert models(elsewhere(log, tmp_path)) == ["mine", "toy"]


def test_a_segment_that_left_the_disk_since_it_was_listed_is_said(log: SharedLog) -> None:
    shipped_in(log, 1)
    records = read_records(log, "toy", "2026-01-01")
    (segment,) = segments(log.home, "toy")
    listed = files(log, "toy")
    assert listed == [segment]
    os.unlink(segment)
    assert [each.id for each in records] == names(0)  # listed after that: it is in the root
