"""Where the seconds of a small training's start and of its recovery from kill -9 go, by the way it is run.

The head is started once; then the same fit, of a second or two of computing, runs as a Ray job of two workers, as a Ray
job of one (in the job's own process), and as a local process. Whoever writes the fifth checkpoint is killed right after.
A job with workers replaces them itself; for the others the next attempt is submitted at once: the seconds that Airflow
takes to see it and to retry come on top. No goal: it prints what is there to be kept warm.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.backends.process import jobs as process_jobs
from include.backends.ray import jobs as ray_jobs
from include.core.ledger import Attempt, Ledger
from include.core.ports import JobBackend, JobStatus
from include.core.settings import Settings
from include.core.task import job_of
from include.training.checkpoint import CheckpointStore
from include.training.job import Floats, TrainingJob
from tests.support.ray_head import running_ray_head
from tests.support.training_example import NETWORK, table, train_request, training_set

if TYPE_CHECKING:
    from include.backends.lightning.plan import Plan
    from include.models.flight_delay.network import FlightDelay

HERE = "benchmarks.recovery"
DIES_AT = 10  # the step of the fifth checkpoint
PATIENCE = 400.0  # seconds for one job
WAYS = {"Ray, two workers": ("ray", 2), "Ray, one process": ("ray", 1), "local process": ("process", 1)}


def stamp(folder: Path, what: str) -> None:
    """A line with the time, and when the process that writes it was started."""
    now = time.time()
    line = {"what": what, "at": now, "pid": os.getpid(), "started": now - _age()}
    with (folder / "stamps").open("a") as file:
        file.write(json.dumps(line) + "\n")


def _age() -> float:
    """Seconds since this process was started; psutil's answer is off by what the clock was set since the boot."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def fit(job: TrainingJob) -> None:
    """The flight-delay fit, stamped; runs in the job."""
    from include.backends.ray.train import fit_lightning

    stamp(Path(str(job.params["mark"])), "fit")
    fit_lightning(job, build)


def build(plan: Plan, features: Floats) -> FlightDelay:
    """Runs in each worker, once it has imported what it needs."""
    from include.models.flight_delay import train

    folder = Path(str(plan.params["mark"]))
    stamp(folder, "model")
    save = CheckpointStore.save_step

    def save_and_die(store: CheckpointStore, step: int, data: bytes) -> None:
        save(store, step, data)
        stamp(folder, "checkpoint")
        if step == DIES_AT and not (folder / "killed").exists():
            (folder / "killed").touch()
            stamp(folder, "kill")
            os.kill(os.getpid(), signal.SIGKILL)

    CheckpointStore.save_step = save_and_die  # type: ignore[method-assign, assignment]
    return train.build(plan, features)


@dataclass(frozen=True)
class Course:
    """What the stamps of one fit say."""

    submitted: float
    over: float
    stamps: tuple[Mapping[str, Any], ...]

    def phases(self) -> dict[str, float]:
        """Seconds, one after the other, from the submission to the kill and from the kill to the end."""
        (kill,) = (index for index, stamp in enumerate(self.stamps) if stamp["what"] == "kill")
        before, after = self.stamps[:kill], self.stamps[kill + 1 :]
        job, killed = _first(before, "fit"), self.stamps[kill]["at"]
        model, again = _first(before, "model"), _first(after, "model")
        apart = model["pid"] != job["pid"]
        return {
            "job process starts": job["started"] - self.submitted,
            "its imports": job["at"] - job["started"],
            "workers start": model["started"] - job["at"] if apart else 0.0,
            "fit's imports": model["at"] - (model["started"] if apart else job["at"]),
            "first checkpoint": _first(before, "checkpoint")["at"] - model["at"],
            "kill to new process": max(0.0, again["started"] - killed),
            "its imports again": again["at"] - max(again["started"], killed),
            "next checkpoint": _first(after, "checkpoint")["at"] - again["at"],
            "kill to next checkpoint": _first(after, "checkpoint")["at"] - killed,
            "rest": self.over - _first(after, "checkpoint")["at"],
        }


def _first(stamps: tuple[Mapping[str, Any], ...], what: str) -> Mapping[str, Any]:
    return next(stamp for stamp in stamps if stamp["what"] == what)


def course(folder: Path, environ: Mapping[str, str], backend: str, workers: int) -> Course:
    """One fit to its end, through its kill."""
    folder.mkdir()
    settings = Settings.from_env({**environ, "SLIPSTREAM_HOME": str(folder / "home")})
    ledger = Ledger(settings.storage())
    jobs: JobBackend = ray_jobs.open_jobs(settings) if backend == "ray" else process_jobs.open_jobs(settings)
    data = training_set(ledger, folder / "in", table(), table(200, seed=2))
    request = train_request(ledger, data, f"{HERE}:fit", params={**NETWORK, "mark": str(folder)}, workers=workers)
    began, status = time.time(), JobStatus.UNKNOWN
    while status is not JobStatus.SUCCEEDED:
        attempt = ledger.open_attempt(request.key, 0)
        if attempt.number > 2:
            raise RuntimeError(f"the second attempt failed, too:\n{jobs.logs(f'{attempt.job[:-1]}2')}")
        status = run(jobs, attempt, ledger)
        if status is not JobStatus.SUCCEEDED:
            ledger.end_attempt(attempt, str(status))
    stamps = tuple(json.loads(line) for line in (folder / "stamps").read_text().splitlines())
    return Course(began, time.time(), stamps)


def run(jobs: JobBackend, attempt: Attempt, ledger: Ledger) -> JobStatus:
    jobs.submit(job_of(attempt, ledger))
    until = time.monotonic() + PATIENCE
    while not (status := jobs.status(attempt.job)).over:
        if time.monotonic() > until:
            raise RuntimeError(f"job {attempt.job} is not over after {PATIENCE:.0f} s:\n{jobs.logs(attempt.job)}")
        time.sleep(0.2)
    return status


def main() -> int:
    load = os.getloadavg()[0]
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="recovery-") as name:
        began = time.monotonic()
        with running_ray_head(Path(name) / "head.log", cpus=2) as (url, token):
            head = time.monotonic() - began
            ours = {"SLIPSTREAM_RAY_URL": url, "SLIPSTREAM_REGISTRY": "folder"}
            environ = {**os.environ, **ours, "AIRFLOW_CONN_SLIPSTREAM_RAY": f"http://:{token}@127.0.0.1"}
            for number, (way, (backend, workers)) in enumerate(WAYS.items()):
                found[way] = course(Path(name) / str(number), environ, backend, workers).phases()
                print(f"  {way}: " + ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in found[way].items()), flush=True)
    print(f"\nload {load:.1f} on {os.cpu_count()} cores; the head answered after {head:.1f} s\n")
    print("| seconds | " + " | ".join(found) + " |\n" + "|---" * (len(found) + 1) + "|")
    for phase in next(iter(found.values())):
        print(f"| {phase} | " + " | ".join(f"{phases[phase]:.1f}" for phases in found.values()) + " |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
