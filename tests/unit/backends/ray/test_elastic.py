"""The loop of an elastic fit on a cluster that a test moves: who trains, from which step, and what it is said to have cost."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import cast

import pytest

from include.backends.ray.crew import Crew
from include.backends.ray.elastic import GROWS_SECONDS, SETTLE, Elastic
from include.backends.ray.member import Work
from include.core.errors import CodeError, JobFailedError, TimeLimitError
from include.core.spec.workers import Workers
from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore
from include.training.interruptions import Account
from tests.unit.backends.ray.fake_cluster import STRIDE, TICK, Cluster

BOUNDS = Workers(minimum=1, maximum=3)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster(CheckpointStore(LocalStorage(tmp_path), "c"))
    made.install(monkeypatch)
    return made


def elastic(cluster: Cluster, workers: Workers = BOUNDS, asked: threading.Event | None = None) -> Elastic:
    crew = Crew(cast("Work", None), workers)
    return Elastic(crew, cluster.store, asked or threading.Event(), clock=cluster.clock, sleep=cluster.tick)


def test_an_undisturbed_fit_is_one_group_of_all_that_there_are(cluster: Cluster) -> None:
    for name in ("a", "b", "c", "d"):
        cluster.join(name)
    fit = elastic(cluster)
    fit.run()
    assert cluster.groups == [(0, 3)]
    assert fit.account.entries == []
    assert all(actor.dead for actor in cluster.actors)  # none is left behind


def test_a_fit_begins_with_its_minimum_where_no_more_come(cluster: Cluster) -> None:
    cluster.join("a")
    elastic(cluster).run()
    assert cluster.groups == [(0, 1)]
    assert SETTLE <= cluster.now < SETTLE + 1000 / STRIDE * TICK + 5


def test_the_others_go_on_from_the_newest_checkpoint_when_a_node_is_lost_and_a_new_one_is_used(cluster: Cluster) -> None:
    for name in ("a", "b", "c"):
        cluster.join(name)
    cluster.at(4.0, lambda: cluster.kill("b"))
    cluster.at(6.0, lambda: cluster.join("d"))
    fit, told = elastic(cluster), list[tuple[dict[str, float], int]]()
    fit.told = lambda metrics, step: told.append((metrics, step))
    fit.run()
    (first, lost, grown), entries = cluster.groups, fit.account.entries
    assert (first, lost[1], grown[1]) == ((0, 3), 2, 3)
    assert lost[0] == 50
    assert [(each.kind, each.nodes, each.step, each.workers) for each in entries] == [
        ("lost", ("b",), 50, 2), ("grown", ("d",), grown[0], 3),
    ]  # fmt: skip
    assert 0 < entries[0].redone <= 50 / STRIDE * TICK
    assert entries[0].redone < entries[0].seconds < entries[0].redone + 2
    assert entries[1].redone == 0
    assert (grown[0] - lost[0]) / STRIDE * TICK >= GROWS_SECONDS
    assert Account(cluster.store).entries == entries
    total = [round(entries[0].seconds, 3), round(sum(each.seconds for each in entries), 3)]
    assert told == [({"seconds_lost": seconds}, each.step) for seconds, each in zip(total, entries, strict=True)]


def test_a_node_that_is_to_go_is_left_at_the_next_batch_and_nothing_is_done_again(cluster: Cluster) -> None:
    for name in ("a", "b", "c"):
        cluster.join(name)
    cluster.at(5.0, lambda: cluster.drain("a"))
    cluster.at(12.0, lambda: cluster.kill("a"))
    fit = elastic(cluster)
    fit.run()
    (first, without), (entry,) = cluster.groups, fit.account.entries
    assert (first, without[1]) == ((0, 3), 2)
    assert without[0] % cluster.every  # between two checkpoints
    assert (entry.kind, entry.nodes, entry.redone, entry.step) == ("drained", ("a",), 0.0, without[0])


def test_losses_without_a_checkpoint_between_them_end_the_attempt_and_name_the_nodes(cluster: Cluster) -> None:
    cluster.every = 10_000
    cluster.join("steady")
    for start in (2.0, 6.0, 10.0):
        cluster.at(start - 1.5, lambda: cluster.join("shaky"))
        cluster.at(start + 2, lambda: cluster.kill("shaky"))
    with pytest.raises(JobFailedError, match="3 times without a new checkpoint") as failed:
        elastic(cluster, Workers(minimum=2, maximum=2)).run()
    assert "shaky 3x" in str(failed.value)
    assert "step 0" in str(failed.value)


def test_a_node_that_flaps_is_left_out_while_checkpoints_are_made(cluster: Cluster) -> None:
    for name in ("a", "b"):
        cluster.join(name)
    cluster.steps = 6000
    for start in (0.0, 40.0, 80.0, 120.0):
        cluster.at(start, lambda: cluster.join("shaky"))
        cluster.at(start + 30, lambda: cluster.kill("shaky"))
    fit = elastic(cluster)
    fit.run()
    lost = [each.nodes for each in fit.account.entries if each.kind == "lost"]
    assert lost == [("shaky",)] * 3
    assert [each.nodes for each in fit.account.entries if each.kind == "grown"] == [("shaky",)] * 2


def test_a_node_that_flaps_is_used_where_the_fit_cannot_do_without_it(cluster: Cluster) -> None:
    cluster.steps = 3000
    for start in (0.0, 40.0, 80.0, 120.0):
        cluster.at(start, lambda: cluster.join("shaky"))
        cluster.at(start + 30, lambda: cluster.kill("shaky"))
    cluster.at(160.0, lambda: cluster.join("shaky"))
    fit = elastic(cluster)
    fit.run()
    assert [each.nodes for each in fit.account.entries] == [("shaky",)] * 4
    assert cluster.now < 300


def test_too_few_workers_are_waited_for_and_then_the_attempt_ends(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    cluster.join("a")
    fit = elastic(cluster, Workers(minimum=2, maximum=4))
    fit.until = time.time() + 105
    with pytest.raises(TimeLimitError, match=r"Only 1 of at least 2 workers .* within 100 s.*asked for 2 x"):
        fit.run()
    assert caplog.text.count("1 are ready; asked for 2 x [0.5 CPU], pack; the cluster has 1 CPU") == 3
    assert cluster.groups == []


def test_a_job_that_is_asked_to_end_leaves_and_the_next_attempt_says_how_long_it_was_away(cluster: Cluster) -> None:
    cluster.join("a")
    asked = threading.Event()
    cluster.at(20.0, asked.set)
    with pytest.raises(JobFailedError, match="asked to end"):
        elastic(cluster, asked=asked).run()
    step = cluster.store.steps()[-1]
    assert 0 < step < 1000
    fit = elastic(cluster)
    fit.run()
    assert cluster.groups == [(0, 1), (step, 1)]
    assert [(each.kind, each.step) for each in fit.account.entries] == [("stopped", step)]


def test_what_would_fail_again_is_not_tried_again(cluster: Cluster) -> None:
    cluster.join("a")
    cluster.fails.append(CodeError("ValueError: no such column."))
    with pytest.raises(CodeError, match="no such column"):
        elastic(cluster).run()
    assert len(cluster.groups) == 1


def test_failures_that_may_pass_are_tried_again_as_long_as_there_is_progress(cluster: Cluster) -> None:
    cluster.join("a")
    cluster.fails += [JobFailedError("no answer")] * 2
    elastic(cluster).run()
    assert cluster.groups == [(0, 1)] * 3
    cluster.fails += [JobFailedError("no answer")] * 3
    with pytest.raises(JobFailedError, match=r"3 times without a new checkpoint between: .*no answer"):
        elastic(cluster).run()


def test_a_worker_that_does_not_answer_is_given_up(cluster: Cluster) -> None:
    for name in ("a", "b", "c"):
        cluster.join(name)

    def freeze() -> None:
        cluster.kill("a")
        next(actor for actor in cluster.actors if cluster.alive.get(actor.node) == "b").silent = True

    cluster.at(4.0, freeze)
    fit = elastic(cluster)
    fit.run()
    assert cluster.groups[:2] == [(0, 3), (50, 1)]
    assert fit.account.entries[0].nodes == ("a", "b")
