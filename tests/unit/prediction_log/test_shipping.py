"""Shipping: every line once in the root, whenever the shipper dies, and whatever happens to the segment meanwhile."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from include.core import fault
from include.core.entity_key import entity_key
from include.core.errors import SpecError, UnreachableError
from include.core.fault import Fault, ResponseLost
from include.core.storage import LocalStorage
from include.prediction_log import redaction, shipping
from include.prediction_log.layout import folder, segments
from include.prediction_log.pieces import shipped
from include.prediction_log.reader import read_records
from include.prediction_log.shared import SharedLog
from include.prediction_log.shipping import Limits, LogShipper
from include.prediction_log.shipping_state import read_shipping
from include.prediction_log.tail import read_tail
from include.prediction_log.writer import PredictionLog
from tests.support.rotated_log import rotate
from tests.support.shipped_log import AT_ONCE, elsewhere, ids, names, record


def test_lines_are_shipped_as_they_come_and_read_elsewhere_and_here_once(
    log: SharedLog, writer: PredictionLog, tmp_path: Path
) -> None:
    shipper = LogShipper(log, AT_ONCE)
    for number in range(5):
        writer.write([record(number)])
        shipper.run()
        assert ids(elsewhere(log, tmp_path)) == ids(log) == names(*range(number + 1))
    writer.write([record(5)])  # not shipped yet: the reader on this machine sees it, the other does not
    assert ids(log) == names(*range(6))
    assert ids(elsewhere(log, tmp_path)) == names(*range(5))
    shipper.run()
    shipper.run()
    assert len(shipped(log.storage, "toy")) == 6
    assert list(read_records(elsewhere(log, tmp_path), "toy")) == list(read_records(log.home, "toy"))


def test_lines_wait_until_they_are_old_or_many_and_no_longer_than_the_gateway(log: SharedLog, writer: PredictionLog) -> None:
    patient = LogShipper(log, Limits(seconds=1000, bytes=500))
    writer.write([record(0)])
    patient.run()
    assert shipped(log.storage, "toy") == []
    assert read_shipping(log.home)["toy"].backlog.bytes > 0
    writer.write([record(number) for number in range(1, 10)])
    patient.run()
    assert len(shipped(log.storage, "toy")) == 1
    writer.write([record(10)])
    patient.run()
    assert len(shipped(log.storage, "toy")) == 1
    patient.end()
    assert len(shipped(log.storage, "toy")) == 2
    assert read_shipping(log.home)["toy"].backlog.bytes == 0


def test_half_a_line_waits_for_its_rest_and_one_without_a_writer_is_never_shipped(
    log: SharedLog, writer: PredictionLog, tmp_path: Path
) -> None:
    writer.write([record(0)])
    (segment,) = segments(log.home, "toy")
    line = writer.encode([record(1)])
    shipper = LogShipper(log, AT_ONCE)
    with segment.open("ab", buffering=0) as file:
        file.write(line[:20])
        shipper.run()
        assert ids(elsewhere(log, tmp_path)) == names(0)
        file.write(line[20:])
        shipper.run()
        assert ids(elsewhere(log, tmp_path)) == names(0, 1)
        file.write(b'{"kind":"pred')
    writer.close()
    shipper.run()
    shipper.run()
    assert read_shipping(log.home)["toy"].backlog.bytes == 0  # nothing waits: what is left is no line
    assert ids(elsewhere(log, tmp_path)) == ids(log) == names(0, 1)


def test_a_line_longer_than_a_chunk_is_shipped_whole(
    log: SharedLog, writer: PredictionLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shipping, "LARGEST", 64)
    writer.write([record(0, error="x" * 1000), *map(record, range(1, 20))])
    LogShipper(log, AT_ONCE).run()
    assert ids(elsewhere(log, tmp_path)) == names(*range(20))
    assert len(shipped(log.storage, "toy")) > 1


@pytest.mark.parametrize("point", ["log.ship.listed", "log.ship.read", "storage.create.temporary", "log.ship.created"])
@pytest.mark.parametrize("skip", [0, 1])
def test_killed_between_any_two_steps_no_line_is_lost_or_doubled(
    log: SharedLog, writer: PredictionLog, tmp_path: Path, point: str, skip: int
) -> None:
    """`lose` ends the shipper where it stands, as a kill would; the next one knows nothing of it."""
    for number in range(4):
        writer.write([record(number)])
        fault.arm(Fault(point, "lose", skip=skip if number else 0))
        with suppress(ResponseLost):
            LogShipper(log, AT_ONCE).run()
        fault.arm(None)
    LogShipper(log, AT_ONCE).run()
    assert ids(elsewhere(log, tmp_path)) == ids(log) == names(0, 1, 2, 3)


def test_two_shippers_of_a_copied_home_may_ship_the_same_lines_in_other_chunks(
    log: SharedLog, writer: PredictionLog, tmp_path: Path
) -> None:
    one = LogShipper(log, AT_ONCE)
    writer.write([record(0), record(1)])
    one.run()
    shutil.copytree(log.home, tmp_path / "copy")
    other = LogShipper(SharedLog(tmp_path / "copy", log.storage), AT_ONCE)
    other.run()
    for number in (2, 3, 4):
        writer.write([record(number)])
    (segment,) = segments(log.home, "toy")
    shutil.copy(segment, segments(tmp_path / "copy", "toy")[0])
    with segments(tmp_path / "copy", "toy")[0].open("r+b") as file:
        file.truncate(segment.stat().st_size - len(writer.encode([record(4)])))  # copied before the last line
    one.run()
    other.run()
    assert len(shipped(log.storage, "toy")) == 3
    assert ids(elsewhere(log, tmp_path)) == ids(log) == ids(SharedLog(tmp_path / "copy", log.storage)) == names(0, 1, 2, 3, 4)


class Away(LocalStorage):
    """A root that does not answer while `away`."""

    away = False

    def list(self, prefix: str) -> Iterator[str]:
        self._check()
        return super().list(prefix)

    def create(self, path: str, data: bytes) -> bool:
        self._check()
        return super().create(path, data)

    def _check(self) -> None:
        if self.away:
            raise UnreachableError("The bucket is away.")


def test_while_the_root_is_away_lines_wait_and_every_one_is_shipped_after(tmp_path: Path) -> None:
    root = Away(tmp_path / "root")
    log = SharedLog(tmp_path / "home", root)
    writer, shipper = PredictionLog(log.home, "toy"), LogShipper(log, AT_ONCE)
    root.away = True
    for number in range(3):
        writer.write([record(number)])
        with pytest.raises(UnreachableError):
            shipper.run()
    waiting = read_shipping(log.home)["toy"].backlog
    assert waiting.bytes == segments(log.home, "toy")[0].stat().st_size
    assert 0 < waiting.since <= time.time()
    root.away = False
    shipper.run()
    assert ids(SharedLog(tmp_path / "reader", root)) == names(0, 1, 2)
    assert read_shipping(log.home)["toy"].backlog.bytes == 0


def test_beyond_its_bound_the_oldest_complete_segments_are_given_up_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = Away(tmp_path / "root")
    log = SharedLog(tmp_path / "home", root)
    root.away = True
    for number in range(5):
        writer = PredictionLog(log.home, "toy")
        writer.write([record(number), record(number + 10)])
        if number < 4:
            writer.close()
    size = max(path.stat().st_size for path in segments(log.home, "toy"))
    shipper = LogShipper(log, Limits(seconds=0.000001, bytes=1, backlog=2 * size))
    with pytest.raises(UnreachableError):
        shipper.run()
    counts = read_shipping(log.home)["toy"].counts
    assert (counts.dropped_lines, len(segments(log.home, "toy"))) == (6, 2)
    assert caplog.text.count("2 lines of the prediction log of toy were given up") == 3
    root.away = False
    shipper.run()  # the rest arrives, and the count stays
    assert sorted(ids(SharedLog(tmp_path / "reader", root))) == sorted(names(3, 13, 4, 14))
    assert read_shipping(log.home)["toy"].counts.dropped_lines == 6


def test_what_is_shipped_does_not_count_against_the_bound_while_a_restarted_agent_cannot_ask(tmp_path: Path) -> None:
    root = Away(tmp_path / "root")
    log = SharedLog(tmp_path / "home", root)
    for number in range(3):
        writer = PredictionLog(log.home, "toy")
        writer.write([record(number)])
        writer.close()
    LogShipper(log, AT_ONCE).run()
    root.away = True
    with pytest.raises(UnreachableError):
        LogShipper(log, Limits(backlog=1)).run()
    assert len(segments(log.home, "toy")) == 3
    assert read_shipping(log.home)["toy"].counts.dropped_lines == 0


def test_a_segment_leaves_the_disk_once_nobody_writes_it_and_the_root_has_had_it_for_long(
    log: SharedLog, writer: PredictionLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shipping, "TIDY_SECONDS", 0.0)
    shipper = LogShipper(log, AT_ONCE)
    writer.write([record(0), record(1)])
    (segment,) = segments(log.home, "toy")
    long_ago = time.time() - 2 * AT_ONCE.keep_seconds
    os.utime(segment, (long_ago, long_ago))
    shipper.run()
    assert segment.exists()  # somebody writes it
    writer.close()
    fault.arm(Fault("log.ship.unlink", "lose"))
    with pytest.raises(ResponseLost):
        shipper.run()
    fault.arm(None)
    assert ids(log) == ids(elsewhere(log, tmp_path)) == names(0, 1)
    LogShipper(log, AT_ONCE).run()
    assert not segment.exists()
    assert ids(log) == ids(elsewhere(log, tmp_path)) == names(0, 1)


def test_a_segment_whose_chunks_are_gone_from_the_root_is_shipped_again_before_it_leaves(
    log: SharedLog, writer: PredictionLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shipping, "TIDY_SECONDS", 0.0)
    shipper = LogShipper(log, AT_ONCE)
    writer.write([record(0)])
    writer.close()
    shipper.run()
    (segment,) = segments(log.home, "toy")
    log.storage.delete("predictions")
    os.utime(segment, (0, 0))
    shipper.run()
    assert segment.exists()
    shipper.run()
    assert not segment.exists()
    assert ids(elsewhere(log, tmp_path)) == names(0)


def test_a_home_of_the_release_before_is_read_the_same_before_while_and_after_it_is_shipped(
    log: SharedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder(log.home, "toy")
    place.mkdir(parents=True)
    encode = PredictionLog(tmp_path / "unused", "toy").encode
    for name, numbers in (("20260101-000000-7", (0, 1)), ("20260101-000000-7-0001", (2,)), ("20260102-000000-9", (3, 4))):
        days = [record(number) for number in numbers]
        days[-1].at = days[-1].at.replace("-01T", "-02T")
        (place / f"{name}.jsonl").write_bytes(encode(days))
    before = list(read_records(log.home, "toy"))
    assert len(rotate(log.home, "toy", 0)) == 5  # two days each, but for the one of a single record
    (place / "20260103-000000-9.jsonl").write_bytes(encode([record(5)]))
    before = [*before, record(5)]
    assert list(read_records(log, "toy")) == before
    for point in ("log.ship.rotated", "log.ship.listed", "log.ship.created"):
        fault.arm(Fault(point, "lose"))
        with pytest.raises(ResponseLost):
            LogShipper(log, AT_ONCE).run()
        fault.arm(None)
        assert list(read_records(log, "toy")) == before
    LogShipper(log, AT_ONCE).run()
    assert list(read_records(log, "toy")) == list(read_records(elsewhere(log, tmp_path), "toy")) == before
    assert list(place.glob("date=*/*.parquet")) == []


def test_a_line_that_is_redacted_while_it_is_shipped_is_in_no_piece(
    log: SharedLog, writer: PredictionLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    writer.write([record(0), record(1)])
    create = log.storage.create

    def late(path: str, data: bytes) -> bool:
        monkeypatch.undo()
        redaction.redact(log, "toy", lambda each: each.id == "r0")  # it finds nothing in the root yet
        return create(path, data)

    monkeypatch.setattr(log.storage, "create", late)
    LogShipper(log, AT_ONCE).run()
    assert ids(elsewhere(log, tmp_path)) == names(1)
    assert not any(b"r0" in log.storage.read(piece.path) for piece in shipped(log.storage, "toy"))


def test_a_wish_reaches_the_disks_of_other_gateways_and_what_they_ship_later(
    log: SharedLog, writer: PredictionLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "WISH_SECONDS", 0.0)
    key = entity_key(log.home)
    writer.write([record(0, unit="u1"), record(1, unit="u2"), record(2, unit="u3")])
    shipper = LogShipper(log, Limits(seconds=1000, bytes=1 << 20))
    shipper.run()
    command = elsewhere(log, tmp_path)  # sees nothing of it yet
    assert redaction.redact(command, "toy", lambda each: each.id == "r0") == 0
    redaction.wish(command, "toy", key, {"r0"})
    redaction.wish(command, "toy", key, (), {"u3"})
    shipper.run()
    assert ids(log) == names(1)
    writer.write([record(7, unit="u3", arm="again")])  # of the same entity, but that was asked long before the wish
    shipper.end()
    LogShipper(log, AT_ONCE).run()
    assert ids(command) == ids(log) == names(1)
    assert not any(b"r0" in log.storage.read(path) or b"u3" in log.storage.read(path) for path in log.storage.list("predictions"))


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf", "nan"])
def test_a_limit_that_is_no_number_above_nought_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="SLIPSTREAM_LOG_SHIP_SECONDS must be a number above 0"):
        Limits.from_env({"SLIPSTREAM_LOG_SHIP_SECONDS": text})
    assert Limits.from_env({}) == Limits()


def test_the_judge_on_this_machine_reads_on_in_the_segments_whatever_is_shipped(log: SharedLog, writer: PredictionLog) -> None:
    shipper = LogShipper(log, AT_ONCE)
    writer.write([record(0)])
    records, cursor = read_tail(log.home, "toy", "2026-01-01T00:00:00", {})
    shipper.run()
    writer.write([record(1)])
    shipper.run()
    more, _ = read_tail(log.home, "toy", "2026-01-01T00:00:00", cursor)
    assert [each.id for each in (*records, *more)] == names(0, 1)
