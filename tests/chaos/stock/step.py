"""What the stock rows share: one task, a state store like Airflow's in a file, and a name for each trial."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from include.core.fault import point
from tests.chaos.protocol import Call, Cell, Deferred, Done, Finding, State
from tests.chaos.steps.common import compare
from tests.chaos.world import World


class StockStep:
    """A row of one task. `work` is what its author wrote; `left` counts what the world holds of it."""

    name: str
    title: str
    promise: str
    tasks: tuple[str, ...] = ("work",)
    models = "tests.chaos.models"
    cells: Mapping[str, Cell]

    def prepare(self, world: World) -> dict[str, Any]:
        del world
        return {"xcom": {}}

    def run(self, world: World, call: Call) -> Done | Deferred:
        point("stock.begin")
        value = self.work(world, call)
        point("stock.done")
        return Done(value)

    def resume(self, world: World, call: Call) -> Done | Deferred:
        raise TypeError("a stock row does not defer")

    def backfill(self, world: World, run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        del world
        return [dict(run)]

    def work(self, world: World, call: Call) -> Any:
        raise NotImplementedError

    def left(self, world: World) -> State:
        raise NotImplementedError

    def state(self, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        results = sorted({json.dumps(run["xcom"], sort_keys=True) for run in runs})
        return {**self.left(world), "results": results}

    def check(self, twin: State, seen: State) -> list[Finding]:
        return compare(twin, seen)


class StateStore:
    """Airflow's task state store, as a file that outlives a killed task."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str) -> Any:
        return json.loads(self._path.read_text()).get(key) if self._path.exists() else None

    def set(self, key: str, value: Any) -> None:
        temporary = self._path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({key: value}))
        temporary.replace(self._path)
        point("stock.persisted")


def trial_id(world: World) -> str:
    """A name of this trial's own: its home is made anew for each."""
    path = world.home / "trial-id"
    if not path.exists():
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(uuid.uuid4().hex[:12])
        with contextlib.suppress(FileExistsError):  # another attempt was first
            os.link(fresh, path)
        fresh.unlink()
    return path.read_text()


@contextmanager
def passing(owner: Any, name: str, before: str, after: str) -> Iterator[None]:
    """Fail points around a library's own function, which is otherwise left as it is."""
    original: Callable[..., Any] = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        point(before)
        value = original(*arguments, **named)
        point(after)
        return value

    with mock.patch.object(owner, name, wrapped):
        yield
