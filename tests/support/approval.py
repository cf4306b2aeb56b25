"""A rollout that waits for persons, and the persons."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore, versions
from include.core.spec import Approval, ModelSpec
from include.core.time import now, timestamp
from include.rollout import approval_gate, approval_list, approvals
from include.rollout.approval_gate import Standing
from include.rollout.approvals import Answer, Decided, ask, decide
from include.rollout.history import Rollout
from include.rollout.machine import enter_stage, open_rollout, record_verdict
from include.rollout_state.approval import Person
from include.versions.trainer import REGISTERED, TRAINED_BY
from tests.support.rollout_spec import rollout_spec

MODEL = "toy"
PASS = {"answer": "promote", "reasons": ["fine"]}
ANN, BOB, CARL = (Person(name, name) for name in ("ann", "bob", "carl"))
TRAINER = Person("tom", "tom")


def store_of_versions(path: Path, url: str = "") -> ControlStore:
    """Four versions, none of them served yet: three candidates, and one whose gate is closed. `url`: of another database."""
    store = ControlStore(url or f"sqlite:///{path / 'control.db'}")
    store.create_tables()
    with store.transaction() as connection:
        for version in (1, 2, 3, 4):
            named = {"key": f"k{version}", "model": MODEL, "version": version, "semver": f"1.{version}.0"}
            stage = "Staging" if version == 4 else "Candidate"
            connection.execute(versions.insert().values(stage=stage, record={}, at=timestamp(), **named))
    return store


def asking(**approval: Any) -> ModelSpec:
    """The spec of a model whose rollout asks persons."""
    return rollout_spec(MODEL, {"shadow_tolerance": 0.2, "margin": 5, "approval": Approval(**approval)})


def trained(control: ControlStore, version: int, by: str = TRAINER.name) -> None:
    """Say who asked for its training, as its registration does."""
    with control.transaction() as connection:
        control.append_audit(connection, "register", REGISTERED, MODEL, {"version": version, TRAINED_BY: by})


def evaluated(control: ControlStore, version: int, **metrics: float) -> None:
    """Its record is that of another evaluation."""
    mine = sa.and_(versions.c.model == MODEL, versions.c.version == version)
    with control.transaction() as connection:
        connection.execute(versions.update().where(mine).values(record={"metrics": metrics}))


def at_the_gate(control: ControlStore, spec: ModelSpec, version: int = 2, request: str = "run") -> tuple[Rollout, int, Standing]:
    """A rollout that has passed all before its gate, and has asked."""
    epoch = control.take(f"rollout/{MODEL}", f"task of {request}")
    rollout = open_rollout(control, spec, version, request=request, actor="test", epoch=epoch)
    gate = approval_gate.gate_of(rollout)
    for stage in rollout.stages:
        if stage.name == gate:
            break
        enter_stage(control, rollout, stage.name, epoch)
        record_verdict(control, rollout, stage.name, PASS, epoch)
    standing = ask(control, rollout, epoch)
    assert standing is not None
    return rollout, epoch, standing


def say(control: ControlStore, standing: Standing, by: Person = ANN, approve: bool = True, **more: Any) -> Decided:
    told = {"reason": "looked at the slices", "seen": standing.seen, "via": "console", **more}
    return decide(control, MODEL, standing.rollout.challenger, Answer(approve, by, **told))


def later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """The clock of approvals runs ahead."""
    ahead: Any = lambda: now() + by  # noqa: E731
    for module in (approvals, approval_gate, approval_list):
        monkeypatch.setattr(module, "now", ahead)
