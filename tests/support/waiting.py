"""A rollout whose canary has passed on traffic, and which waits there for persons while its traffic goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from include.core.control import ControlStore
from include.core.settings import Settings
from include.core.spec import Approval, ModelSpec
from include.core.time import now, precise
from include.prediction_log.record import Record
from include.prediction_log.writer import PredictionLog
from include.rollout.after_verdict import Found, after_verdict
from include.rollout.approval_gate import Standing
from include.rollout.approvals import ask
from include.rollout.evidence_look import look
from include.rollout.history import Rollout, entered, read_rollout
from include.rollout.machine import enter_stage, open_rollout, record_verdict
from include.rollout.stage_evaluation import judge_merged
from include.routing.entity_hash import unit
from include.routing.route import Route, set_route
from tests.support.approval import MODEL, PASS
from tests.support.evidence import begun_and_published, publish
from tests.support.rollout_spec import rollout_spec

CANARY = "canary_50"
Fails = Callable[[str, int], bool]  # of an arm and the request's number


def waiting_spec(persons: int = 1, model: str = MODEL) -> ModelSpec:
    spec = rollout_spec(model, {"margin": 5})
    asked = {"steps": (50, 100), "approval": Approval(persons=persons)}
    return spec.model_copy(update={"rollout": spec.rollout.model_copy(update=asked)})


def fine(arm: str, number: int) -> bool:
    return False


def challenger_fails(arm: str, number: int) -> bool:
    return arm == "challenger" and number % 3 == 0


def all_fail(arm: str, number: int) -> bool:
    return number % 3 == 0


@dataclass
class Waiting:
    """Version 2 answers half of the entities of version 1's model."""

    control: ControlStore
    home: Path
    spec: ModelSpec
    rollout: Rollout
    epoch: int

    @classmethod
    def made(cls, control: ControlStore, home: Path, spec: ModelSpec | None = None, entities: int = 300) -> Waiting:
        spec = spec or waiting_spec()
        with control.transaction() as connection:
            set_route(connection, spec.name, Route(champion=1))
        epoch = control.take(f"rollout/{spec.name}", "t")
        rollout = open_rollout(control, spec, 2, request="r", actor="t", epoch=epoch)
        for stage in ("smoke", "shadow"):
            enter_stage(control, rollout, stage, epoch)
            record_verdict(control, rollout, stage, PASS, epoch)
        enter_stage(control, rollout, CANARY, epoch)
        found = cls(control, home, spec, rollout, epoch)
        found.traffic(entities)
        verdict, plan, evidence = judge_merged(control, spec, rollout, look(control, rollout.id), now())
        assert verdict.answer == "promote", verdict.reasons
        decision = {**verdict.to_json(), "evidence": evidence.to_json(), "plan": plan.to_json()}
        record_verdict(control, rollout, CANARY, decision, epoch)
        found.asked()
        return found

    def asked(self) -> Standing:
        standing = ask(self.control, self.rollout, self.epoch)
        assert standing is not None
        return standing

    def now(self) -> Rollout:
        return read_rollout(self.control, self.rollout.id)

    def traffic(self, requests: int, fails: Fails = fine, salt: str = "", entities: int = 0) -> None:
        """`entities`: so many ask again and again; by default each request is another's."""
        route, model = Route(champion=1, challenger=2, weight=50), self.spec.name
        _, generation = entered(self.control, self.rollout, CANARY)
        log = PredictionLog(self.home, model)
        log.write([_record(model, route, generation, number, fails, salt, entities) for number in range(requests)])
        log.close()
        begun_and_published(self.control, self.spec, self.rollout.id, CANARY, self.home)

    def told(self) -> None:
        publish(self.control, self.home)

    def look(self, at: datetime | None = None) -> Found | None:
        settings = Settings.from_env()
        return after_verdict(self.control, settings, self.spec, self.now(), at or now())


def _record(model: str, route: Route, generation: int, number: int, fails: Fails, salt: str, entities: int) -> Record:
    key = unit(f"{salt}{number % entities if entities else number}", model)
    arm = route.arm(key)
    return Record(
        kind="prediction", id=f"{salt}{number}", at=precise(), unit=f"{key:016x}", arm=arm, generation=generation, score=0.5,
        latency_us=300.0, error="boom" if fails(arm, number) else None,
    )  # fmt: skip
