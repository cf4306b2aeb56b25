"""What Ray is asked for: nothing new where a spec asks for nothing, else what it asks for, on as many machines."""

from __future__ import annotations

import sys
import time
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from include.backends.ray import scaling
from include.backends.ray.scaling import Reservation, amounts, entry_point, per_worker, strategy, wait_for_room
from include.backends.ray.waiting import ASKED, asked, words
from include.core.errors import TimeLimitError
from include.core.needs import Needs
from include.core.ports import Job
from include.core.spec.resources import Placement, Resources

GIB = 1 << 30
LARGE = Resources(cpus=4, memory_gb=1.5, gpus=1, accelerator="A100")


def job(wanted: Resources, workers: int = 1) -> Job:
    return Job("slip-train-x-g0-a1", "m", resources=wanted, workers=workers)


def test_a_spec_that_asks_for_nothing_gets_what_it_always_got() -> None:
    assert entry_point(job(Resources())) == {}
    assert scaling.scaling(Resources(), 2) == {"resources_per_worker": {"CPU": 0.5}, "placement_strategy": "PACK"}
    assert asked(job(Resources())) == {}


def test_of_one_worker_the_job_itself_reserves_and_of_several_each_worker() -> None:
    assert entry_point(job(LARGE)) == {
        "entrypoint_num_cpus": 4, "entrypoint_num_gpus": 1, "entrypoint_memory": 3 * GIB // 2,
        "entrypoint_resources": {"accelerator_type:A100": 0.001},
    }  # fmt: skip
    assert entry_point(job(LARGE, workers=2)) == {}
    assert scaling.scaling(LARGE, 2) == {
        "resources_per_worker": {"CPU": 4.0, "GPU": 1.0, "memory": 1.5 * GIB}, "placement_strategy": "PACK", "use_gpu": True,
        "accelerator_type": "A100",
    }  # fmt: skip
    assert per_worker(Resources(gpus=1)) == {"CPU": 0.5, "GPU": 1.0}


@pytest.mark.parametrize(
    ("nodes", "placement", "workers", "expected"),
    [
        (0, "pack", 4, "PACK"), (0, "spread", 4, "SPREAD"), (0, "strict_pack", 4, "STRICT_PACK"),
        (0, "strict_spread", 4, "STRICT_SPREAD"), (1, "pack", 4, "STRICT_PACK"), (4, "pack", 4, "STRICT_SPREAD"),
        (2, "pack", 4, "SPREAD"), (8, "spread", 4, "STRICT_SPREAD"),
    ],
)  # fmt: skip
def test_the_number_of_machines_chooses_the_strategy(nodes: int, placement: Placement, workers: int, expected: str) -> None:
    assert strategy(Resources(nodes=nodes, placement=placement), workers) == expected


def test_room_for_workers_on_fewer_machines_is_so_many_machines_with_room_for_their_share() -> None:
    wanted = Reservation.of(Resources(gpus=1, accelerator="L4", nodes=2), 5)
    assert wanted == Reservation(({"CPU": 1.5, "GPU": 3.0, "accelerator_type:L4": 0.003},) * 2, "STRICT_SPREAD")
    assert Reservation.of(Resources(), 3) == Reservation(({"CPU": 0.5},) * 3, "PACK")
    assert str(wanted) == "2 x [1.5 CPU, 3 GPU, L4], strict_spread"


def test_amounts_are_said_as_people_say_them() -> None:
    known = {"CPU": 8.0, "GPU": 2.0, "memory": 16 * GIB, f"{scaling.KIND}T4": 1.0}
    assert amounts({**known, "object_store_memory": 1e9, "node:10.0.0.1": 1.0}) == "8 CPU, 2 GPU, 16.0 GiB memory, T4"
    assert amounts({}) == "0 CPU"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A cluster whose placement groups are ready after so many looks; it remembers what it was asked for."""
    state = SimpleNamespace(ready_after=0, asked=[], removed=[], waits=[])

    class Group:
        def wait(self, timeout_seconds: float) -> bool:
            state.waits.append(timeout_seconds)
            return len(state.waits) > state.ready_after

    def placement_group(bundles: Any, strategy: str) -> Group:
        state.asked.append((bundles, strategy))
        return Group()

    ray: Any = ModuleType("ray")
    ray.cluster_resources = lambda: {"CPU": 2.0}
    ray.available_resources = lambda: {"CPU": 1.5}
    groups: Any = ModuleType("ray.util.placement_group")
    groups.placement_group, groups.remove_placement_group = placement_group, state.removed.append
    for name, module in (("ray", ray), ("ray.util", ModuleType("ray.util")), ("ray.util.placement_group", groups)):
        monkeypatch.setitem(sys.modules, name, module)
    return state


def test_where_there_is_room_nothing_is_said_and_nothing_stays_reserved(
    cluster: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    wait_for_room(Needs(), 2)
    assert cluster.asked == [([{"CPU": 0.5}] * 2, "PACK")]
    assert len(cluster.removed) == 1
    assert not caplog.records


def test_while_there_is_none_the_log_says_what_is_asked_what_there_is_and_what_is_free(
    cluster: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.ready_after = 2
    wait_for_room(Needs(Resources(gpus=8)), 2)
    said = "asked for 2 x [0.5 CPU, 8 GPU], pack; the cluster has 2 CPU; free: 1.5 CPU"
    assert [said in record.getMessage() for record in caplog.records] == [True, True]
    assert len(cluster.removed) == 1


def test_then_the_time_limit_ends_the_wait_with_those_words(cluster: SimpleNamespace) -> None:
    cluster.ready_after = 99
    with pytest.raises(TimeLimitError, match=r"(?s)is 0:01:00.*8 GPU.*the cluster has 2 CPU.*nothing was trained") as raised:
        wait_for_room(Needs(Resources(gpus=8), 2, 60.0, time.time()), 2)
    assert "resources" in raised.value.hint
    assert len(cluster.removed) == 1
    assert max(cluster.waits) <= scaling.LOOK


def test_without_a_limit_it_ends_after_a_day(cluster: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.ready_after = 99
    moments = iter([0.0, 10.0, 10.0, 86_399.0, 86_399.0, 86_401.0, 86_401.0, 86_401.0])
    monkeypatch.setattr(scaling, "time", SimpleNamespace(time=lambda: next(moments)))
    with pytest.raises(TimeLimitError, match=r"there is no training\.time_limit"):
        wait_for_room(Needs(), 2)


def test_a_pending_job_says_what_it_waits_for_from_rays_own_report() -> None:
    seen = {"metadata": asked(job(LARGE)), "status": "PENDING", "message": "Job has not\nstarted yet."}
    assert seen["metadata"] == {ASKED: "4 CPU, 1 GPU, 1.5 GiB memory, A100"}
    usage = {"CPU": [0.5, 2.0], "memory": [0.0, 4.0 * GIB], "node:__internal_head__": [0.0, 1.0]}
    report = {"data": {"clusterStatus": {"loadMetricsReport": {"usage": usage}}}}
    assert words(seen, report) == (
        "asked for 4 CPU, 1 GPU, 1.5 GiB memory, A100; the cluster has 2 CPU, 4.0 GiB memory; free: 1.5 CPU, 4.0 GiB memory"
    )
    for unread in ({}, {"data": None}, {"data": {"clusterStatus": {"loadMetricsReport": {"usage": None}}}}):
        assert words(seen, unread).endswith("Ray says: Job has not started yet.")
    assert words({"metadata": None}, report) == ""
