"""Landed data and labels, and messages of a queue: each leads to a run under the same key, none is lost, none counts twice."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowSkipException
from airflow.triggers.shared_stream import SharedStreamManager

from include.core.control import ControlStore
from include.core.partition import Cadence
from include.core.spec import Triggers
from include.monitoring.retraining.decision import history
from include.versions.lifecycle import set_production
from operators import watchers
from operators.monitoring import CollectPredictionsOperator
from operators.pending_events import AGAIN_SECONDS, PENDING_SECONDS, closed_window, landed_days, next_event
from operators.run import run_partition
from operators.training import PlanTrainingOperator
from operators.watchers import LandingTrigger, QueueTrigger, read_message
from tests.support.nursery import DAYS
from tests.support.operator_runs import MODEL, Life, Run, day
from tests.support.s3_server import moto_server
from tests.unit.operators.models.shop.spec import SPEC

ROOT = Path(__file__).parents[3]
UNREADABLE = [
    "no json", "[]", "{}", '{"as_of": 5}', "[" * 5000,
    '{"as_of": "0001-01-01T00:00:00+01:00"}', '{"as_of": "9999-12-31T23:00:00-05:00"}',
]  # fmt: skip
A, B = {"key": "a"}, {"key": "b"}


def test_one_event_at_a_time_and_a_lost_one_once_more() -> None:
    assert next_event([], {}, 0.0) is None
    assert next_event([A, B], {}, 0.0) == A
    assert next_event([A, B], {"a": (0.0, 1)}, PENDING_SECONDS - 1) is None  # its work is under way
    assert next_event([B], {"a": (0.0, 1)}, 1.0) == B  # its work is done
    assert next_event([A, B], {"a": (0.0, 1)}, PENDING_SECONDS + 1) == B  # it takes long, or failed: nobody waits for it
    sent = {"a": (0.0, 1), "b": (PENDING_SECONDS + 1, 1)}
    assert next_event([A, B], sent, 2 * PENDING_SECONDS + 2) is None
    assert next_event([A, B], sent, AGAIN_SECONDS) == A


def test_what_never_succeeds_is_reported_less_and_less_often_and_at_last_once_a_day() -> None:
    now, sent, times = 0.0, dict[str, tuple[float, int]](), []
    while len(times) < 8:
        if next_event([A], sent, now) is not None:
            times.append(now)
            sent["a"] = (now, len(times))
        now += AGAIN_SECONDS / 4
    assert [(b - a) / 3600 for a, b in itertools.pairwise(times)] == [1, 2, 4, 8, 16, 24, 24]


def first(trigger: LandingTrigger, count: int, between: Any = None) -> list[dict[str, Any]]:
    async def collect() -> list[dict[str, Any]]:
        found = []
        async for event in trigger.run():
            found.append(event.payload)
            if len(found) == count:
                break
            between()
        return found

    return asyncio.run(asyncio.wait_for(collect(), 60))


def test_each_landed_day_is_reported_until_it_is_published(life: Life) -> None:
    life.land(day(1))
    life.land(day(2))
    life.put("orders", day(3), pa.table({"x": [1]}))  # its returns have not landed
    assert [event["day"] for event in landed_days(life.services, SPEC)] == ["2013-01-01", "2013-01-02"]
    trigger = LandingTrigger(MODEL, "day", look_seconds=0.01)
    events = first(trigger, 2, lambda: life.publish(day(1)))
    assert [event["day"] for event in events] == ["2013-01-01", "2013-01-02"]
    run = Run(run_type="asset_triggered", event={"from_trigger": True, "payload": events[1]})
    assert run_partition(run.context("validate"), Cadence()) == day(2)
    life.publish(day(2))
    assert landed_days(life.services, SPEC) == []


DAILY = SPEC.model_copy(update={"monitoring": SPEC.monitoring.model_copy(update={"schedule": "0 0 * * *"})})


@pytest.mark.parametrize("error", [OSError("stale handle"), ValueError("what is this?"), PermissionError(13, "no")])
def test_a_look_that_fails_for_any_reason_is_one_look_lost(life: Life, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    life.land(day(1))
    looks, real = itertools.count(), watchers._check

    def fails_once(*asked: Any) -> Any:
        if next(looks) == 0:
            raise error
        return real(*asked)

    monkeypatch.setattr(watchers, "_check", fails_once)
    assert [event["day"] for event in first(LandingTrigger(MODEL, "day", look_seconds=0.01), 1)] == ["2013-01-01"]


def test_a_window_is_reported_once_its_last_day_is_published_until_it_is_decided(registered: Life) -> None:
    services, end = registered.services, day(DAYS + 1)
    assert closed_window(services, DAILY) == []  # nobody is in production
    with services.control.transaction() as connection:
        set_production(connection, MODEL, 1)
    (event,) = closed_window(services, DAILY)
    assert event["as_of"] == f"{end}T00:00:00"
    runs = (
        Run(run_id="event", run_type="asset_triggered", event={"from_trigger": True, "payload": dict(event)}),
        Run(run_id="clock", run_type="scheduled", interval=(day(DAYS), end)),
        Run({"as_of": str(end)}, run_id="hand"),
    )
    refs = [run(CollectPredictionsOperator(task_id="collect", model=MODEL)) for run in runs]
    assert refs[0] == refs[1] == refs[2]
    assert event["key"] == f"{MODEL}:{registered.result(refs[0]).value['window']}"

    decide(services.control, str(event["key"]), str(event["as_of"]))
    assert [decision.key for decision in history(services.control, MODEL)] == [event["key"]]
    assert closed_window(services, DAILY) == []
    registered.land(day(DAYS + 2))
    registered.publish(day(DAYS + 2))  # the day before it is missing
    assert closed_window(services, DAILY) == []


def decide(control: ControlStore, key: str, as_of: str) -> None:
    from include.monitoring.retraining.decision import record_decision, resource
    from include.monitoring.retraining.policy import Decision

    signals = {"version": 1, "drift": False, "drop": False}
    made = Decision(key, MODEL, as_of, "hold", (), (), "nothing", {"signals": signals})
    record_decision(control, made, control.take(resource(MODEL), "test"))


# -- a decision is trained on once ---------------------------------------------------------------------------


def test_a_decision_whose_event_comes_twice_is_trained_on_once(published: Life) -> None:
    event = {"as_of": "2013-01-03T00:00:00", "decision": "shop:w", "words": "drift of price"}
    one, two = (Run(run_id=name, run_type="asset_triggered", event=event) for name in ("one", "two"))
    plan = PlanTrainingOperator(task_id="plan", model=MODEL)
    made = one(plan)
    with pytest.raises(AirflowSkipException, match="The decision shop:w was trained on by the run shop_dag/one"):
        two(plan)
    assert one(plan) == made  # retried, or cleared
    other = Run(run_id="three", run_type="asset_triggered", event={**event, "decision": "shop:w2"})
    assert other(plan)["reason"] == "drift of price"
    assert Run(run_id="four")(plan)["reason"] == "asked for by hand"


# -- messages of a queue ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as address:
        yield address


class Queue:
    def __init__(self, address: str, name: str) -> None:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
        self.client = boto3.client("sqs", endpoint_url=address, **keys)
        self.url = self.client.create_queue(QueueName=name)["QueueUrl"]

    def send(self, body: Any) -> None:
        self.client.send_message(QueueUrl=self.url, MessageBody=body if isinstance(body, str) else json.dumps(body))

    def left(self) -> int:
        """Messages that are not deleted, those under way included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(map(int, found.values()))


