"""Row, on request: an experiment, started, looked at and ended; once each, with every entity counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import operators.experiment
from include.core.control import experiment_looks, experiments
from include.experiments.record import experiment_id_of
from include.prediction_log.writer import PredictionLog
from include.routing.route import Route, read_route, set_route
from include.routing.split import Split
from include.services.services import Services
from include.serving.client import GatewayClient
from tests.chaos.protocol import (
    Backends,
    Call,
    Cell,
    Clear,
    Cut,
    Deferred,
    Done,
    Down,
    Full,
    Locked,
    Lose,
    Overlap,
    Pause,
    State,
    Variant,
    kills,
)
from tests.chaos.steps.common import Holdings, OperatorStep, life
from tests.chaos.world import World
from tests.support.experiment_log import START, TRIAL, Behaviour, traffic
from tests.support.operator_runs import MODEL
from tests.support.versions import add_candidates
from tests.support.wired import ConcludeExperimentOperator, LookAtExperimentOperator

RUN = {"params": {"experiment": TRIAL.name, "version": 2}, "run_id": "manual__1"}
REQUEST = f"shop_dag/{RUN['run_id']}/start/-1"
BEFORE = ("reconcile.begin", "control.taken", "control.once.begin", "experiment.looked")
MIDDLE = ("control.once.effect",)
RECORDED = ("control.once.committed",)
REPORTED = ("experiment.applied", "reconcile.done")
OUTSIDE_LOCKS = (*BEFORE, *RECORDED, *REPORTED)
POSTGRES = Backends(control="postgres")
_spec = Services.spec


class Experiment(OperatorStep):
    name = "experiment"
    title = "an experiment, from its start to its decision"
    promise = "started once, looked at once, ended once; every entity is counted"
    tasks = ("start", "look", "conclude")
    cells: Mapping[str, Cell] = {
        "F1": kills(BEFORE, POSTGRES),
        "F2": kills(RECORDED, POSTGRES),
        "F3": kills(MIDDLE, POSTGRES),
        "F4": kills(REPORTED, POSTGRES),
        "F5": (Variant(Cut("control"), POSTGRES), Variant(Lose(RECORDED))),
        "F6": (Variant(Full()),),
        "F7": (Variant(Pause(OUTSIDE_LOCKS)), Variant(Pause(OUTSIDE_LOCKS), POSTGRES)),
        "F8": (Variant(Overlap(OUTSIDE_LOCKS)), Variant(Overlap(OUTSIDE_LOCKS), POSTGRES)),
        "F9": (Variant(Clear()), Variant(Clear(), POSTGRES)),
        "F10": (Variant(Down("control"), POSTGRES), Variant(Locked())),
    }

    def operator(self, task: str) -> Any:
        if task == "start":
            return operators.experiment.StartExperimentOperator(task_id=task, model=MODEL)
        kind = LookAtExperimentOperator if task == "look" else ConcludeExperimentOperator
        return kind(task_id=task, model=MODEL)

    def run(self, world: World, call: Call) -> Done | Deferred:
        """The week is over when its look is taken; the gateways are taken at their word."""
        now = START if call.task == "start" else START + timedelta(days=7, hours=12)
        operators.experiment.utc_now = lambda: now  # type: ignore[attr-defined]
        GatewayClient.wait_applied = lambda *given, **named: {}  # type: ignore[method-assign,assignment]
        Services.spec = _with_trial  # type: ignore[method-assign]
        return super().run(world, call)

    def prepare(self, world: World) -> dict[str, Any]:
        """Version 1 serves; the log is that of the week to come, with the arms that the experiment will draw."""
        services = life().services
        with services.control.transaction() as connection:
            add_candidates(connection, MODEL, 1, 2)
            set_route(connection, MODEL, Route(champion=1))
        made = experiment_id_of(MODEL, TRIAL.name, 2, REQUEST)
        route = Route(champion=1, challenger=2, experiment=Split(made, f"experiment/{MODEL}/{made}", 10_000, 5_000))
        log = PredictionLog(services.settings.home, MODEL)
        log.write(list(traffic(Behaviour(sale=(0.1, 0.5)), route, START, 7)))
        log.close()
        return dict(RUN)

    def state(self, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        holdings = Holdings()
        generation, route = read_route(holdings.services.control, MODEL)
        return {
            **holdings.state(),
            "experiments": holdings.rows(experiments, "id", "live", "state", "answer", "decision"),
            "looks": holdings.rows(experiment_looks, "experiment", "cutoff", "evidence"),
            "route": [generation, route.to_json()],
        }


def _with_trial(self: Services, model: str) -> Any:
    return _spec(self, model).model_copy(update={"experiments": (TRIAL,)})


STEP = Experiment()
