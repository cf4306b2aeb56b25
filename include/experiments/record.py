"""Reading experiments back: each with its plan, where it stands, and what its looks found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, experiment_looks, experiments
from include.core.digest import digest_json
from include.core.errors import DataError
from include.experiments.plan import Plan

RUNNING, DECIDED, STOPPED, INTERRUPTED = "running", "decided", "stopped", "interrupted"


@dataclass(frozen=True)
class ExperimentRecord:
    """One experiment as the control store has it. `decision` is empty while it runs: {answer, reasons, effects, evidence}."""

    id: str
    model: str
    name: str
    champion: int
    treatment: int
    state: str
    answer: str
    plan: Plan
    decision: dict[str, Any]
    started_at: str
    ended_at: str

    @property
    def resource(self) -> str:
        """What is fenced: take it with `ControlStore.take` before any change."""
        return resource_of(self.model)

    @property
    def live(self) -> bool:
        return self.state == RUNNING


@dataclass(frozen=True)
class StoredLook:
    """What a look found, and what was decided on it."""

    cutoff: str
    evidence: dict[str, Any]
    decision: dict[str, Any]
    at: str


def resource_of(model: str) -> str:
    return f"experiment/{model}"


def experiment_id_of(model: str, name: str, treatment: int, request: str) -> str:
    """The id of the experiment that a request starts: the same for every try of it."""
    return digest_json([model, name, treatment, request])[:12]


def read_experiment(control: ControlStore, experiment_id: str) -> ExperimentRecord:
    """Raises DataError for an unknown id."""
    with control.transaction() as connection:
        return experiment_in(connection, experiment_id)


def experiment_in(connection: sa.Connection, experiment_id: str) -> ExperimentRecord:
    """The same, inside the caller's transaction."""
    row = connection.execute(sa.select(experiments).where(experiments.c.id == experiment_id)).mappings().first()
    if row is None:
        raise DataError(f"There is no experiment {experiment_id!r}.", hint="slipstream experiment list MODEL lists them.")
    return _record(row)


def live_experiment(control: ControlStore, model: str) -> ExperimentRecord | None:
    """The one that holds the model's traffic, if any."""
    with control.transaction() as connection:
        row = connection.execute(sa.select(experiments).where(experiments.c.live == model)).mappings().first()
    return _record(row) if row else None


def list_experiments(control: ControlStore, model: str) -> list[ExperimentRecord]:
    """All of a model, oldest first."""
    query = sa.select(experiments).where(experiments.c.model == model).order_by(experiments.c.started_at)
    with control.transaction() as connection:
        return [_record(row) for row in connection.execute(query).mappings()]


def looks_in(connection: sa.Connection, experiment_id: str) -> list[StoredLook]:
    """Oldest first."""
    query = sa.select(experiment_looks).where(experiment_looks.c.experiment == experiment_id).order_by(experiment_looks.c.cutoff)
    rows = connection.execute(query).all()
    return [StoredLook(row.cutoff, row.evidence["evidence"], row.evidence["decision"], row.at) for row in rows]


def looks(control: ControlStore, experiment_id: str) -> list[StoredLook]:
    with control.transaction() as connection:
        return looks_in(connection, experiment_id)


def _record(row: sa.RowMapping) -> ExperimentRecord:
    values = {name: value for name, value in row.items() if name != "live"}
    return ExperimentRecord(**{**values, "plan": Plan.from_json(row["plan"]), "decision": dict(row["decision"])})
