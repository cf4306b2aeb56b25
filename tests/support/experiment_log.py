"""A prediction log of an experiment, written as gateways write it: entities that ask, and what becomes of their requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from include.core.control import ControlStore
from include.core.spec import Experiment, Guardrail, Metric
from include.core.time import precise
from include.experiments.machine import start_experiment
from include.experiments.plan import Plan
from include.experiments.record import ExperimentRecord
from include.prediction_log.record import OUTCOME, PREDICTION, Record
from include.prediction_log.writer import PredictionLog
from include.routing.entity_hash import unit
from include.routing.route import Route, read_route, set_route

MODEL, START = "toy", datetime(2026, 1, 5)  # noqa: DTZ001 - UTC, as logs hold it
SALE = Metric(name="sale")
REVENUE = Metric(name="revenue", kind="continuous", winsorise=0.99)
COMPLAINT = Guardrail(name="complaint", better="fewer", margin=0.1)
TRIAL = Experiment(
    name="pricing", primary=SALE, secondaries=(REVENUE,), guardrails=(COMPLAINT,), minimum_effect=0.1, weeks=1,
    horizon=timedelta(hours=12),
)  # fmt: skip


@dataclass(frozen=True)
class Behaviour:
    """The probability of a sale of each arm, of a complaint of each arm, and how many entities come in a day."""

    sale: tuple[float, float] = (0.2, 0.2)
    complaint: tuple[float, float] = (0.05, 0.05)
    entities: int = 100
    requests: int = 3


def at(moment: datetime) -> str:
    return precise(moment.replace(tzinfo=UTC))


def prediction(request: str, who: str, moment: datetime, arm: str = "champion", experiment: str = "") -> Record:
    key = f"{unit(who, MODEL):016x}"
    return Record(PREDICTION, request, at(moment), unit=key, arm=arm, score=0.5, experiment=experiment)


def outcome(request: str, metric: str, value: float, moment: datetime) -> Record:
    return Record(OUTCOME, request, at(moment), metric=metric, label=value)


def traffic(behaviour: Behaviour, route: Route, first: datetime, days: int, seed: int = 0) -> Iterator[Record]:
    """New entities each day, each asking some times within an hour; what they buy is reported an hour later."""
    rng = np.random.default_rng(seed)
    for number in range(days * behaviour.entities):
        who = f"e{seed}-{number}"
        moment = first + timedelta(days=number / behaviour.entities)
        arm, experiment = route.draw(unit(who, MODEL), who, unit)
        treated = int(arm == "challenger" and bool(experiment))
        for each in range(1 + int(rng.integers(behaviour.requests))):
            yield prediction(f"{who}-{each}", who, moment + timedelta(minutes=each), arm, experiment)
        later = moment + timedelta(hours=1)
        sold = rng.random() < behaviour.sale[treated]
        yield outcome(f"{who}-0", "sale", float(sold), later)
        if sold:
            yield outcome(f"{who}-0", "revenue", float(rng.lognormal(3, 1)), later)
        if rng.random() < behaviour.complaint[treated]:
            yield outcome(f"{who}-0", "complaint", 1.0, later)


def write(home: Path, records: Iterator[Record] | list[Record]) -> None:
    log = PredictionLog(home, MODEL)
    log.write(list(records))
    log.close()


def plan(experiment: Experiment = TRIAL, planned: float = 700.0) -> Plan:
    return Plan(experiment, START, experiment.salt, planned, None)


def crown(control: ControlStore, version: int = 1) -> None:
    """A champion, without the rollout that made it one."""
    with control.transaction() as connection:
        set_route(connection, MODEL, Route(champion=version))


def started(control: ControlStore, what: Plan | None = None, treatment: int = 2, request: str = "r") -> ExperimentRecord:
    """The champion 1 against version 2."""
    if read_route(control, MODEL)[1].champion is None:
        crown(control)
    epoch = control.take(f"experiment/{MODEL}", "test")
    return start_experiment(control, MODEL, what or plan(), treatment, request=request, actor="test", epoch=epoch)


def lived(
    control: ControlStore, home: Path, behaviour: Behaviour, experiment: Experiment = TRIAL, days: int = 7, treatment: int = 2
) -> ExperimentRecord:
    """An experiment that has run for so many days of traffic."""
    record = started(control, plan(experiment), treatment)
    write(home, traffic(behaviour, read_route(control, MODEL)[1], START, days))
    return record


def changed(**fields: object) -> Experiment:
    return Experiment(**{**{name: getattr(TRIAL, name) for name in type(TRIAL).model_fields}, **fields})
