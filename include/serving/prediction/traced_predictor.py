"""Notes of requests whose trace is recorded when their features came, their score was known and their line was written.

The requests of one iteration of the event loop are answered together: what is noted is the batch's time, for each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from time import time_ns

from include.prediction_log.record import Record
from include.serving.prediction.coalescing import PendingRequest
from include.serving.prediction.predict import Predictor
from include.serving.prediction.request_types import Item
from include.serving.prediction.rows import Row
from include.serving.prediction.unknown_entity import Found
from include.serving.telemetry.recording import Recording, Watched

FEATURES, MODEL, LOG = "features", "model", "log"  # the names of the spans


class TracedPredictor(Predictor):
    _written = (0, 0, 0)  # when the last lines began to be written and were, and their bytes

    def _read(
        self, items: list[Item], requests: list[PendingRequest], now: datetime, answer: Callable[[Sequence[Found]], None]
    ) -> None:
        watched = recordings(requests) if Watched.live else []
        if not watched:
            super()._read(items, requests, now, answer)
            return
        began = time_ns()

        def noted(features: Sequence[Found]) -> None:
            arrived = time_ns()
            for each in watched:
                each.part(FEATURES, began, arrived, {"slipstream.batch.rows": len(items)})
            answer(features)

        super()._read(items, requests, now, noted)

    def _scored(self, requests: list[PendingRequest], features: Sequence[Found], now: datetime, started: int) -> list[Row]:
        if not Watched.live:
            return super()._scored(requests, features, now, started)
        began = time_ns()
        rows = super()._scored(requests, features, now, started)
        for each in recordings(requests):
            each.part(MODEL, began, time_ns(), _batch(requests, rows))
        return rows

    async def _answer_part(self, requests: list[PendingRequest], rows: list[Row], started: int) -> None:
        """Where another server answers: the model's time is over when there is something to deliver."""
        for each in recordings(requests):
            each.part(MODEL, time_ns(), 0, _batch(requests, rows))
        await super()._answer_part(requests, rows, started)

    def _deliver(self, requests: list[PendingRequest], rows: list[Row], lines: bytes) -> None:
        if Watched.live:
            for each in recordings(requests):
                each.close(MODEL)
        super()._deliver(requests, rows, lines)

    def _write(self, records: list[Record], lines: bytes) -> None:
        began = time_ns()
        super()._write(records, lines)
        self._written = began, time_ns(), len(lines)

    def _respond(self, requests: list[PendingRequest], rows: list[Row]) -> None:
        """Called right after the write of the same rows' records."""
        if Watched.live:
            began, ended, size = self._written
            place = 0
            for request in requests:
                own = [row.record for row in rows[place : place + len(request.items)]]
                place += len(own)
                if isinstance(request.reply, Watched):
                    request.reply.recording.part(LOG, began, ended, {"slipstream.log.bytes": size})
                    request.reply.recording.answered(self._name, own)
        super()._respond(requests, rows)


def recordings(requests: Sequence[PendingRequest]) -> list[Recording]:
    """Of those requests that are recorded."""
    return [request.reply.recording for request in requests if isinstance(request.reply, Watched)]


def _batch(requests: Sequence[PendingRequest], rows: Sequence[Row]) -> dict[str, int]:
    return {"slipstream.batch.requests": len(requests), "slipstream.batch.rows": len(rows)}
