"""Reading the prediction log in the storage root as it grows: each call returns what gateways have shipped since the last.

As include/prediction_log/tail.py does on a gateway's own disk: the reader keeps the place, bytes read of each source, and whoever
stores it together with what it made of the records has read each of them exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from include.prediction_log.pieces import Part, parts, shipped
from include.prediction_log.record import Record, parse_line
from include.prediction_log.shared import SharedLog, stored

PORTION = 32 << 20  # bytes a call, at about


def read_root_tail(
    log: SharedLog, model: str, since: str, cursor: Mapping[str, int], portion: int = PORTION
) -> tuple[list[Record], dict[str, int]]:
    """The next records at or after `since` (as `Record.at`), sorted by their times, and the new cursor.

    A source is read up to its first gap: bytes that are not there yet come first. Raises FileNotFoundError where a piece was
    compacted since it was listed: ask again.
    """
    places, found, read = dict(cursor), list[Record](), 0
    for source, some in groupby(parts(shipped(log.storage, model)), key=lambda part: part.piece.source):
        for part in some:
            place = places.get(source, 0)
            if part.piece.end <= place:
                continue
            if max(part.after, part.piece.start) > place or read >= portion:
                break
            if not part.piece.compacted or part.piece.last_day >= since[:10]:
                found += [record for record in _records(log, part, place) if record.at >= since]
                read += part.piece.end - place
            places[source] = part.piece.end
    return sorted(found, key=lambda record: record.at), places


def _records(log: SharedLog, part: Part, place: int) -> list[Record]:
    """The records of a piece from a place of its source on."""
    (path,) = stored(log, [part.piece])
    if part.piece.compacted:
        import pyarrow.parquet as pq

        lines = pq.read_table(path, columns=["record", "upto"], filters=[("upto", ">", place)])["record"].to_pylist()
    else:
        with path.open("rb") as file:
            file.seek(place - part.piece.start)
            lines = file.read(part.piece.end - place).splitlines()
    return [record for record in map(parse_line, lines) if record is not None]
