from __future__ import annotations

import time
from pathlib import Path

import pytest

from include.core.spec import ModelSpec
from include.routing.route import Route
from include.serving.models import route_switch as module
from include.serving.models.deployment import Deployment
from include.serving.models.route_switch import SIZE, Switch
from include.serving.telemetry.shared_memory import SharedMemory


@pytest.fixture
def memory() -> SharedMemory:
    return SharedMemory(SIZE)


def deployment(spec: ModelSpec, generation: int) -> Deployment:
    return Deployment(spec, Route(champion=generation or 1), generation)


def joined(memory: SharedMemory, slot: int, spec: ModelSpec, generation: int = 1) -> Switch:
    switch = Switch(memory, slot)
    switch.offer(deployment(spec, generation))
    assert switch.join()
    return switch


def test_a_lone_worker_follows_at_once(memory: SharedMemory, spec: ModelSpec) -> None:
    switch = joined(memory, 0, spec)
    switch.offer(deployment(spec, 2))
    assert switch.get("toy").generation == switch.applied("toy") == 2
    with pytest.raises(KeyError):
        switch.get("nobody")


def test_the_last_acknowledgement_switches_all(memory: SharedMemory, spec: ModelSpec) -> None:
    workers = [joined(memory, slot, spec) for slot in range(3)]
    for worker in workers[:2]:
        worker.offer(deployment(spec, 2))
    assert [worker.applied("toy") for worker in workers] == [1, 1, 1]
    workers[2].offer(deployment(spec, 2))
    assert [worker.applied("toy") for worker in workers] == [2, 2, 2]


def test_a_worker_that_skips_a_route_holds_up_nobody(memory: SharedMemory, spec: ModelSpec) -> None:
    first, second = joined(memory, 0, spec), joined(memory, 1, spec)
    first.offer(deployment(spec, 2))
    second.offer(deployment(spec, 3))
    assert (first.applied("toy"), second.applied("toy")) == (1, 1)
    first.offer(deployment(spec, 3))
    assert (first.applied("toy"), second.applied("toy")) == (3, 3)


def test_a_dead_worker_is_not_waited_for(memory: SharedMemory, spec: ModelSpec) -> None:
    first, second = joined(memory, 0, spec), joined(memory, 1, spec)
    first.offer(deployment(spec, 2))
    assert first.applied("toy") == 1
    second.leave()  # as the supervisor says
    first.settle()
    assert first.applied("toy") == 2


def test_a_stopped_worker_is_left_behind_and_catches_up(
    memory: SharedMemory, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = joined(memory, 0, spec), joined(memory, 1, spec)
    monkeypatch.setattr(module, "STALE_SECONDS", 0.05)
    first.offer(deployment(spec, 2))
    time.sleep(0.1)
    first.settle()
    assert (first.applied("toy"), second.applied("toy")) == (2, 1)
    second.offer(deployment(spec, 2))
    assert second.applied("toy") == 2


def test_a_new_worker_counts_only_once_it_has_caught_up(memory: SharedMemory, spec: ModelSpec) -> None:
    first = joined(memory, 0, spec)
    second = Switch(memory, 1)
    second.offer(deployment(spec, 2))  # the store is ahead of the worker that serves
    assert not second.join()
    first.offer(deployment(spec, 2))  # which does not wait for the new one
    assert first.applied("toy") == 2
    assert second.join()
    first.offer(deployment(spec, 3))
    assert first.applied("toy") == 2


def test_versions_loaded_or_unloaded_under_one_route_are_taken_at_once(memory: SharedMemory, spec: ModelSpec) -> None:
    first = joined(memory, 0, spec)
    joined(memory, 1, spec)
    again = Deployment(spec, Route(champion=1), 1, cold=True)
    first.offer(again)
    assert first.get("toy") is again


def test_a_part_of_a_route_answers_until_the_whole_is_there(memory: SharedMemory, spec: ModelSpec) -> None:
    first = joined(memory, 0, spec)
    second = Switch(memory, 1)
    second.offer(deployment(spec, 0))
    assert second.join()
    assert (second.get("toy").generation, first.applied("toy")) == (0, 1)
    second.offer(deployment(spec, 1))
    assert second.applied("toy") == 1


def test_models_have_words_of_their_own(memory: SharedMemory, spec: ModelSpec, tmp_path: Path) -> None:
    switch = joined(memory, 0, spec)
    other = spec.model_copy(update={"name": "other"})
    switch.offer(deployment(other, 7))
    assert (switch.applied("toy"), switch.applied("other"), switch.models) == (1, 7, ["other", "toy"])


def test_what_is_in_force_is_told_without_changing_over(memory: SharedMemory, spec: ModelSpec) -> None:
    first, second = joined(memory, 0, spec), joined(memory, 1, spec)
    first.offer(deployment(spec, 2))
    assert (first.in_force(), second.in_force()) == ({"toy": 1}, {"toy": 1})
    second.offer(deployment(spec, 2))
    assert (first.in_force(), second.in_force()) == ({"toy": 2}, {"toy": 2})
    slot = first._model_slots["toy"]
    assert (slot.generation, slot.next is not None) == (1, True)  # the event loop changes over with its next request


def test_the_first_ready_worker_speaks_and_the_last_one_knows_that_it_is(memory: SharedMemory, spec: ModelSpec) -> None:
    first, second = joined(memory, 0, spec), joined(memory, 1, spec)
    assert (first.speaks, second.speaks, second.alone) == (True, False, False)
    first.leave()
    assert (first.speaks, second.speaks, second.alone) == (False, True, True)