@pytest.fixture
def queue(moto: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Queue:
    extra = {"endpoint_url": moto, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "testing", "password": "testing", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_SQS", json.dumps(connection))
    return Queue(moto, f"q{abs(hash(request.node.name))}")


class Triggerer:
    """What the triggerer does with a shared stream, as far as one trigger meets it."""

    def __init__(self, trigger: QueueTrigger, number: int, manager: SharedStreamManager) -> None:
        self.number, self.key, self.manager = number, trigger.shared_stream_key(), manager
        self.stream: AsyncIterator[Any] = trigger.filter_shared_stream(
            manager.subscribe(trigger_id=number, trigger=trigger, key=self.key)
        )

    async def next(self) -> tuple[dict[str, Any], int | None]:
        event = await asyncio.wait_for(anext(self.stream), 30)
        return event.payload, self.manager.bind_pending_event(trigger_id=self.number, key=self.key)


def trigger(queue: Queue, model: str = MODEL) -> QueueTrigger:
    return QueueTrigger(model, queue.url, "shop_sqs", look_seconds=0.05)


async def until(queue: Queue, count: int) -> None:
    for _ in range(300):
        if await asyncio.to_thread(queue.left) == count:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{queue.left()} messages are left, not {count}")


def test_a_message_is_deleted_once_its_event_is_kept_and_not_before(queue: Queue) -> None:
    queue.send({"as_of": "2013-05-27"})
    for body in UNREADABLE:
        queue.send(body)
    queue.send({"as_of": "2013-06-03T02:00:00+02:00", "model": MODEL})

    async def life() -> list[dict[str, Any]]:
        manager = SharedStreamManager()
        triggerer = Triggerer(trigger(queue), 1, manager)
        got = [await triggerer.next(), await triggerer.next()]
        waiting = asyncio.ensure_future(triggerer.next())  # on to the next one, which does not come
        await until(queue, 2)  # what nobody can read is gone; what has an event waits for it to be kept
        manager.confirm_persisted([seq for _, seq in got if seq is not None])
        await until(queue, 0)
        waiting.cancel()
        await manager.stop_all()
        return [payload for payload, _ in got]

    events = asyncio.run(life())
    assert sorted(event["as_of"] for event in events) == ["2013-05-27T00:00:00", "2013-06-03T00:00:00"]


def test_a_triggerer_that_dies_before_the_event_is_kept_leaves_the_message(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers, "VISIBILITY_SECONDS", 1)
    queue.send({"as_of": "2013-05-27"})

    async def dies(number: int) -> dict[str, Any]:
        manager = SharedStreamManager()
        payload, _ = await Triggerer(trigger(queue), number, manager).next()
        await manager.stop_all()
        return payload

    first_event, second = asyncio.run(dies(1)), asyncio.run(dies(2))
    assert first_event == second
    assert queue.left() == 1


def test_models_that_share_a_queue_each_get_their_own_messages(queue: Queue) -> None:
    queue.send({"as_of": "2013-05-27", "model": "other"})
    queue.send({"as_of": "2013-05-28", "model": MODEL})

    async def life() -> list[dict[str, Any]]:
        manager = SharedStreamManager()
        both = [Triggerer(trigger(queue, model), number, manager) for number, model in enumerate((MODEL, "other"))]
        got = [await each.next() for each in both]
        waiting = [asyncio.ensure_future(each.next()) for each in both]
        manager.confirm_persisted([seq for _, seq in got if seq is not None])
        await until(queue, 0)
        for each in waiting:
            each.cancel()
        await manager.stop_all()
        return [payload for payload, _ in got]

    assert [event["as_of"][:10] for event in asyncio.run(life())] == ["2013-05-28", "2013-05-27"]


def test_a_queue_that_fails_at_times_ends_no_watcher(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.providers.amazon.aws.hooks.sqs import SqsHook
    from airflow.providers.amazon.aws.triggers.sqs import SqsSensorTrigger

    def failing(cls: Any, name: str, times: int) -> None:
        real, left = getattr(cls, name), iter(range(times))

        async def call(*args: Any, **kwargs: Any) -> Any:
            if next(left, None) is not None:
                raise OSError("throttled")
            return await real(*args, **kwargs)

        monkeypatch.setattr(cls, name, call)

    failing(SqsHook, "get_async_conn", 2)
    failing(SqsSensorTrigger, "poke", 2)
    queue.send({"as_of": "2013-05-27"})

    async def life() -> dict[str, Any]:
        manager = SharedStreamManager()
        payload, _ = await Triggerer(trigger(queue), 1, manager).next()
        await manager.stop_all()
        return payload

    assert asyncio.run(life())["as_of"] == "2013-05-27T00:00:00"


def test_a_message_that_cannot_be_deleted_ends_no_watcher(queue: Queue) -> None:
    async def no(**_: object) -> None:
        raise OSError("throttled")

    producer = watchers.QueueProducer(queue.url, "shop_sqs", 0.05)
    producer._client = SimpleNamespace(delete_message_batch=no)
    item: Any = SimpleNamespace(broker_payload={"ReceiptHandle": "r"}, outcome=SimpleNamespace(is_clean=True, rejected=0))
    asyncio.run(producer.advance([item]))


@pytest.mark.parametrize("body", ["", *UNREADABLE, '{"as_of": "soon"}', '{"as_of": "2013-01-01", "model": 7}'])
def test_what_is_no_question_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_message(body)


# -- what S3 says in the queue -----------------------------------------------------------------------------------


def written(root: str, *paths: str) -> dict[str, Any]:
    bucket, _, prefix = root.removeprefix("s3://").partition("/")
    keys = [f"{prefix}/{path}" for path in paths]
    return {
        "Records": [
            {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": {"key": key}}} for key in keys
        ]
    }


def test_a_day_is_sent_once_however_its_messages_come(queue: Queue, life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sources in any order, twice; a day whose other source has not landed; keys of nobody; the bucket's test."""
    monkeypatch.setattr(watchers, "LOOK_AGAIN_SECONDS", 0.0)
    monkeypatch.setenv("SLIPSTREAM_ROOT", "s3://slipstream/x")  # as the messages name it
    monkeypatch.setattr(watchers, "_check", lambda model, what: landed_days(life.services, SPEC))
    life.land(day(1))
    life.put("orders", day(2), pa.table({"x": [1]}))
    paths = [life.raw.path(source, day(number)) for source in ("returns", "orders") for number in (2, 1)]
    bodies = [{"Event": "s3:TestEvent"}, *(written("s3://slipstream/x", path) for path in [*paths, *paths, "ledger/x", "raw/y"])]
    for body in bodies:
        queue.send(body)

    async def life_of() -> list[dict[str, Any]]:
        manager = SharedStreamManager()
        landed = watchers.LandedQueueTrigger(MODEL, queue.url, "shop_sqs", look_seconds=0.05)
        windows, days = Triggerer(trigger(queue), 1, manager), Triggerer(landed, 2, manager)
        none = asyncio.ensure_future(windows.next())
        got = [await days.next()]
        more = asyncio.ensure_future(days.next())
        await until(queue, 1)  # all others have nothing to say, and go
        manager.confirm_persisted([seq for _, seq in got if seq is not None])
        await until(queue, 0)
        assert not none.done()
        assert not more.done()
        more.cancel()
        none.cancel()
        await manager.stop_all()
        return [payload for payload, _ in got]

    assert [event["day"] for event in asyncio.run(life_of())] == [str(day(1))]


# -- in the DAGs -------------------------------------------------------------------------------------------------

PARSE = """
import json, sys
from include.core.spec import Triggers
from operators.lifecycle import features_dag, monitoring_dag
from tests.unit.operators.models.shop.spec import SPEC
from airflow.serialization.serialized_objects import DagSerialization
spec = SPEC.model_copy(update={"triggers": Triggers(landing=True, queue="http://127.0.0.1:1/q")})
dags = [DagSerialization.to_dict(make(spec)) for make in (features_dag, monitoring_dag)]
loaded = sorted(set(sys.modules) & {"boto3", "aiobotocore", "pyarrow", "duckdb"} - before)
print(json.dumps({"loaded": loaded, "dags": dags}, default=str))
"""


@pytest.mark.lives
def test_a_spec_may_ask_for_watchers_and_parsing_stays_light() -> None:
    code = "import sys, airflow.sdk\nbefore = set(sys.modules)\n" + PARSE
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    text = json.dumps(said["dags"])
    assert said["loaded"] == []
    assert all(
        name in text
        for name in (
            "shop_landed",
            "shop_window",
            "watchers.LandingTrigger",
            "watchers.QueueTrigger",
            "watchers.LandedQueueTrigger",
        )
    )


def test_without_asking_nothing_is_watched() -> None:
    assert SPEC.triggers == Triggers()
    assert list(itertools.chain(watchers.window_asset(SPEC).watchers)) == []
