"""A job backend in a folder: every submit is a line, every status a file a test can set."""

from __future__ import annotations

from pathlib import Path

from include.core.ports import Job, JobStatus
from include.core.settings import Settings
from include.core.task import main


class FakeJobs:
    """`mode` (a file) says what a submitted job does: run, hang, die or vanish."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def submit(self, job: Job) -> None:
        if (self.folder / job.name).exists():
            return
        with (self.folder / "submitted").open("a") as file:
            file.write(f"{job.name}\n")
        mode = (self.folder / "mode").read_text()
        (self.folder / job.name).write_text({"run": "SUCCEEDED", "hang": "RUNNING", "die": "FAILED", "empty": "SUCCEEDED"}[mode])
        if mode == "run":
            self.finish(job)

    def finish(self, job: Job) -> None:
        try:
            main(list(job.arguments))
        except Exception:  # noqa: BLE001 (whatever a job dies of, it has failed)
            self.set(job.name, JobStatus.FAILED)

    def set(self, name: str, status: JobStatus) -> None:
        (self.folder / name).write_text(status)

    def status(self, name: str) -> JobStatus:
        path = self.folder / name
        return JobStatus(path.read_text()) if path.exists() else JobStatus.UNKNOWN

    def waits_for(self, name: str) -> str:
        path = self.folder / f"{name}.waits"
        return path.read_text() if path.exists() else ""

    def under_way(self) -> list[str]:
        return sorted(name for name in set(self.submitted()) if self.status(name) in (JobStatus.PENDING, JobStatus.RUNNING))

    def logs(self, name: str, lines: int = 50) -> str:
        return f"last words of {name}"

    def stop(self, name: str) -> None:
        (self.folder / "stopped").write_text(name)
        self.set(name, JobStatus.STOPPED)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1/{name}"

    def submitted(self) -> list[str]:
        path = self.folder / "submitted"
        return path.read_text().split() if path.exists() else []


def open_jobs(settings: Settings, logins: object = None, aws: object = None) -> FakeJobs:
    return FakeJobs(settings.home / "jobs")
