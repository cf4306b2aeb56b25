"""Rollouts that walk through their stages, and what the control store says of them."""

from __future__ import annotations

import sqlalchemy as sa

from include.core.control import ControlStore, audit, versions
from include.core.spec import ModelSpec
from include.rollout.history import Rollout
from include.rollout.machine import enter_stage, open_rollout, promote, record_verdict

PASS = {"answer": "promote", "reasons": ["fine"]}


def opened(control: ControlStore, spec: ModelSpec, version: int, request: str = "run-1") -> tuple[Rollout, int]:
    epoch = control.take("rollout/toy", f"task of {request}")
    return open_rollout(control, spec, version, request=request, actor="test", epoch=epoch), epoch


def walk(control: ControlStore, rollout: Rollout, epoch: int, until: str = "") -> None:
    """Enter and pass every stage, up to and without `until`."""
    for stage in rollout.stages:
        if stage.name == until:
            return
        enter_stage(control, rollout, stage.name, epoch)
        record_verdict(control, rollout, stage.name, PASS, epoch)


def crowned(control: ControlStore, spec: ModelSpec, version: int) -> Rollout:
    rollout, epoch = opened(control, spec, version, f"run of {version}")
    walk(control, rollout, epoch)
    promote(control, rollout, actor="test", epoch=epoch)
    return rollout


def stages(control: ControlStore) -> dict[int, str]:
    with control.transaction() as connection:
        return {row.version: row.stage for row in connection.execute(sa.select(versions.c.version, versions.c.stage))}


def actions(control: ControlStore) -> list[str]:
    with control.transaction() as connection:
        return list(connection.execute(sa.select(audit.c.action).order_by(audit.c.seq)).scalars())
