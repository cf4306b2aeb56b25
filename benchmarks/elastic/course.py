"""One fit as a job on a Ray cluster of its own, whose nodes are killed and replaced while it trains."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from include.backends.ray import jobs as ray_jobs
from include.core.ledger import Ledger
from include.core.needs import Needs
from include.core.ports import JobStatus
from include.core.request import Result
from include.core.settings import Settings
from include.core.spec.resources import Resources
from include.core.task import job_of
from include.training.spool import MetricSpool
from tests.support.ray_head import free_port, running_ray_head, submit
from tests.support.ray_nodes import RayNodes
from tests.support.training_example import NETWORK, table, train_request, training_set

OURS, PEER = "include.models.flight_delay.train:fit", "benchmarks.elastic.peer:fit"
NODES, ROWS, EVERY = 3, 120_000, 600  # raylets beside the head; rows of the training set; steps between two checkpoints
NEEDS = Needs(Resources(cpus=1), NODES)  # one worker a node


@dataclass(frozen=True)
class Course:
    """What came of it. `pace`: seconds between two checkpoints, the median. `seconds`: from the first batch to the last."""

    status: JobStatus
    seconds: float
    pace: float
    steps: int
    kills: int
    value: Mapping[str, Any]
    log: str


def course(fit: str, epochs: int, every: float = 0.0, patience: float = 900.0) -> Course:
    """A fit of `epochs`; one node is killed every so many seconds from its first batch on (0: none), and a new one started."""
    folder, port = Path(tempfile.mkdtemp(prefix="ray-")), free_port()
    with (
        tempfile.TemporaryDirectory(prefix="elastic-") as home,
        running_ray_head(Path(home) / "head.log", cpus=0, folder=folder, port=port) as (url, token),
    ):
        nodes = RayNodes(port, folder)
        for number in range(NODES):
            nodes.start(f"node-{number}")
        try:
            return _Fit(Path(home), url, token, nodes).run(fit, epochs, every, patience)
        finally:
            nodes.stop()


@dataclass
class _Fit:
    home: Path
    url: str
    token: str
    nodes: RayNodes
    kills: int = 0

    def run(self, fit: str, epochs: int, every: float, patience: float) -> Course:
        ours = {"SLIPSTREAM_HOME": str(self.home), "SLIPSTREAM_RAY_URL": self.url, "SLIPSTREAM_REGISTRY": "folder"}
        settings = Settings.from_env({**os.environ, **ours, "AIRFLOW_CONN_SLIPSTREAM_RAY": f"http://:{self.token}@127.0.0.1"})
        ledger, jobs = Ledger(settings.storage()), ray_jobs.open_jobs(settings)
        data = training_set(ledger, self.home / "in", table(ROWS), table(200, seed=2))
        params = {**NETWORK, "epochs": epochs, "checkpoint_every": EVERY}
        request = train_request(ledger, data, fit, params=params, workers={"minimum": 1, "maximum": NODES})
        attempt = ledger.open_attempt(request.key, 0)
        spool = MetricSpool(ledger.storage, attempt.metrics)
        submit(jobs, job_of(attempt, ledger, NEEDS))
        began, first, status = time.time(), 0.0, JobStatus.UNKNOWN
        while not (status := jobs.status(attempt.job)).over and time.time() - began < patience:
            time.sleep(1)
            first = first or (time.time() if next(iter(spool.read()), None) else 0.0)
            if every and first and time.time() - first >= every * (self.kills + 1):
                self._kill()
        if not status.over:
            jobs.stop(attempt.job)
        stamps = sorted((step, at / 1000) for _, rows in spool.read() for step, at, values in rows if "step_loss" in values)
        result: Result | None = ledger.result(request.key, 0)
        value = result.value if result else {}
        log = jobs.logs(attempt.job, 400)
        return Course(
            status, stamps[-1][1] - stamps[0][1] if stamps else 0.0, _pace(stamps), _last(stamps), self.kills, value, log
        )

    def _kill(self) -> None:
        """The node that has been there longest, as a machine that is switched off; another is started at once."""
        self.kills += 1
        gone = next(iter(self.nodes.processes))
        self.nodes.kill(gone)
        self.nodes.start(f"node-{NODES + self.kills - 1}")


def _pace(stamps: list[tuple[int, float]]) -> float:
    """Restarts are few among the stamps: the median knows nothing of them."""
    each = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(stamps) if b[0] > a[0]]
    return EVERY * statistics.median(each) if each else 0.0


def _last(stamps: list[tuple[int, float]]) -> int:
    return stamps[-1][0] if stamps else 0
