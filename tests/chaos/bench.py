"""A slot's workbench: templates, fresh worlds, and the fault-free twins that trials are compared with."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from include.core.fault import Fault
from tests.chaos.child import fork
from tests.chaos.protocol import Backends, Backfill, Clear, Cut, Down, Full, How, State, Step
from tests.chaos.proxy import Plan, Proxy, proxy
from tests.chaos.servers import Servers
from tests.chaos.walk import Walk, drive
from tests.chaos.world import World


@dataclass(frozen=True)
class Twin:
    """What a run without a fault left behind, passed and asked for."""

    state: State
    passed: Mapping[str, Sequence[str]]  # fail points in order, by process label
    exchanges: int = 0  # that a proxied service counted
    blocks: int = 0  # of 4 KiB that it took on the small disk


@dataclass
class Bench:
    folder: Path
    number: int
    servers: Servers
    _templates: dict[Any, tuple[Path, dict[str, Any]]] = field(default_factory=dict)
    _twins: dict[Any, Twin] = field(default_factory=dict)

    def world(self, step: Step, on: Backends) -> World:
        return World(self.folder, self.number, self.servers, on, step.models, more=getattr(step, "environ", {}))

    # -- children ------------------------------------------------------------------------------------------

    def ask(self, world: World, name: str, function: Any, patience: float = 120.0) -> Any:
        """The value of a function called in a child; raises RuntimeError if it fails."""
        out = world.scratch / f"{name}.json"
        out.unlink(missing_ok=True)
        ended = fork(function, world.environ(), out).wait(patience)
        if not ended.ok:
            log = out.with_suffix(".log")
            told = log.read_text(errors="replace")[-3000:] if log.exists() else ""
            raise RuntimeError(f"{name} failed: {ended.error} {ended.text}\n{told}")
        return ended.value

    # -- worlds --------------------------------------------------------------------------------------------

    def fresh(self, step: Step, on: Backends, small: str | None = None) -> tuple[World, dict[str, Any]]:
        """A world as the step finds it, and the run that its tasks belong to. `small`: a folder on a small disk."""
        template, run = self._template(step, on)
        world = self.world(step, on)
        world.clean()
        if small is not None:
            world.mount_small(small)
        world.copy(template)
        world.temporary.mkdir(exist_ok=True)
        if on.control == "postgres" or on.online == "redis" or on.storage == "s3":
            self.ask(world, "fill", world.fill)
        reset = getattr(step, "reset", None)
        if reset is not None and (on.jobs != "process" or on.registry == "mlflow"):
            self.ask(world, "reset", lambda: reset(world))
        return world, run

    def _template(self, step: Step, on: Backends) -> tuple[Path, dict[str, Any]]:
        made_on = replace(on, control="sqlite", jobs="process", registry="folder")
        key = (step.name, made_on)
        if key not in self._templates:
            world, base = self.world(step, made_on), getattr(step, "base", None)
            self._make(key, world, step, self._base(base, world) if base is not None else None)
        return self._templates[key]

    def _make(self, key: Any, world: World, maker: Any, base: Path | None) -> None:
        """A template by `maker.prepare`, on top of another one."""
        world.clean()
        if base is not None:
            world.copy(base)
            world.temporary.mkdir(exist_ok=True)
        if world.on.online == "redis" or world.on.storage == "s3":
            self.ask(world, "fill", world.fill)
        run = self.ask(world, "prepare", lambda: maker.prepare(world), patience=300.0)
        path = self.folder / f"template-{len(self._templates)}"
        shutil.rmtree(world.temporary, ignore_errors=True)
        self.ask(world, "save", lambda: world.save(path))
        self._templates[key] = path, run

    def _base(self, base: Any, world: World) -> Path:
        key = (base.name, world.on)
        if key not in self._templates:
            self._make(key, world, base, None)
        return self._templates[key][0]

    def state(self, step: Step, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        state: State = self.ask(world, "state", lambda: step.state(world, runs))
        return state

    # -- twins ---------------------------------------------------------------------------------------------

    def twin(self, step: Step, how: How, on: Backends, tasks: Sequence[str]) -> Twin:
        """The same work without the fault: the same backends, the same runs, the same proxies, one after the other."""
        kind = type(how) if isinstance(how, Backfill | Clear) else None
        service = how.service if isinstance(how, Cut | Down) else ""
        small = how.folder if isinstance(how, Full) else None
        key = (step.name, kind, service, small, on, tuple(tasks))
        if key not in self._twins:
            self._twins[key] = self._live(step, how, on, tasks, service, small)
        return self._twins[key]

    def _live(self, step: Step, how: How, on: Backends, tasks: Sequence[str], service: str, small: str | None) -> Twin:
        world, run = self.fresh(step, on, small)
        runs = [run, *(step.backfill(world, run) if isinstance(how, Backfill) else ())]
        before = used_blocks(world, small)
        finished, passed = [], {}
        with self.around(step, world, service, Plan()) as (inner, counted):
            for number, each in enumerate(runs):
                traces: dict[str, Path] = {}
                walk = Walk(step, inner, each, tasks, _tracing(inner, number, traces))
                drive(walk)
                if walk.failed:
                    raise RuntimeError(f"the twin of {step.name} failed at {walk.label}: {walk.failed}")
                finished.append(walk.run | {"sent": walk.sent})
                if number == 0:
                    passed = {label: _points(path) for label, path in traces.items() if path.exists()}
                _append(traces.values(), inner.scratch / "passed")
        state = self.state(step, world, finished)
        exchanges = counted.count() if counted else 0
        return Twin(state, passed, exchanges, used_blocks(world, small) - before)

    @contextmanager
    def around(self, step: Step, world: World, service: str, plan: Plan) -> Iterator[tuple[World, Proxy | None]]:
        """What goes on beside a walk: the step's own company (a gateway, its customers), and a proxy before a service."""
        with ExitStack() as stack:
            inner = world
            company = getattr(step, "company", None)
            if company is not None:
                inner = stack.enter_context(company(self, inner))
            if not service:
                yield inner, None
                return
            target = ("127.0.0.1", inner.gateway_port) if service == "gateway" else self.servers.at[service]
            relay = stack.enter_context(proxy(service, target, plan, world.scratch))
            yield inner.through(service, relay.port), relay


def _tracing(world: World, number: int, traces: dict[str, Path]) -> Any:
    def arm(label: str) -> Fault:
        traces[label] = world.scratch / f"trace-{number}-{label.replace('/', '-')}"
        return Fault(trace=str(traces[label]))

    return arm


def _points(path: Path) -> list[str]:
    return [line.split()[0] for line in path.read_text().splitlines()]


def _append(traces: Iterable[Path], whole: Path) -> None:
    with whole.open("a") as file:
        for path in traces:
            file.write(path.read_text() if path.exists() else "")


def used_blocks(world: World, small: str | None) -> int:
    if small is None:
        return 0
    usage = shutil.disk_usage(world.home / small)
    return usage.used // 4096
