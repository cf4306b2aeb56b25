"""The rollout machine's transactions on both control stores: compare-and-set, a pause against a promotion, one winner."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from include.core.control import ControlStore, versions
from include.core.errors import ConflictError
from include.core.time import timestamp
from include.rollout.history import Rollout, events, read_rollout
from include.rollout.machine import enter_stage, open_rollout, promote, record_verdict
from include.rollout.pause import pause, resume
from include.routing.route import Route, read_route, set_route
from tests.support.databases import postgres, url  # noqa: F401  (fixtures)
from tests.unit.operators.models.shop.spec import SPEC


@pytest.fixture
def control(url: str, tmp_path: Path) -> ControlStore:  # noqa: F811
    store = ControlStore(url)
    store.create_tables()
    with store.transaction() as connection:
        for number in (1, 2):
            row = {
                "key": f"k{number}",
                "model": "shop",
                "version": number,
                "semver": f"1.{number}.0",
                "record": {},
                "at": timestamp(),
            }
            connection.execute(versions.insert().values(stage="Candidate", **row))
        set_route(connection, "shop", Route(champion=1))
    return store


def walked(control: ControlStore) -> Rollout:
    """Up to the last verdict."""
    rollout = open_rollout(control, SPEC, 2, request="r", actor="t", epoch=1)
    for stage in rollout.stages:
        enter_stage(control, rollout, stage.name, 1)
        record_verdict(control, rollout, stage.name, {"answer": "promote"}, 1)
    return rollout


def test_a_pause_and_a_promotion_at_once_have_one_order(control: ControlStore) -> None:
    rollout = walked(control)

    def stop() -> str:
        try:
            return pause(control, "shop", actor="ada", reason="lunch").state
        except ConflictError:
            return "too late"

    def crown() -> str:
        try:
            promote(control, rollout, actor="t", epoch=1)
        except ConflictError:
            return "waits"
        return "promoted"

    with ThreadPoolExecutor(2) as pool:
        paused, promoted = (each.result() for each in (pool.submit(stop), pool.submit(crown)))
    assert (paused, promoted) in {("paused", "waits"), ("too late", "promoted")}
    if paused == "paused":
        resume(control, "shop", actor="ada", reason="back")
        promote(control, rollout, actor="t", epoch=1)
    assert read_rollout(control, rollout.id).state == "promoted"
    assert read_route(control, "shop")[1] == Route(champion=2, previous=1)
    assert control.broken_audit_rows() == []
    assert events(control, rollout.id)[-1]["event"] == "promoted"
