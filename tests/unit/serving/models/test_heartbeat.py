"""When a gateway reports itself, and which of its workers does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.core.errors import UnreachableError
from include.core.spec import ModelSpec
from include.routing.gateways import Report
from include.routing.route import Route
from include.serving.models.deployment import Deployment
from include.serving.models.deployment_manager import DeploymentManager
from include.serving.models.heartbeat import BEAT_SECONDS, CHANGED_SECONDS, FORGET_SECONDS, Heartbeat
from include.serving.models.route_switch import SIZE, Switch
from include.serving.telemetry.shared_memory import SharedMemory


class Worker:
    """One worker of a gateway, with what it has told."""

    def __init__(self, spec: ModelSpec, scratch: Path, memory: SharedMemory, slot: int) -> None:
        self.told: list[object] = []
        self.spec, self.switch, self.away = spec, Switch(memory, slot), False
        nothing: Any = None
        self.manager = DeploymentManager(dict, lambda model: spec, nothing, scratch, switch=self.switch)
        self.beat = Heartbeat(self.manager, self.write, lambda: self.told.append("left"), lambda: self.told.append("forgot"))

    def write(self, report: Report) -> None:
        if self.away:
            raise UnreachableError("the control store is away")
        self.told.append(dict(report.applied))

    def offer(self, generation: int) -> None:
        self.switch.offer(Deployment(self.spec, Route(champion=1), generation))


@pytest.fixture
def workers(spec: ModelSpec, tmp_path: Path) -> list[Worker]:
    memory = SharedMemory(SIZE)
    made = [Worker(spec, tmp_path, memory, slot) for slot in range(2)]
    for worker in made:
        worker.offer(1)
    return made


def test_what_has_changed_is_told_at_once_and_what_has_not_every_few_seconds(workers: list[Worker]) -> None:
    worker = workers[0]
    worker.beat.look(0.0)
    assert worker.told == []  # it is not ready yet
    assert worker.switch.join()
    worker.beat.look(0.1)
    worker.beat.look(0.2)
    assert worker.told == [{"toy": 1}, "forgot"]
    worker.offer(2)
    worker.beat.look(0.1 + CHANGED_SECONDS / 2)
    assert len(worker.told) == 2  # once a second at most
    worker.beat.look(0.1 + CHANGED_SECONDS)
    worker.beat.look(0.1 + CHANGED_SECONDS + BEAT_SECONDS / 2)
    assert worker.told[2:] == [{"toy": 2}]
    worker.beat.look(0.2 + CHANGED_SECONDS + BEAT_SECONDS)
    worker.beat.look(FORGET_SECONDS + 1)
    assert worker.told[3:] == [{"toy": 2}, {"toy": 2}, "forgot"]


def test_the_first_ready_worker_speaks_for_what_all_follow(workers: list[Worker], monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = workers
    for worker in workers:
        assert worker.switch.join()
    first.offer(2)  # the other one does not follow yet
    for worker in workers:
        worker.beat.look(1.0)
    assert (first.told, second.told) == ([{"toy": 1}, "forgot"], [])
    second.offer(2)
    first.beat.look(3.0)
    assert first.told[-1] == {"toy": 2}
    monkeypatch.setattr("include.serving.models.route_switch.STALE_SECONDS", -60.0)  # nobody was seen: all are stopped
    assert not first.switch.speaks


def test_the_next_one_speaks_where_the_first_has_died_and_the_last_one_takes_the_row_with_it(workers: list[Worker]) -> None:
    first, second = workers
    for worker in workers:
        assert worker.switch.join()
    first.beat.stop()
    assert first.told == []  # another one is there
    second.beat.look(1.0)
    assert second.told == [{"toy": 1}, "forgot"]
    second.beat.stop()
    assert second.told[-1] == "left"


def test_a_store_that_is_away_is_tried_again_and_told_of_once(workers: list[Worker], caplog: pytest.LogCaptureFixture) -> None:
    worker = workers[0]
    assert worker.switch.join()
    worker.away = True
    for at in (0.0, 1.5, 3.0):
        worker.beat.look(at)
    assert worker.told == []
    assert caplog.text.count("could not report itself") == 1
    worker.away = False
    worker.beat.look(4.5)
    assert worker.told == [{"toy": 1}, "forgot"]
