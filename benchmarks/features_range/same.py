"""Whether a range's end is that of daily runs: each day once more by the steps, and online day by day into a store of its own.

`python -m benchmarks.features_range.same EVERY`, with the settings in the environment, prints what was compared and what differs.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.features_range.models.flight_delay.spec import SPEC
from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.partition import Partition
from include.core.request import Result
from include.core.settings import Settings
from include.core.storage import LocalStorage
from include.core.task import perform
from include.data.published import published
from include.features.online.materialize import materialize
from include.features.request import features_request
from include.validation.request import verdict_request


def compare(settings: Settings, every: int) -> dict[str, Any]:
    ledger = Ledger(settings.storage())
    refs = published(ControlStore(settings.control_url), SPEC.name, date.min, date.max)
    results = {day: ledger.resolve(ref) for day, ref in refs.items()}
    chosen = list(results)[::every]
    with tempfile.TemporaryDirectory() as folder:
        differing = [
            str(day) for day in chosen if _by_the_steps(ledger.storage.root, Path(folder), settings, day) != results[day].digest
        ]
        rows = _online(Path(folder), settings, list(results.values()), ledger)
    return {"days": len(results), "compared": len(chosen), "differing": differing, "online": rows == _rows(settings)}


def _by_the_steps(root: str, folder: Path, settings: Settings, day: Partition) -> str:
    """The digest of the day's features by the daily DAG's steps, in a ledger of its own."""
    here = folder / "store"
    here.mkdir(exist_ok=True)
    if not (here / "raw").exists():
        os.symlink(Path(root) / "raw", here / "raw")
    ledger = Ledger(_Linked(here))
    verdict = _performed(ledger, settings, verdict_request(SPEC, day, ledger.storage))
    return _performed(ledger, settings, features_request(SPEC, day, ledger.storage, ledger.ref(verdict))).digest


def _performed(ledger: Ledger, settings: Settings, request: Any) -> Result:
    return perform(request, ledger.open_attempt(request.key, 0), ledger, settings)


class _Linked(LocalStorage):
    """Its raw partitions are a link to another's."""

    def _at(self, path: str) -> Path:
        return Path(self.root) / path


def _online(folder: Path, settings: Settings, results: list[Result], ledger: Ledger) -> list[tuple[Any, ...]]:
    """What is online after each day was brought there by itself, oldest first."""
    home = folder / "home"
    home.mkdir()
    control, online = f"sqlite:///{home}/control.db", f"sqlite:///{home}/online.db"
    alone = replace(settings, home=home, control_url=control, online_url=online)
    for result in results:
        materialize(SPEC, result, ledger, alone)
    return _rows(alone)


def _rows(settings: Settings) -> list[tuple[Any, ...]]:
    with sqlite3.connect(settings.online_url.removeprefix("sqlite:///")) as connection:
        query = "SELECT key, event, created, payload FROM feature_rows WHERE length(payload) != 16 ORDER BY key"
        return connection.execute(query).fetchall()


if __name__ == "__main__":
    print(json.dumps(compare(Settings.from_env(), int(sys.argv[1]))))
