"""What Ray is asked for: nothing new where a spec asks for nothing, else what it asks for, on as many machines."""

from __future__ import annotations

import pytest

from include.backends.ray import scaling
from include.backends.ray.scaling import Reservation, amounts, entry_point, per_worker, strategy
from include.backends.ray.waiting import ASKED, asked, words
from include.core.ports import Job
from include.core.spec.resources import Placement, Resources

GIB = 1 << 30
LARGE = Resources(cpus=4, memory_gb=1.5, gpus=1, accelerator="A100")


def job(wanted: Resources, workers: int = 1) -> Job:
    return Job("slip-train-x-g0-a1", "m", resources=wanted, workers=workers)


def test_a_spec_that_asks_for_nothing_gets_what_it_always_got() -> None:
    assert entry_point(job(Resources())) == {}
    assert per_worker(Resources()) == {"CPU": 0.5}
    assert strategy(Resources(), 2) == "PACK"
    assert asked(job(Resources())) == {}


def test_of_one_worker_the_job_itself_reserves_and_of_several_each_worker() -> None:
    assert entry_point(job(LARGE)) == {
        "entrypoint_num_cpus": 4, "entrypoint_num_gpus": 1, "entrypoint_memory": 3 * GIB // 2,
        "entrypoint_resources": {"accelerator_type:A100": 0.001},
    }  # fmt: skip
    assert entry_point(job(LARGE, workers=2)) == {}
    assert per_worker(LARGE) == {"CPU": 4.0, "GPU": 1.0, "memory": 1.5 * GIB}
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
