"""The demonstration's Airflow runs: started or found, followed to their end, and found again by a demo that was interrupted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date
from typing import Any

from include.backends.airflow.client import AirflowClient
from include.core.errors import JobFailedError
from include.demo.journal import Journal

SHOWN = ("running", "success", "failed", "deferred", "skipped")  # states of a task that are worth a line
POLL = 0.5  # seconds between two looks at a run
EVENT = 90.0  # seconds within which an asset event has started its run


@dataclass
class Runs:
    """Of one model. A run that was begun and not seen to end is in the journal, and is what the next `start` returns."""

    airflow: AirflowClient
    journal: Journal
    model: str

    def dag(self, part: str) -> str:
        return f"{self.model}_{part}"

    def start(self, part: str, **conf: Any) -> str:
        """A manual run of `{model}_{part}` with these parameters."""
        return self._begun(part) or self._begin(part, self.airflow.trigger(self.dag(part), **conf))

    def started(self, part: str) -> str:
        """The run that an asset event has just started. Raises JobFailedError if none came."""
        if (begun := self._begun(part)) is not None:
            return begun
        until = time.monotonic() + EVENT
        while time.monotonic() < until:
            live = [one for one in self.airflow.runs(self.dag(part)) if one["run_type"] == "asset_triggered"]
            followed = self.journal.facts.setdefault("followed", [])
            fresh = [one["dag_run_id"] for one in live if one["dag_run_id"] not in followed]
            if fresh:
                followed.append(fresh[0])
                return self._begin(part, str(fresh[0]))
            time.sleep(POLL)
        raise JobFailedError(f"No event started {self.dag(part)} within {EVENT:.0f} s.")

    def finish(self, part: str, run: str, must: bool = True) -> None:
        """Until it is over, with a line for each change of a task. Raises JobFailedError if it failed and must not."""
        seen: dict[str, str] = {}

        def tick(tasks: dict[str, str]) -> None:
            for name, state in tasks.items():
                if seen.get(name) != state and state in SHOWN:
                    self.journal.print_line(f"  {part}.{name}: {state}")
            seen.update(tasks)

        state = self.airflow.wait_for_run(self.dag(part), run, tick, poll=POLL)
        self._end(part)
        if state != "success" and must:
            raise JobFailedError(f"The {part} run {run} failed.", seen={k: v for k, v in seen.items() if v != "success"})

    def daily(self, part: str, days: list[date]) -> None:
        """A run for each day, all at once; until all have succeeded."""
        for run in [self.airflow.trigger(self.dag(part), day=day.isoformat()) for day in days]:
            if self.airflow.wait_for_run(self.dag(part), run, lambda tasks: None, poll=POLL) != "success":
                raise JobFailedError(f"The {part} run {run} failed.", hint="see its log in Airflow.")

    # -- what an interrupted demo finds ------------------------------------------------------------------

    def _begun(self, part: str) -> str | None:
        begun: str | None = self.journal.facts.get("begun", {}).get(part)
        return begun

    def _begin(self, part: str, run: str) -> str:
        self.journal.facts.setdefault("begun", {})[part] = run
        self.journal.save()
        return run

    def _end(self, part: str) -> None:
        self.journal.facts.get("begun", {}).pop(part, None)
        self.journal.save()
