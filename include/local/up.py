"""`make up`: start what does not run yet, each component as soon as what it needs is healthy."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Collection
from typing import Any

from include.core.errors import ConflictError, PermanentError, UnreachableError
from include.core.private_files import private_folder, set_mask, tighten
from include.local import orphans, ports
from include.local.components import COMPONENTS, Component, select
from include.local.connections import addresses, write_file
from include.local.credentials import Credentials
from include.local.platform import Platform
from include.local.supervisor import Supervisor
from include.services.services import Services

Say = Callable[[str], None]
POLL = 0.3  # seconds
DEATHS = 3  # a component that this `up` saw die so often will not come up


def up(platform: Platform, only: Collection[str] = (), say: Say = print, timeout: float = 300.0) -> dict[str, float]:
    """Bring the platform up; all of it, or the named components and what they need.

    Returns the seconds until each was healthy (0.0: it ran already). Raises ConflictError for a port that
    is taken, PermanentError for a component that dies, UnreachableError for one that stays silent, and NotReadyError,
    before anything is started, where the home is of an earlier release: `slipstream upgrade` is a person's word.
    """
    wanted = select(only)
    set_mask()
    for line in tighten(platform.home):
        say(f"  {line}")
    credentials = Credentials.load(platform.home)
    _ = Services.from_env(addresses(platform)).control  # before anything starts
    supervisor = Supervisor(platform)
    runs_already = supervisor.running()
    if runs_already:
        _refuse_other_ports(platform)
    else:
        _start_daemon(platform, supervisor, credentials, wanted)
    write_file(platform, credentials, runs_already=runs_already)
    return _Start(platform, credentials, supervisor, say, timeout).run(wanted)


def _start_daemon(platform: Platform, supervisor: Supervisor, credentials: Credentials, wanted: Collection[Component]) -> None:
    orphans.stop(orphans.find(platform))  # of a supervisor that was killed
    ports.refuse_taken([name for each in wanted for name in each.ports], platform.ports)
    private_folder(platform.short_folder)
    for folder in (platform.ray_folder, platform.earlier_ray_folder):
        shutil.rmtree(folder, ignore_errors=True)
    platform.ray_folder.mkdir(mode=0o700)
    supervisor.start_daemon(COMPONENTS, credentials)
    platform.ports_file.write_text(json.dumps(dict(platform.ports)))


def _refuse_other_ports(platform: Platform) -> None:
    running = platform.running_ports()
    other = {name: port for name, port in platform.ports.items() if running.get(name) != port}
    if other:
        raise ConflictError(
            f"The platform in {platform.home} runs on other ports.", seen={name: running.get(name) for name in other},
            safe="it still runs.", hint=f"`make down` first, or leave {', '.join(map(ports.setting, other))} unset.",
        )  # fmt: skip


class _Start:
    """One `up`: components that wait, start, and are healthy, polled until all are healthy."""

    def __init__(self, platform: Platform, credentials: Credentials, supervisor: Supervisor, say: Say, timeout: float) -> None:
        self.platform, self.credentials, self.supervisor, self.say = platform, credentials, supervisor, say
        self.began = time.monotonic()
        self.deadline = self.began + timeout
        self.healthy: dict[str, float] = {}
        self.pids: dict[str, set[int]] = {}  # of those that this `up` started
        self.problem: dict[str, str] = {}

    def run(self, wanted: Collection[Component]) -> dict[str, float]:
        while True:
            states = self.supervisor.states()
            for component in wanted:
                if component.name not in self.healthy:
                    self._advance(component, states[component.name])
            if len(self.healthy) == len(wanted):
                return self.healthy
            if time.monotonic() > self.deadline:
                self._give_up(wanted)
            time.sleep(POLL)

    def _advance(self, component: Component, state: dict[str, Any]) -> None:
        if component.once and _stamp(self.platform, component) == component.once:
            if self.healthy.keys() >= set(component.needs):
                component.settle(self.platform, self.credentials)
                self._done(component, "done before")
        elif component.name in self.pids:
            self._watch(component, state)
        elif state["statename"] == "RUNNING":
            if self._ask(component, state):
                component.settle(self.platform, self.credentials)  # an earlier `up` may have given up before it could
                self._done(component, "already running")
        elif self.healthy.keys() >= set(component.needs):
            ports.refuse_taken(component.ports, self.platform.ports)
            self.supervisor.start(component.name)
            self.pids[component.name] = set()

    def _watch(self, component: Component, state: dict[str, Any]) -> None:
        self.pids[component.name].add(state["pid"])
        failed = component.once and state["statename"] == "EXITED" and state["exitstatus"] != 0
        if failed or state["statename"] == "FATAL" or len(self.pids[component.name] - {0}) > DEATHS:
            raise PermanentError(
                f"{component.name} does not stay up.", seen=_tail(self.platform, component.name),
                safe="the rest still runs.", hint=f"read {self.platform.logs}/{component.name}.log, then `make up` again.",
            )  # fmt: skip
        finished = component.once and state["statename"] == "EXITED"
        if finished or (not component.once and state["statename"] == "RUNNING" and self._ask(component, state)):
            component.settle(self.platform, self.credentials)
            _write_stamp(self.platform, component)
            self._done(component, "done" if finished else "healthy")

    def _ask(self, component: Component, state: dict[str, Any]) -> bool:
        self.problem[component.name] = component.healthy(self.platform, self.credentials, float(state["start"]))
        return not self.problem[component.name]

    def _done(self, component: Component, what: str) -> None:
        seconds = time.monotonic() - self.began if component.name in self.pids else 0.0
        self.healthy[component.name] = seconds
        where = "".join(f" on {self.platform.ports[port]}" for port in component.ports[:1])
        self.say(f"  {component.name:<14}{what}{where}" + (f", {seconds:.1f} s" if seconds else ""))

    def _give_up(self, wanted: Collection[Component]) -> None:
        late = {each.name: self.problem.get(each.name, "not started") for each in wanted if each.name not in self.healthy}
        raise UnreachableError(
            f"Not healthy after {self.deadline - self.began:.0f} s: {', '.join(late)}.", seen=late,
            safe="what runs keeps running, and is restarted when it dies.",
            hint=f"read {self.platform.logs}/{next(iter(late))}.log, then `make up` again.",
        )  # fmt: skip


def _stamp(platform: Platform, component: Component) -> str:
    path = platform.postgres / f"{component.name}.done"  # beside the data: gone when the data are
    return path.read_text() if path.exists() else ""


def _write_stamp(platform: Platform, component: Component) -> None:
    if component.once:
        (platform.postgres / f"{component.name}.done").write_text(component.once)


def _tail(platform: Platform, name: str, lines: int = 15) -> str:
    path = platform.logs / f"{name}.log"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""
