"""Rows for versions that another server serves: gathered for a moment, sent in one call, answered when that comes.

Nothing waits for them but their own callers. What a server owes is bounded: in time (the version's timeout), in rows (BATCHES
calls' worth; what comes beyond fails at once), and by a circuit that leaves alone what failed call after call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from include.core.errors import DataError, SlipstreamError, one_line
from include.model_contract.batch import Encoded, Floats, join
from include.model_contract.model import RemoteModel
from include.serving.circuit_breaker import Breaker
from include.serving.models.loaded_model import LoadedModel, ModelError, Unanswered

log = logging.getLogger(__name__)
GATHER_SECONDS = 0.002  # that the first row of a call waits for others
CALLS = 4  # under way to one version; what comes meanwhile goes with the next, so calls grow where they are slow or dear
BATCHES = 8  # of the largest size may be under way to one version
FAILURES, OVER, PAUSE, LONGEST_PAUSE = 5, 1.0, 1.0, 30.0  # calls in a row and seconds that open a version's circuit
LINES = 16  # versions that are remembered

Waiting = list[tuple[Encoded, "asyncio.Future[Floats]"]]


class RemoteBatches:
    """One an event loop. `opened`: told of each circuit that opens, as MODEL/VERSION."""

    def __init__(self, opened: Callable[[str], None] = lambda name: None) -> None:
        self._opened = opened
        self._lines: dict[int, Line] = {}

    def score(self, model: LoadedModel, rows: Encoded) -> asyncio.Future[Floats]:
        """Outputs of encoded rows, of one caller. The future raises ModelError; Unanswered where no row is to blame."""
        line = self._lines.get(id(model))
        if line is None:
            self._lines = {key: each for key, each in self._lines.items() if each.rows or len(self._lines) < LINES}
            line = self._lines[id(model)] = Line(model, self._opened)
        return line.join(rows)


class Line:
    """The rows for one version."""

    def __init__(self, model: LoadedModel, opened: Callable[[str], None]) -> None:
        self._model, self._scorer = model, cast(RemoteModel, model.scorer)
        self._remote = self._scorer.remote
        name = f"{model.name}/{model.version}"
        self._circuit = Breaker(FAILURES, PAUSE, LONGEST_PAUSE, OVER, lambda: opened(name))
        self._waiting: Waiting = []
        self._timer: asyncio.TimerHandle | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self.rows = 0  # waiting or sent, and not yet answered

    def join(self, rows: Encoded) -> asyncio.Future[Floats]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Floats] = loop.create_future()
        if self.rows and self.rows + len(rows) > BATCHES * self._remote.max_batch:
            done.set_exception(Unanswered(f"version {self._model.version} is left alone: {self.rows} rows wait for it already"))
            return done
        probes = self._circuit.tripped
        if probes and not self._circuit.allows():
            done.set_exception(Unanswered(f"version {self._model.version} is left alone: it failed again and again"))
            return done
        self.rows += len(rows)
        self._waiting.append((rows, done))
        parts = -(-len(rows) // self._remote.max_batch)
        late = loop.call_later(parts * self._remote.seconds + GATHER_SECONDS, self._late, done)
        done.add_done_callback(lambda _: late.cancel())
        if probes or sum(len(each) for each, _ in self._waiting) >= self._remote.max_batch:
            self._send(probes)
        elif self._timer is None:
            self._timer = loop.call_later(GATHER_SECONDS, self._send)
        return done

    def _late(self, done: asyncio.Future[Floats]) -> None:
        """Whether its rows wait here or there, a caller has an answer by then."""
        _set(done, Unanswered(f"version {self._model.version} failed: no answer within {self._remote.timeout_ms} ms"))

    def _send(self, probes: bool = False) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if len(self._calls) >= CALLS and not probes:  # the first that comes back sends what has gathered by then
            return
        batch = self._next()
        if batch:
            call = asyncio.get_running_loop().create_task(self._call(batch, probes))
            self._calls.add(call)
            call.add_done_callback(self._over)

    def _next(self) -> Waiting:
        """Whole callers, as many as one call takes; whoever left in the meantime is not asked for."""
        batch: Waiting = []
        count = 0
        while self._waiting:
            rows, done = self._waiting[0]
            if batch and not done.done() and count + len(rows) > self._remote.max_batch:
                break
            self._waiting.pop(0)
            if done.done():
                self.rows -= len(rows)
            else:
                batch.append((rows, done))
                count += len(rows)
        return batch

    def _over(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if self._waiting:
            self._send()

    async def _call(self, batch: Waiting, probes: bool) -> None:
        try:
            await self._answer(batch, probes)
        finally:
            self.rows -= sum(len(rows) for rows, _ in batch)
            for _, done in batch:
                if not done.done():  # cancelled: the gateway stops
                    done.set_exception(Unanswered(f"version {self._model.version} was not waited for"))

    async def _answer(self, batch: Waiting, probes: bool) -> None:
        """In one call; where its rows are refused, caller by caller, so that none fails for another's."""
        try:
            outputs = await self._ask(join([rows for rows, _ in batch]))
        except DataError as error:
            if len(batch) > 1:
                await asyncio.gather(*(self._answer([each], probes) for each in batch))
                return
            self._fail(batch, ModelError(self._words(error)), probes)
        except Exception as error:
            if not isinstance(error, SlipstreamError):
                log.exception("version %d was not asked", self._model.version)
            self._fail(batch, Unanswered(self._words(error)), probes)
        else:
            self._share(batch, outputs, probes)

    async def _ask(self, rows: Encoded) -> Floats:
        size = self._remote.max_batch
        starts = range(0, len(rows), size)
        parts = [await self._scorer.score_soon(rows[start : start + size]) for start in starts]
        return parts[0] if len(parts) == 1 else cast(Floats, join(parts))

    def _share(self, batch: Waiting, outputs: Floats, probes: bool) -> None:
        """To each caller its own, checked by itself; a wrong answer to one counts against the version."""
        place, wrong = 0, False
        for rows, done in batch:
            own = outputs[place : place + len(rows)]
            place += len(rows)
            try:
                self._model.check(own, len(rows))
            except ModelError as error:
                wrong = True
                _set(done, error)
            else:
                if not done.done():  # the caller may have left
                    done.set_result(own)
        if wrong:
            self._failed(probes)
        else:
            self._circuit.succeeded()

    def _failed(self, probes: bool) -> None:
        """Of an open circuit its probes tell, not the calls that were still under way."""
        if probes or not self._circuit.tripped:
            self._circuit.failed()

    def _fail(self, batch: Waiting, error: ModelError, probes: bool) -> None:
        self._failed(probes)
        for _, done in batch:
            _set(done, error)

    def _words(self, error: Exception) -> str:
        what = error.what if isinstance(error, SlipstreamError) else one_line(error)
        return f"version {self._model.version} failed: {what[:200]}"


def _set(done: asyncio.Future[Floats], error: ModelError) -> None:
    if not done.done():
        done.set_exception(error)
