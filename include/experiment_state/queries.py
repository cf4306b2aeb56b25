"""Questions to the table of experiments. Who changes it is include/experiments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, experiments
from include.core.errors import ConflictError, GateClosed

BETTER = "better"  # the answer of an experiment whose treatment was shown to be better


@dataclass(frozen=True)
class LiveExperiment:
    """An experiment that runs: it holds the traffic of its model, and no rollout may open beside it."""

    id: str
    model: str
    name: str
    treatment: int


def live_in(connection: sa.Connection, model: str) -> LiveExperiment | None:
    """The model's, in the caller's transaction."""
    columns = (experiments.c.id, experiments.c.model, experiments.c.name, experiments.c.treatment)
    row = connection.execute(sa.select(*columns).where(experiments.c.live == model)).first()
    return LiveExperiment(row.id, row.model, row.name, row.treatment) if row else None


def uses_in(connection: sa.Connection, model: str) -> list[tuple[int, str, str]]:
    """Of each experiment of a model: an arm's version, when it ended (or began, while it runs), and its name while it runs."""
    rows = connection.execute(sa.select(experiments).where(experiments.c.model == model)).all()
    return [
        (version, row.ended_at or row.started_at, row.name if row.live else "")
        for row in rows
        for version in (row.champion, row.treatment)
    ]


def live_models_in(connection: sa.Connection) -> set[str]:
    """The models whose traffic an experiment holds."""
    return set(connection.execute(sa.select(experiments.c.model).where(experiments.c.live.is_not(None))).scalars())


def require_none_in(connection: sa.Connection, model: str) -> None:
    """Raises ConflictError while an experiment holds the model's traffic."""
    if (live := live_in(connection, model)) is not None:
        raise ConflictError(
            f"{model} has a live experiment: {live.name}, version {live.treatment} against the champion.",
            safe="nothing changed: its arms stay as they are.",
            hint=f"wait for its decision (slipstream experiment show {model}), or slipstream experiment stop {model}.",
        )


def newest_experiment(control: ControlStore, model: str) -> dict[str, Any]:
    """A model's newest experiment, running or not: id, name, champion, treatment, state, answer, reasons, started_at, ended_at.
    Empty where there was none."""
    query = sa.select(experiments).where(experiments.c.model == model).order_by(experiments.c.started_at.desc()).limit(1)
    with control.transaction() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        return {}
    names = ("id", "name", "champion", "treatment", "state", "answer", "started_at", "ended_at")
    return {**{name: row[name] for name in names}, "reasons": list(row["decision"].get("reasons", ()))}


def answer(control: ControlStore, model: str, name: str, version: int) -> str:
    """What the newest experiment of that name answered about the version; empty where none did."""
    query = sa.select(experiments.c.answer).where(
        experiments.c.model == model, experiments.c.name == name, experiments.c.treatment == version, experiments.c.answer != ""
    )
    with control.transaction() as connection:
        return connection.execute(query.order_by(experiments.c.ended_at.desc()).limit(1)).scalar() or ""


def require_better(control: ControlStore, model: str, name: str, version: int) -> None:
    """Raises GateClosed where the version's rollout depends on an experiment that has not found it better."""
    if name and (said := answer(control, model, name, version)) != BETTER:
        raise GateClosed(
            f"Version {version} of {model} is rolled out only once the experiment {name} has found it better.",
            seen=said or "no such experiment has ended",
            safe="the traffic stays where it is.",
            hint=f"slipstream experiment start {model} {name} --version {version}; or clear rollout.experiment in the spec.",
        )
