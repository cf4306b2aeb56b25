"""A job's container, as a process of this machine: its entry point, its environment, its /opt/ml, its log."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from include.core.digest import PROJECT
from tests.support.aws.part import ACCOUNT

INSIDE = "/opt/project"  # the project's folder in its image: docker/Dockerfile
FOLDER = "SLIPSTREAM_SAGEMAKER_FOLDER"  # of our container contract: where /opt/ml is


@dataclass(frozen=True)
class Image:
    """What stands on this machine for an image: the folder that is its `/opt/project`."""

    project: Path = PROJECT
    environ: tuple[tuple[str, str], ...] = ()
    """Variables that the image, or the network that its jobs run in, brings."""

    def here(self, text: str) -> str:
        return text.replace(INSIDE, str(self.project))


class Container:
    """One run of an entry point. `checkpoints`: what lay in /opt/ml/checkpoints of a run before."""

    def __init__(self, image: Image, command: Sequence[str], environ: Mapping[str, str], checkpoints: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="aws-container-"))
        self.log = self.folder / "log"
        self.shipped = 0  # bytes of the log
        ml = self.folder / "ml"
        (ml / "input" / "config").mkdir(parents=True)
        (ml / "output").mkdir()
        (ml / "model").mkdir()
        host = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"}
        (ml / "input" / "config" / "resourceconfig.json").write_text(json.dumps(host))
        if checkpoints is not None and checkpoints.is_dir():
            shutil.copytree(checkpoints, ml / "checkpoints")
        (ml / "checkpoints").mkdir(exist_ok=True)
        own = {
            "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
            "PYTHONPATH": str(image.project),
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "TZ": "UTC",
            FOLDER: str(ml),
            **dict(image.environ),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [image.here(part) for part in command],
                cwd=image.project,
                env={**own, **{name: image.here(value) for name, value in environ.items()}},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def status(self) -> int | None:
        """Its exit status, or None while it runs."""
        return self.process.poll()

    @property
    def failure(self) -> str:
        """What it left in /opt/ml/output/failure: as much as SageMaker shows of it."""
        path = self.folder / "ml" / "output" / "failure"
        return path.read_text(errors="replace")[:1024] if path.is_file() else ""

    @property
    def checkpoints(self) -> Path:
        return self.folder / "ml" / "checkpoints"

    def end(self, number: int = signal.SIGKILL) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
        if number == signal.SIGKILL:
            self.process.wait()

    def ship(self, group: str, stream: str, region: str) -> None:
        """Its new lines, to moto's CloudWatch Logs."""
        from moto.logs.models import logs_backends

        over = self.process.poll() is not None
        with self.log.open("rb") as file:
            file.seek(self.shipped)
            data = file.read()
        if not over:
            data = data[: data.rfind(b"\n") + 1]
        self.shipped += len(data)
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line} for line in data.decode(errors="replace").splitlines() if line]
        logs = logs_backends[ACCOUNT][region]
        if group not in logs.groups:
            logs.create_log_group(group, {})
        logs.ensure_log_stream(group, stream)
        if events:
            logs.groups[group].put_log_events(stream, events)

    def forget(self, group: str, stream: str, region: str) -> None:
        """Take its lines from moto's CloudWatch Logs again."""
        from moto.logs.models import logs_backends

        held = logs_backends[ACCOUNT][region].groups.get(group)
        if held is not None:
            held.streams.pop(stream, None)

    def remove(self) -> None:
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)


def role_environ(address: str, region: str) -> dict[str, str]:
    """The login that a job has by its execution role, and where it finds AWS."""
    return {
        "AWS_ACCESS_KEY_ID": "role",
        "AWS_SECRET_ACCESS_KEY": "role",
        "AWS_ENDPOINT_URL": address,
        "AWS_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
