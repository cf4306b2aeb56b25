"""One day of a range: its verdict and its features, found in the ledger or computed, as the daily DAG's tasks would."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Self, cast

import duckdb

from include.core.author import as_slipstream_error, log_exception
from include.core.errors import SlipstreamError, fields_of, of_fields
from include.core.ledger import Ledger
from include.core.partition import Partition
from include.core.reference import load
from include.core.request import Outcome, Ref, Request, Result
from include.core.scratch import scratch_folder
from include.core.settings import Settings
from include.core.spec import PartitionOwner
from include.core.task import Step, Task, perform
from include.data.suppression import suppress
from include.features.request import features_request
from include.ranges.computing import Computer
from include.ranges.judging import Judge
from include.ranges.known_raw import KnownRaw
from include.ranges.stretch import NotPlain, Stretch
from include.step_values.validation import ValidateValue
from include.validation.request import STEP as VALIDATE
from include.validation.request import verdict_request
from include.validation.verdict import raise_if_failed


@dataclass(frozen=True)
class Made:
    """A day's two results. `computed`: how many of them were computed now; 0 where both were there."""

    day: Partition
    verdict: Ref
    features: Ref
    computed: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        refs = {"verdict": self.verdict.to_json(), "features": self.features.to_json()}
        return {**self.day.fields(), **refs, "computed": self.computed, "seconds": self.seconds}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        verdict, features = Ref.from_json(value["verdict"]), Ref.from_json(value["features"])
        return cls(Partition.read(value), verdict, features, value["computed"], value["seconds"])


@dataclass(frozen=True)
class Failed:
    """Why a day has no features."""

    day: Partition
    error: SlipstreamError
    verdict: Ref | None = None  # that was given before, or that it failed of

    def to_json(self) -> dict[str, Any]:
        verdict = {} if self.verdict is None else {"verdict": self.verdict.to_json()}
        return {**self.day.fields(), "error": fields_of(self.error), **verdict}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        verdict = Ref.from_json(value["verdict"]) if "verdict" in value else None
        return cls(Partition.read(value), of_fields(value["error"]), verdict)


class Maker:
    """Makes days of one model. Pure but for the ledger: it publishes nothing."""

    def __init__(self, spec: PartitionOwner, ledger: Ledger, settings: Settings, fresh: str = "", *, aside: bool = False) -> None:
        """`fresh`: the run's token where everything is to be computed anew, else empty.

        `aside`: what days have read is cleared away by a thread, while the next ones are made; for a process that does no more.
        """
        self._clearing = ThreadPoolExecutor(1) if aside else None
        self.spec, self.ledger, self.settings, self.fresh = spec, ledger, settings, fresh
        self.raw = KnownRaw.of(ledger.storage, spec)
        self.judge, self.computer = Judge(spec), Computer(spec)
        self._judged: Ref | None = None  # the verdict on the day that is being made

    def make(self, days: Sequence[Partition]) -> Generator[Made | Failed]:
        """Each day as it is done, in their order. Whatever is wrong with a day comes back as its error."""
        suppress(self.spec, self.ledger.storage, days, self.settings)
        with self._opened() as opened:
            reader = _Reader(self, list(days), opened)
            for day in days:
                self._judged = None
                try:
                    yield self._make(day, reader)
                except SlipstreamError as error:
                    yield Failed(day, error, self._judged)
                except Exception as error:  # noqa: BLE001 - one day's, of whatever kind: the next one is made all the same
                    log_exception(error)
                    yield Failed(day, as_slipstream_error(error), self._judged)

    @contextmanager
    def _opened(self) -> Iterator[ExitStack]:
        """For what days read: closed at the end."""
        opened = ExitStack()
        try:
            yield opened
        finally:
            if self._clearing is None:
                opened.close()
            else:
                self._clearing.submit(opened.close)  # a disk takes milliseconds to remove a file

    def _make(self, day: Partition, reader: _Reader) -> Made:
        started = time.monotonic()
        verdict, judged = self._result(verdict_request(self.spec, day, self.ledger.storage, self.raw), reader)
        ref = self._judged = self.ledger.ref(verdict)
        files = {name: self.ledger.storage.uri(file.path) for name, file in verdict.files.items()}
        raise_if_failed(verdict.read(ValidateValue), files)
        features, made = self._result(features_request(self.spec, day, self.ledger.storage, ref, self.raw), reader)
        seconds = round(time.monotonic() - started, 3)
        return Made(day, ref, self.ledger.ref(features), judged + made, seconds)

    def _result(self, request: Request, reader: _Reader) -> tuple[Result, bool]:
        """The request's result, and whether it was computed now."""
        self.ledger.record(request)
        generation = self._generation(request.key)
        known = self.ledger.result(request.key, generation)
        if known is not None:
            return known, False
        attempt = self.ledger.open_attempt(request.key, generation)
        return perform(request, attempt, self.ledger, self.settings, reader.step(request)), True

    def _generation(self, key: str) -> int:
        """A committed result whose bytes changed is computed again, under a generation of its own."""
        if self.fresh:
            return self.ledger.open_generation(key, self.fresh, "fresh")
        generation = self.ledger.current(key)
        known = self.ledger.result(key, generation)
        if known is not None and (broken := self.ledger.verify(known)):
            return self.ledger.open_generation(key, f"repair:g{generation}", f"damaged: {', '.join(broken)}")
        return generation


class _Reader:
    """What the days read, together: opened for the first day that is to be computed, with those that follow it."""

    def __init__(self, maker: Maker, days: list[Partition], opened: ExitStack) -> None:
        self._maker, self._days, self._opened = maker, days, opened
        self._stretch: Stretch | None = None

    def step(self, request: Request) -> Step:
        """The request's step, by the shorter way where the data are plain."""

        def run(task: Task) -> Outcome:
            stretch = self._read(Partition.read(request.params))
            try:
                if request.step == VALIDATE:
                    return self._maker.judge.judge(task, stretch.sources)
                return self._maker.computer.compute(task, stretch)
            except (NotPlain, duckdb.Error, SlipstreamError):  # the step itself knows what to do, or to say
                return cast("Step", load(request.function))(task)

        return run

    def _read(self, day: Partition) -> Stretch:
        if self._stretch is None:
            maker = self._maker
            scratch = self._opened.enter_context(scratch_folder(maker.settings.scratch()))
            self._stretch = self._opened.enter_context(Stretch(maker.spec, maker.raw, scratch))
            names = [f"{name}.parquet" for name in maker.computer.names]
            self._stretch.read(self._days[self._days.index(day) :], maker.judge.aggregates, names)
        return self._stretch
