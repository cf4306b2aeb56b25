"""What the reconciler looks at, and what it finds there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, Self

import sqlalchemy as sa

from include.core import fault
from include.core.control import ControlStore
from include.core.documents import DocumentKind
from include.core.errors import NotReadyError
from include.core.ledger import Ledger
from include.core.ports import JobBackend
from include.core.settings import Settings
from include.core.spec import ModelSpec, PartitionOwner
from include.core.versioned import Format
from include.reconcile.airflow import Airflow
from include.serving.target import FollowingTarget

PREFIX, RESOURCE = "reconcile/", "reconcile"
NOTICES = DocumentKind("notice", Format("a notice of the reconciler"))
PLAYBOOK = "docs/operating.md#the-reconciler"
Effect = Callable[[sa.Connection], dict[str, Any]]


@dataclass(frozen=True)
class PendingAlert:
    """An alert that is kept until it is sent. `key` names the event: whoever gets it twice drops the second."""

    key: str
    event: str
    severity: Literal["page", "ticket", "info"]
    model: str
    text: str
    playbook: str = PLAYBOOK

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        return cls(**value)


@dataclass(frozen=True)
class World:
    """Everything it may read and touch. `spec` raises SpecError for a model that cannot be loaded."""

    settings: Settings
    control: ControlStore
    ledger: Ledger
    airflow: Airflow
    jobs: Callable[[], JobBackend]
    spec: Callable[[str], ModelSpec]
    models: tuple[str, ...]
    now: datetime  # UTC, with zone
    actor: str
    target: Callable[[ModelSpec], FollowingTarget] | None = None
    """What serves a model that the gateways do not."""
    owner: Callable[[str], PartitionOwner] | None = None
    """The same as `spec` for feature sets as well, whose days are looked at like a model's; without it there are none."""
    sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be. `remedy` says what is done about it, or what a person may do.

    `act` does it, and returns whether anything changed now: doing it again changes nothing.
    """

    kind: str
    key: str  # the same for as long as it is the same thing
    model: str
    summary: str
    remedy: str
    act: Callable[[], bool] = field(default=lambda: False, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "key": self.key, "model": self.model, "words": self.summary, "remedy": self.remedy}


def record_once(world: World, finding: str, action: str, pending: PendingAlert, effect: Effect | None = None) -> bool:
    """Have something happen once, ever, under a finding's key: the effect, its audit row and its alert in one transaction.

    Returns whether it happened now. What the effect raises undoes all of it.
    """

    def together(connection: sa.Connection) -> dict[str, Any]:
        more = effect(connection) if effect is not None else {}
        detail = {"finding": finding, "words": pending.text, **more}
        world.control.append_audit(connection, world.actor, action, pending.model, detail)
        NOTICES.save_in(connection, key, pending.model, asdict(pending))
        return more

    key = f"{PREFIX}{finding}"
    _, new = world.control.once(key, RESOURCE, 0, together)
    fault.point("reconciler.noted")
    return new


def make_run(world: World, dag_id: str, run_id: str, conf: dict[str, Any], refused: Callable[[str], bool]) -> bool:
    """A run under a name of ours; whether it was made now. Where Airflow makes none, what `refused` returns of its words."""
    try:
        made = world.airflow.trigger(dag_id, run_id, conf)
    except NotReadyError as error:
        return refused(error.what)
    fault.point("reconciler.triggered")
    return made


def remedy(dag_id: str, paused: bool | None) -> str:
    """What a person may do about a DAG that is paused, or (None) not there."""
    return f"unpause {dag_id}" if paused else f"bring back the model's folder, or mend it: {dag_id} is made from it"


def was_recorded(world: World, finding: str) -> bool:
    return world.control.effect(f"{PREFIX}{finding}") is not None
