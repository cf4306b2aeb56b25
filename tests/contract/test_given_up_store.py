"""A restore at the moment at which a version is given up, on both control stores: one of the two wins, the other is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from include.core import fault
from include.core.control import ControlStore
from include.core.errors import DataError
from include.core.spec import Retention, VersionsKept
from include.retention.ledger import Bounds
from include.rollout.restore import restore
from include.versions.given_up import one
from include.versions.lifecycle import Stage
from include.versions.queries import at_version
from tests.support.databases import postgres, url  # noqa: F401  (fixtures)
from tests.support.gc_world import World, world_under
from tests.support.toy_ledger import MODEL, SPEC

RULE = Retention(versions=VersionsKept(days=90, keep=1))


@pytest.fixture
def world(url: str, tmp_path: Path) -> World:  # noqa: F811
    """Version 1 is over by its rule, and Archived; version 2 is the newest."""
    control = ControlStore(url)
    control.create_tables()
    spec = SPEC.model_copy(update={"data": SPEC.data.model_copy(update={"retention": RULE})})
    made = replace(world_under(tmp_path, control), spec=spec, later=timedelta(days=100))
    for days in (2, 3):
        made.registered(days=days, auc=0.7 + days / 100, run_type="backfill")
    return made


@pytest.mark.parametrize("point", ["gc.version.looked", "gc.version.locked", "gc.version.given_up"])
def test_of_a_restore_and_a_giving_up_one_wins(world: World, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The restore starts at the point, in a thread of its own; gc goes on a little later, whether or not it is through."""
    started, refused = Event(), []

    def bring_back() -> None:
        started.set()
        try:
            restore(world.control, world.loop.ledger, MODEL, 1, actor="tom", reason="it was good", despite_gate=True)
        except DataError as error:
            refused.append(error)

    with ThreadPoolExecutor(1) as pool:
        tasks = []

        def passed(name: str) -> None:
            if name == point and not tasks:
                tasks.append(pool.submit(bring_back))
                started.wait(30)
                if point != "gc.version.locked":
                    tasks[0].result(30)

        monkeypatch.setattr(fault, "_passed", passed)
        world.gc(Bounds.stopped(timedelta(days=30)))
        assert tasks
        tasks[0].result(60)
    with world.control.transaction() as connection:
        stage = at_version(connection, MODEL, 1).stage
    gone = one(world.control, MODEL, 1)
    assert (gone is None, stage is Stage.CANDIDATE, not refused) in {(True, True, True), (False, False, False)}
    assert (gone is None) == (point == "gc.version.looked")
    assert world.control.broken_audit_rows() == []


def test_it_is_kept_in_a_store_that_is_opened_anew(world: World) -> None:
    world.gc(Bounds.stopped(timedelta(days=30)))
    again = replace(world, control=ControlStore(world.control.url))
    assert one(again.control, MODEL, 1) == one(world.control, MODEL, 1) is not None
    assert again.gc(Bounds.stopped(timedelta(days=30))).found == []
