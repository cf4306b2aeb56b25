"""What a row of the fault matrix must say of itself, whoever runs it: us (`tests/chaos/steps`) or the stock way.

A step is run as Airflow runs it: each of its tasks in a process of its own, a killed or retryable one again, a
deferred one through a trigger in another process. `run`, `state` and `prepare` are called in forked children, so
they may use anything; `check` and the fields are read by the harness itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

if TYPE_CHECKING:
    from tests.chaos.world import World

State = dict[str, Any]  # JSON, and free of what differs between two fault-free runs (times, random ids)

FAULTS: dict[str, str] = {
    "F1": "killed before the effect",
    "F2": "killed after the effect, before it is recorded",
    "F3": "killed in the middle of the effect",
    "F4": "killed after the record, before success is reported",
    "F5": "the effect succeeds, its response is lost",
    "F6": "the disk is full",
    "F7": "paused past the heartbeat; a second attempt finishes; the first wakes up",
    "F8": "triggerer or scheduler restarted",
    "F9": "cleared, or an overlapping backfill",
    "F10": "a dependency is down, or its lock is held",
}


@dataclass(frozen=True)
class Finding:
    """Something that was lost or happened twice; or an error that does not say what a person must know."""

    kind: Literal["lost", "doubled", "unclear"]
    what: str


@dataclass(frozen=True)
class Deferred:
    """What a task left behind when it deferred: the trigger, serialised, and where to go on."""

    trigger: str  # import path of its class
    kwargs: dict[str, Any]
    method: str
    method_kwargs: dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One try of one task of a run. After a deferral: with what it deferred to, and the event that fired."""

    task: str
    run: Mapping[str, Any]  # fields of tests.support.operator_runs.Run; `xcom` holds what the tasks before have returned
    number: int = 1
    deferred: Deferred | None = None
    event: Any = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        deferred = Deferred(**value["deferred"]) if value["deferred"] else None
        return cls(value["task"], value["run"], value["number"], deferred, value["event"])


@dataclass(frozen=True)
class Done:
    """A task returned: its XCom value, and the asset events it sent."""

    value: Any
    sent: Sequence[tuple[str, dict[str, Any]]] = ()


# -- how a fault is put in ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Backends:
    """Which of the real backends a trial runs on."""

    control: Literal["sqlite", "postgres"] = "sqlite"
    online: Literal["sqlite", "redis"] = "sqlite"
    storage: Literal["local", "s3"] = "local"
    jobs: Literal["process", "ray", "sagemaker"] = "process"
    registry: Literal["folder", "mlflow"] = "folder"


@dataclass(frozen=True)
class Kill:
    """kill -9 at one of these fail points, then a retry."""

    points: tuple[str, ...]


@dataclass(frozen=True)
class Lose:
    """What came before the point has happened, and the caller gets a connection error."""

    points: tuple[str, ...]


@dataclass(frozen=True)
class Cut:
    """A proxy forwards one request to the service and cuts its response."""

    service: Literal["control", "online", "storage", "jobs", "registry", "gateway"]


@dataclass(frozen=True)
class Full:
    """A small file system with no space left below `folder` (of the world's home), freed after the first failure."""

    folder: str = ""
    blocks: int | None = None  # of 4 KiB left free; by default drawn from those the step needs


@dataclass(frozen=True)
class Pause:
    """SIGSTOP at one of these points; a second attempt runs; then the first wakes."""

    points: tuple[str, ...]


@dataclass(frozen=True)
class Overlap:
    """A restarted scheduler starts a second attempt while the orphan of the first goes on."""

    points: tuple[str, ...]  # where the first is when the second starts


@dataclass(frozen=True)
class Restart:
    """The triggerer is killed while it waits, and the deferral is resumed twice."""


@dataclass(frozen=True)
class Clear:
    """The finished tasks are cleared and run again, every one of them."""


@dataclass(frozen=True)
class Backfill:
    """A backfill's run of the same things, and of others, goes on at the same time."""


@dataclass(frozen=True)
class Down:
    """The service refuses connections for a while, from the first or a later request on."""

    service: Literal["control", "online", "storage", "jobs", "registry", "gateway"]


@dataclass(frozen=True)
class Locked:
    """Another process holds the lock of the control store's file for a while."""


@dataclass(frozen=True)
class Strike:
    """Something happens to what the tasks work with. The step's own `strike(world, name, share)` does it, and says when it has.

    It is asked again and again while the tasks go on. `share` is drawn from 0 to 1: how far they are to have come.
    """

    name: str


How = Kill | Lose | Cut | Full | Pause | Overlap | Restart | Clear | Backfill | Down | Locked | Strike


@dataclass(frozen=True)
class Variant:
    how: How
    on: Backends = field(default_factory=Backends)
    tasks: tuple[str, ...] = ()  # in place of the step's own


def kills(points: tuple[str, ...], other: Backends) -> tuple[Variant, Variant]:
    """Killed at one of these points: on the smallest backends, and on others."""
    return (Variant(Kill(points)), Variant(Kill(points), other))


@dataclass(frozen=True)
class Absent:
    """The cell does not apply, for this reason."""

    reason: str


Cell = Absent | tuple[Variant, ...]  # the seeds take the variants in turn


class Step(Protocol):
    """A row of the matrix."""

    name: str
    title: str
    promise: str  # what "nothing lost, nothing doubled" means here
    tasks: tuple[str, ...]  # run one after the other
    models: str  # the package of the model specs (SLIPSTREAM_MODELS)
    cells: Mapping[str, Cell]

    def prepare(self, world: World) -> dict[str, Any]:
        """Make what the step starts from; return the run its tasks belong to (fields of `Run`)."""

    def run(self, world: World, call: Call) -> Done | Deferred:
        """One try of one task. Raises what the task raises."""

    def resume(self, world: World, call: Call) -> Done | Deferred:
        """The same after its trigger fired with `call.event`."""

    def backfill(self, world: World, run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The runs of an overlapping backfill, oldest first. Each does the same tasks."""

    def state(self, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        """Everything that counts at the end, once nothing runs any more."""

    def check(self, twin: State, seen: State) -> list[Finding]:
        """What was lost or doubled: the step's own definition, and any other difference from the fault-free twin."""
