"""Event triggers behind asset watchers: landed data and labels, and messages of an SQS queue. They change nothing.

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
from include.core.spec import ModelSpec
from include.core.time import parse_time
from operators.triggers import described

log = logging.getLogger(__name__)
What = Literal["day", "window"]
CHECK_SECONDS = 30.0
VISIBILITY_SECONDS = 600  # that a received message stays invisible to others: by then its event is stored, or it comes again
DELETE_AT_ONCE = 10  # SQS takes no more in one call
_cache: dict[str, Any] = {}  # of this process's checks, by the store's root


def landed_asset(spec: ModelSpec) -> Asset:
    """A day has landed. Its events carry {"day": YYYY-MM-DD}."""
    return Asset(f"{spec.name}_landed", watchers=[_watcher("landed_days", LandingTrigger(spec.name, "day"))])


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
        from operators.pending_events import next_event

        sent: dict[str, tuple[float, int]] = {}
        while True:
            event = next_event(await self._waiting(), sent, time.monotonic())
            if event is not None:
                key = str(event["key"])
                sent[key] = (time.monotonic(), sent.get(key, (0.0, 0))[1] + 1)
                yield TriggerEvent(dict(event))  # type: ignore[no-untyped-call]
            await asyncio.sleep(self.look_seconds)

    async def _waiting(self) -> Sequence[Any]:
        try:
            # A hook in that thread may ask the triggerer for a connection: this way it can.
            found: Sequence[Any] = await sync_to_async(_check, thread_sensitive=False)(self.model, self.what)
        except Exception as error:  # noqa: BLE001 - the next check may succeed, and nobody would notice a watcher that ended
            self.log.warning("This check failed, the next comes in %g s: %s", self.look_seconds, described(error))
            return ()
        return found


def _check(model: str, what: What) -> Sequence[Any]:
    from operators.hooks import open_services
    from operators.pending_events import EventCache, closed_window, landed_days

    services = open_services()
    spec = services.spec(model)
    if what == "window":
        return closed_window(services, spec)
    # A store moved elsewhere is another one: its cache is its own.
    return landed_days(services, spec, _cache.setdefault(services.storage.root, EventCache()))


class QueueTrigger(BaseEventTrigger):
    """Messages of an SQS queue, by the amazon provider: {"as_of": ISO}, and "model" where several models share a queue.

    A message is deleted once the triggerer says that its event is in the database (Airflow's acknowledgement mode): killed
    before that, it comes again, and leads to the same decision.
    """

    def __init__(self, model: str, queue: str, connection: str, look_seconds: float = CHECK_SECONDS) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model, self.queue, self.connection, self.look_seconds = model, queue, connection, look_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.QueueTrigger", {
            "model": self.model, "queue": self.queue, "connection": self.connection, "look_seconds": self.look_seconds,
        }  # fmt: skip

    def shared_stream_key(self) -> Hashable:
        return "slipstream_queue", self.queue, self.connection

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        return QueueProducer(kwargs["queue"], kwargs["connection"], kwargs["look_seconds"])

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        async for message in shared_stream:
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
