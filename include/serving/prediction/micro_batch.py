"""Micro-batching of `/infer`: rows of one version that arrive within one iteration of the event loop are scored in one run.

Only where it pays: below about 30 microseconds a run, gathering costs more than it saves (measured: a quarter of the
requests/s at 8 connections). What a run costs is measured when the version is warmed. Nobody waits for a window.
"""

from __future__ import annotations

import asyncio

from include.model_contract.batch import Encoded, Floats, join
from include.serving.models.loaded_model import LoadedModel, ModelError

PAYS_US = 30.0  # microseconds of a run of one row
MOST_ROWS = 1000  # of one run: more than that gain nothing, and the first would wait for the last

Waiting = list[tuple[Encoded, "asyncio.Future[Floats]"]]


class Batches:
    """One an event loop."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[LoadedModel, Waiting]] = {}
        self.runs = 0

    def score(self, model: LoadedModel, rows: Encoded) -> asyncio.Future[Floats]:
        """The probabilities of encoded rows. The future raises ModelError if they cannot be scored."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Floats] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._run)
        self._waiting.setdefault(id(model), (model, []))[1].append((rows, done))
        return done

    def _run(self) -> None:
        todo, self._waiting = self._waiting, {}
        for model, waiting in todo.values():
            batch: Waiting = []
            for each in waiting:
                if batch and sum(len(rows) for rows, _ in batch) + len(each[0]) > MOST_ROWS:
                    self._score(model, batch)
                    batch = []
                batch.append(each)
            self._score(model, batch)

    def _score(self, model: LoadedModel, batch: Waiting) -> None:
        """In one run; where that fails, request by request, so that no caller fails for another's rows."""
        self.runs += 1
        try:
            scores = model.score_rows(join([rows for rows, _ in batch]))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is that of one of them
            if len(batch) > 1:
                for each in batch:
                    self._score(model, [each])
            elif not batch[0][1].done():
                batch[0][1].set_exception(error if isinstance(error, ModelError) else _failed(model, error))
            return
        place = 0
        for rows, done in batch:
            if not done.done():  # the caller may have left
                done.set_result(scores[place : place + len(rows)])
            place += len(rows)


def _failed(model: LoadedModel, error: Exception) -> ModelError:
    return ModelError(f"version {model.version} failed: {str(error).strip()[:200]}")
