"""How days reach the platform: their raw partitions arrive, and a features DAG takes them in, by ranges or day by day."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Event, Thread

from include.core.control import ControlStore
from include.core.errors import JobFailedError
from include.core.storage import Storage
from include.core.time import days_between
from include.data.published import published
from include.demo.journal import Journal
from include.demo.runs import Runs
from include.demo.source import arrive

RANGE = "features_range"
PATIENCE = 900.0  # seconds for a backfill


@dataclass
class Intake:
    """Of one model. `copy` is the source's own storage, `store` the platform's; `ranges`: a run takes in many days."""

    runs: Runs
    journal: Journal
    control: ControlStore
    copy: Storage
    store: Storage
    ranges: bool

    def history(self, first: date, last: date) -> str:
        """Take in the days before the first version; returns what was done, in a sentence."""
        arrive(self.copy, self.store, first, last)
        days = (last - first).days + 1
        if self._published(first, last) == days:
            return f"{days} days of features were published before: reused"
        if self.ranges:
            self._range(first, last, self.journal.reach)
            return f"{days} daily partitions validated, published and materialized by one run of {self.runs.dag(RANGE)}"
        self._backfill(first, last)
        self._await_backfill(first, last)
        return f"{days} daily partitions validated, published and materialized by `airflow backfill`"

    def week(self, first: date, last: date) -> None:
        """The raw partitions of a week that is over arrive, and are taken in: labels become known."""
        arrive(self.copy, self.store, first, last)
        if self.ranges:
            self._range(first, last, lambda share, words: None)
        else:
            self.runs.daily("features", days_between(first, last))
        self.journal.print_line(f"  {first} to {last}: partitions landed, features published, labels known")

    def _published(self, first: date, last: date) -> int:
        return len(published(self.control, self.runs.model, first, last))

    # -- by ranges -------------------------------------------------------------------------------------

    def _range(self, first: date, last: date, tell: Callable[[float, str], None]) -> None:
        run = self.runs.start(RANGE, **{"from": first.isoformat(), "to": last.isoformat()})
        over = Event()
        watcher = Thread(target=self._watch, args=(first, last, over, tell), daemon=True, name="days published")
        watcher.start()
        try:
            self.runs.finish(RANGE, run)
        finally:
            over.set()
            watcher.join()
        if (done := self._published(first, last)) != (wanted := (last - first).days + 1):
            raise JobFailedError(f"{wanted - done} of the days {first} to {last} were not published.", seen=f"run {run}")

    def _watch(self, first: date, last: date, over: Event, tell: Callable[[float, str], None]) -> None:
        days = (last - first).days + 1
        while not over.wait(1.0):
            done = self._published(first, last)
            tell(done / days, f"{done} of {days} days")

    # -- day by day ------------------------------------------------------------------------------------

    def _backfill(self, first: date, last: date) -> None:
        from include.local import environment
        from include.local.credentials import Credentials
        from include.local.platform import Platform

        platform = Platform.from_env()
        options = {"dag-id": self.runs.dag("features"), "from-date": first, "to-date": last, "max-active-runs": 8}
        words = [f"--{name}={value}" for name, value in {**options, "reprocess-behavior": "failed"}.items()]
        command = [str(Path(sys.executable).parent / "airflow"), "backfill", "create", *words]
        self.journal.print_line(" ".join(["airflow", *command[1:]]))
        done = subprocess.run(
            command,
            env=environment.airflow(platform, Credentials.load(platform.home)),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise JobFailedError("airflow backfill create failed.", seen=done.stderr[-800:] or done.stdout[-800:])

    def _await_backfill(self, first: date, last: date) -> None:
        wanted, shown, until = (last - first).days + 1, 0, time.monotonic() + PATIENCE
        while True:
            counts = self.runs.airflow.count(self.runs.dag("features"), first.isoformat(), last.isoformat())
            done = counts.get("success", 0)
            self.journal.reach(done / wanted, f"{done} of {wanted} days")
            if done >= shown + 10 or done == wanted:
                self.journal.print_line(f"  {done} of {wanted} days through the features DAG")
                shown = done
            if done == wanted:
                return
            if counts.get("failed"):
                raise JobFailedError(f"{counts['failed']} features runs between {first} and {last} failed.", seen=counts)
            if time.monotonic() > until:
                raise JobFailedError(f"The features of {first} to {last} took more than {PATIENCE:.0f} s.", seen=counts)
            time.sleep(1.0)
