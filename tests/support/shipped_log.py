"""A prediction log of a toy model, shipped to a folder."""

from __future__ import annotations

from pathlib import Path

from include.prediction_log.pieces import Piece, shipped
from include.prediction_log.reader import read_records
from include.prediction_log.record import Record
from include.prediction_log.shared import SharedLog
from include.prediction_log.shipping import Limits, LogShipper
from include.prediction_log.writer import PredictionLog

AT_ONCE = Limits(seconds=0.000001, bytes=1, keep_seconds=3600)


def record(number: int, **more: object) -> Record:
    at = f"2026-01-01T10:00:00.{number:06d}+00:00"
    return Record("prediction", f"r{number}", at, at[:19], score=0.5, version=3, **more)  # type: ignore[arg-type]


def elsewhere(log: SharedLog, tmp: Path) -> SharedLog:
    """The same root, read on a machine that has nothing of its own."""
    return SharedLog(tmp / "reader", log.storage)


def ids(where: SharedLog | Path) -> list[str]:
    return [each.id for each in read_records(where, "toy")]


def names(*numbers: int) -> list[str]:
    return [f"r{number}" for number in numbers]


def shipped_in(log: SharedLog, chunks: int) -> list[Piece]:
    """So many records, each of them shipped by itself, of a segment that is complete."""
    writer, shipper = PredictionLog(log.home, "toy"), LogShipper(log, AT_ONCE)
    for number in range(chunks):
        writer.write([record(number)])
        shipper.run()
    writer.close()
    shipper.run()
    return shipped(log.storage, "toy")
