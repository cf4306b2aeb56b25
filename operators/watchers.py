"""Event triggers behind asset watchers: landed data and labels, and messages of an SQS queue. They change nothing.

That a day has landed is known by the state of the stores, whoever says so: a message of S3's only has it looked at now.

Imported by the triggerer, and where a spec asks for it while DAG files are parsed: nothing heavy here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Literal

from airflow.sdk import Asset, AssetWatcher
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer, reject_shared_stream_event
from asgiref.sync import sync_to_async

from include.core.errors import DataError, PermanentError, one_line
from include.core.settings import Settings
from include.core.spec import ModelSpec, PartitionOwner
from include.core.time import parse_time
from operators.s3_events import partition_of, read_written
from operators.triggers import described

log = logging.getLogger(__name__)
What = Literal["day", "window"]
CHECK_SECONDS = 30.0
VISIBILITY_SECONDS = 600  # that a received message stays invisible to others: by then its event is stored, or it comes again
DELETE_AT_ONCE = 10  # SQS takes no more in one call
LOOK_AGAIN_SECONDS = 1.0  # a thousand messages that come at once are one look, and the next look of the clock
_cache: dict[str, Any] = {}  # of this process's checks, by the store's root
_sent: dict[tuple[str, str], dict[str, tuple[float, int]]] = {}  # events of landed days, by root and model, whoever sent them


def landed_asset(spec: PartitionOwner) -> Asset:
    """A day has landed. Its events carry {"day": YYYY-MM-DD}."""
    watchers, asked = [_watcher("landed_days", LandingTrigger(spec.name, "day"))], spec.triggers
    if asked.queue:
        watchers.append(_watcher("landed_queue", LandedQueueTrigger(spec.name, asked.queue, asked.queue_connection)))
    return Asset(f"{spec.name}_landed", watchers=watchers)


def window_asset(spec: ModelSpec) -> Asset:
    """A monitoring window can be judged. Its events carry {"as_of": ISO}."""
    watchers, asked = [], spec.triggers
    if asked.landing:
        watchers.append(_watcher("closed_windows", LandingTrigger(spec.name, "window")))
    if asked.queue:
        watchers.append(_watcher("queue", QueueTrigger(spec.name, asked.queue, asked.queue_connection)))
    return Asset(f"{spec.name}_window", watchers=watchers)


def _watcher(name: str, trigger: BaseEventTrigger) -> AssetWatcher:
    return AssetWatcher(name=name, trigger=trigger)


class LandingTrigger(BaseEventTrigger):
    """Sends an event for each landed day that is unpublished, or for the newest complete window that is undecided."""

    def __init__(self, model: str, what: What, look_seconds: float = CHECK_SECONDS) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model, self.what, self.look_seconds = model, what, look_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.LandingTrigger", {"model": self.model, "what": self.what, "look_seconds": self.look_seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        sent: dict[str, tuple[float, int]] = _sent_of(self.model) if self.what == "day" else {}
        while True:
            event = await _next(self.model, self.what, sent, self.look_seconds)
            if event is not None:
                yield event
            await asyncio.sleep(self.look_seconds)


def _sent_of(model: str) -> dict[str, tuple[float, int]]:
    return _sent.setdefault((Settings.from_env().root, model), {})


async def _next(model: str, what: What, sent: dict[str, tuple[float, int]], look_seconds: float) -> TriggerEvent | None:
    """The event that is to be sent by what is there now, if any; noted as sent."""
    from operators.pending_events import next_event

    event = next_event(await _waiting(model, what, look_seconds), sent, time.monotonic())
    if event is None:
        return None
    key = str(event["key"])
    sent[key] = (time.monotonic(), sent.get(key, (0.0, 0))[1] + 1)
    return TriggerEvent(dict(event))  # type: ignore[no-untyped-call]


async def _waiting(model: str, what: What, look_seconds: float) -> Sequence[Any]:
    try:
        # A hook in that thread may ask the triggerer for a connection: this way it can.
        found: Sequence[Any] = await sync_to_async(_check, thread_sensitive=False)(model, what)
    except Exception as error:  # noqa: BLE001 - the next check may succeed, and nobody would notice a watcher that ended
        log.warning("This check failed, the next comes in %g s: %s", look_seconds, described(error))
        return ()
    return found


def _check(model: str, what: What) -> Sequence[Any]:
    from operators.hooks import open_services
    from operators.pending_events import EventCache, closed_window, landed_days

    services = open_services()
    if what == "window":
        return closed_window(services, services.spec(model))
    # A store moved elsewhere is another one: its cache is its own.
    return landed_days(services, services.owner(model), _cache.setdefault(services.storage.root, EventCache()))


class QueueTrigger(BaseEventTrigger):
    """Messages of an SQS queue, by the amazon provider: {"as_of": ISO}, and "model" where several models share a queue.

    A message is deleted once the triggerer says that its event is in the database (Airflow's acknowledgement mode): killed
    before that, it comes again, and leads to the same decision.
    """

    def __init__(self, model: str, queue: str, connection: str, look_seconds: float = CHECK_SECONDS) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model, self.queue, self.connection, self.look_seconds = model, queue, connection, look_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.{type(self).__name__}", {
            "model": self.model, "queue": self.queue, "connection": self.connection, "look_seconds": self.look_seconds,
        }  # fmt: skip

    def shared_stream_key(self) -> Hashable:
        return "slipstream_queue", self.queue, self.connection

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        return QueueProducer(kwargs["queue"], kwargs["connection"], kwargs["look_seconds"])

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        async for message in shared_stream:
            if read_written(str(message["Body"])) is not None:
                continue  # of S3: a window is asked for in other words
            try:
                asked = read_message(message["Body"])
            except Exception as error:  # noqa: BLE001 - whatever a message holds, it ends itself alone and not the watcher
                self.log.error("Message %s of %s is dropped: %r", message.get("MessageId"), self.queue, error)
                reject_shared_stream_event()
                continue
            if asked.get("model", self.model) == self.model:
                yield TriggerEvent({"as_of": asked["as_of"], "message": message["MessageId"]})  # type: ignore[no-untyped-call]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """The shared stream is the only way: without it a message might be deleted before its event is kept."""
        none: tuple[TriggerEvent, ...] = ()
        for event in none:  # an async generator, as the base class has it
            yield event
        raise PermanentError(
            "This triggerer has no shared streams, and a queue is read by no other way.",
            safe="no message was received.",
            hint="run the triggerer of Airflow 3.3 or later.",
        )


class LandedQueueTrigger(QueueTrigger):
    """S3's messages in the same queue: a raw partition of the model was written, so its days are looked at now.

    What is sent follows from the stores, as it does for LandingTrigger, and each knows what the other has sent: a message that
    comes twice, out of order, or for a day whose other sources have not landed sends nothing. So a message may go once it was
    looked at and its event, if there is one, is kept; one that is about no source is logged, and goes.
    """

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        looked = float("-inf")
        async for message in shared_stream:
            if not self._is_ours(message) or time.monotonic() - looked < LOOK_AGAIN_SECONDS:
                continue
            event = await _next(self.model, "day", _sent_of(self.model), self.look_seconds)
            looked = time.monotonic()
            if event is not None:
                yield event

    def _is_ours(self, message: Any) -> bool:
        """Whether it is about a source of the model. Of what no model has, the log says so."""
        root, ours = Settings.from_env().root, False
        for address in read_written(str(message["Body"])) or ():
            found = partition_of(address, root)
            ours = ours or (found is not None and found[0] == self.model)
            if found is None:
                log.info("Message %s of %s is about %s, which is no raw partition under %s: it is passed over.",
                         message.get("MessageId"), self.queue, address[:500], root)  # fmt: skip
        return ours


class QueueProducer(SharedStreamProducer):
    """Receives messages; deletes those whose events are kept, and those that nobody can read."""

    def __init__(self, queue: str, connection: str, look_seconds: float) -> None:
        self._queue, self._connection, self._look_seconds = queue, connection, look_seconds
        self._client: Any = None

    async def open_stream(self) -> AsyncIterator[tuple[Any, Any]]:
        from airflow.providers.amazon.aws.triggers.sqs import SqsSensorTrigger  # aiobotocore: not while DAG files are parsed

        sqs = SqsSensorTrigger(
            self._queue, self._connection, max_messages=DELETE_AT_ONCE, visibility_timeout=VISIBILITY_SECONDS,
            delete_message_on_reception=False,
        )  # fmt: skip
        async with AsyncExitStack() as opened:
            while True:
                messages = await self._check(sqs, opened)
                for message in messages:
                    yield message, message
                if not messages:
                    await asyncio.sleep(self._look_seconds)

    async def _check(self, sqs: Any, opened: AsyncExitStack) -> Sequence[Any]:
        """What is in the queue. Nothing from a check that failed: raised here, an error would end every watcher of the queue."""
        try:
            if self._client is None:
                self._client = await opened.enter_async_context(await sqs.hook.get_async_conn())
            messages: Sequence[Any] = await sqs.poke(self._client)
        except Exception as error:  # noqa: BLE001 - one check is lost
            log.warning("This check of %s failed, the next comes in %g s: %s", self._queue, self._look_seconds, described(error))
            return ()
        return messages

    def get_advance_lane(self, broker_payload: Any) -> Hashable:
        return str(broker_payload["MessageId"])  # none waits for another

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        done = [item.broker_payload for item in batch if item.outcome.is_clean or item.outcome.rejected]
        entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(done)]
        for first in range(0, len(entries), DELETE_AT_ONCE):
            few = entries[first : first + DELETE_AT_ONCE]
            try:
                await self._client.delete_message_batch(QueueUrl=self._queue, Entries=few)
            except Exception as error:  # noqa: BLE001 - raised here it would end every watcher of the queue
                log.warning("%d messages of %s are not deleted and come again, which changes nothing: %s",
                            len(few), self._queue, described(error))  # fmt: skip


def read_message(body: str) -> dict[str, str]:
    """{"as_of": ISO, UTC without zone; "model" if it names one}. Raises ValueError for anything else."""
    try:
        value = json.loads(body)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict) or not isinstance(value.get("as_of"), str) or not isinstance(value.get("model", ""), str):
        raise ValueError(f'not {{"as_of": "2013-05-27"}}: {body[:200]!r}')
    try:
        moment = parse_time(value["as_of"])
    except DataError as error:
        raise ValueError(one_line(error)) from None
    return {"as_of": moment.isoformat(), **({"model": value["model"]} if value.get("model") else {})}
