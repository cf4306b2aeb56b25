"""What an attempt is given: its machines and its time. No part of its request, so that the same fit elsewhere is the same result.

A job learns of it by a variable of its environment, a task by the arguments of its operator.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from include.core.environment import JOB_NEEDS
from include.core.spec.resources import Resources


@dataclass(frozen=True)
class Needs:
    resources: Resources = field(default_factory=Resources)
    workers: int = 1
    seconds: float = 0.0
    """How long the attempt may take; 0: as long as it takes."""
    until: float = 0.0
    """When that is over, in seconds since 1970; 0: never."""

    def handed_on(self) -> dict[str, str]:
        """What the environment of a job says of it: nothing where no machine and no time was asked for."""
        if replace(self, workers=1) == Needs():
            return {}
        resources = self.resources.model_dump(mode="json", exclude_defaults=True)
        said = {"resources": resources, "workers": self.workers, "seconds": self.seconds, "until": self.until}
        return {JOB_NEEDS.name: json.dumps(said, separators=(",", ":"))}

    def told(self, backend: str) -> dict[str, object]:
        """What the ledger keeps of an attempt: who ran it, on what. `backend`: `task`, for the task's own process, or a job's."""
        resources = self.resources.model_dump(mode="json", exclude_defaults=True)
        return {"backend": backend, "workers": self.workers, "resources": resources}

    @classmethod
    def received(cls, environ: Mapping[str, str] | None = None) -> Needs:
        """What this process was given."""
        text = JOB_NEEDS.read(environ)
        if not text:
            return cls()
        said = json.loads(text)
        return cls(Resources(**said["resources"]), int(said["workers"]), float(said["seconds"]), float(said["until"]))
