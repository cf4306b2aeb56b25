"""A stream's process, put together: its log, its engine, and where its rows go."""

from __future__ import annotations

import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from include.core.connection import from_env
from include.core.errors import SpecError
from include.core.scratch import scratch_folder
from include.event_log.open import open_events
from include.streaming.loop import Limits, StreamLoop
from include.streaming.sink import Sink
from include.streaming.telemetry import StreamMetrics

if TYPE_CHECKING:
    from include.core.spec import ModelSpec, PartitionOwner, View
    from include.event_log.port import EventConsumer
    from include.services.services import Services

CONNECTION = "slipstream_stream"  # Kafka's login


def run_views(
    services: Services, spec: PartitionOwner, metrics: StreamMetrics, limits: Limits, stop: Callable[[], bool], *,
    group: str = "",
) -> None:  # fmt: skip
    """The views of `streams.sources`, computed as events arrive. Raises SpecError where the spec has none."""
    from include.features.streams.engine import StreamEngine

    topics = [topic for source in spec.streams.sources for topic in source.topics]
    if not topics:
        raise SpecError(
            f"{spec.name} has no streams.",
            hint="say in its spec which sources come as events: streams.sources (docs/streams.md).",
        )
    with scratch_folder(services.settings.scratch()) as scratch:
        engine = StreamEngine(spec, scratch)
        loop = StreamLoop(
            spec.name, engine, open_log(services, group or spec.name, topics), sink(services, spec), metrics, limits,
            whole=not spec.streams.key,
        )  # fmt: skip
        try:
            loop.run(stop, limits.until_end)
        finally:
            engine.close()


def run_rows(
    services: Services, spec: PartitionOwner, metrics: StreamMetrics, limits: Limits, stop: Callable[[], bool], *,
    group: str = "",
) -> None:  # fmt: skip
    """Rows that another engine computed (`streams.finished`). Raises SpecError where the spec has none."""
    from include.features.streams.finished import FinishedRows

    topics = [each.topic for each in spec.streams.finished]
    if not topics:
        raise SpecError(
            f"{spec.name} has no topics of finished rows.",
            hint="name a view and its topic in its spec: streams.finished (docs/streams.md).",
        )
    log = open_log(services, group or f"{spec.name}-rows", topics)
    StreamLoop(spec.name, FinishedRows(spec), log, sink(services, spec), metrics, limits, whole=False).run(stop, limits.until_end)


def run_answers(
    services: Services, spec: ModelSpec, metrics: StreamMetrics, limits: Limits, stop: Callable[[], bool], *,
    topics: tuple[str, str], group: str = "",
) -> None:  # fmt: skip
    """The requests of the first topic, each answered once in the second."""
    from include.event_log.open import open_answers
    from include.streaming.answers import AnswerLoop
    from include.streaming.in_process import InProcessGateway

    name, settings = f"slipstream-{group or spec.name + '-answers'}", services.settings
    login = from_env(CONNECTION, settings.environ)
    consumer = open_events(settings.stream_url, login, name, topics[:1])
    writer = open_answers(settings.stream_url, login, consumer, name, uuid.uuid4().hex[:12], topics[1])
    with InProcessGateway(services, spec.name) as predictor:
        AnswerLoop(spec.name, consumer, writer, predictor, metrics, limits).run(stop, limits.until_end)


def open_log(services: Services, group: str, topics: Sequence[str]) -> EventConsumer:
    settings = services.settings
    return open_events(settings.stream_url, from_env(CONNECTION, settings.environ), f"slipstream-{group}", topics)


def sink(services: Services, spec: PartitionOwner) -> Sink:
    return Sink(spec.name, services.online_store, services.storage, targets(services, spec), spec.data.cadence)


def targets(services: Services, spec: PartitionOwner) -> Mapping[str, Sequence[View]]:
    """As what each view's rows are written: as its present version; without one too, where what is served reads those."""
    from include.core.errors import NotReadyError
    from include.model_contract.definition import Pins, pins_of, present_views

    try:
        pins = pins_of(services.control, services.ledger, spec)
    except NotReadyError:  # nothing has run here yet
        pins = Pins((), False)
    unversioned = pins.unpinned or not pins.definitions
    return {
        view.name: [view, view.model_copy(update={"version": "", "pushed": False})] if unversioned and view.version else [view]
        for view in present_views(spec.features)
        if not view.set  # another owner's stream writes those
    }


@contextmanager
def until_told() -> Iterator[Callable[[], bool]]:
    """Whether this process was told to end: SIGTERM, or the keyboard. What is read then is written and committed first."""
    told = threading.Event()
    before = {each: signal.signal(each, lambda *_: told.set()) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield told.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
