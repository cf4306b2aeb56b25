"""A model's day in a store of its own, and the steps run on it as the kernel runs them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.digest import digest_bytes
from include.core.ledger import Ledger
from include.core.request import Outcome, Ref, Request, Result
from include.core.settings import Settings
from include.core.spec import AnyKind
from include.core.storage import LocalStorage
from include.core.task import perform

DAY = "2013-01-01"
RULES = "tests.unit.validation.rules:EXPECTATIONS"


def flights(rows: int = 20, **changed: list[Any]) -> pa.Table:
    """A good day of flights; `changed` replaces whole columns."""
    good: dict[str, list[Any]] = {
        "id": [f"F{n}" for n in range(rows)],
        "carrier": ["AA", "B6"] * (rows // 2),
        "distance": [100.0 + n for n in range(rows)],
        "sched_dep": [datetime.fromisoformat(f"2013-01-01T{n % 24:02}:00") for n in range(rows)],
    }
    return pa.table({**good, **changed})


def to_bytes(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


@dataclass(frozen=True)
class Store:
    storage: LocalStorage
    settings: Settings

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.storage)

    def land(self, source: str, data: pa.Table | bytes, day: str = DAY) -> str:
        """Write a raw partition; returns its digest."""
        body = data if isinstance(data, bytes) else to_bytes(data)
        self.storage.write(f"raw/toy/{source}/date={day}/part.parquet", body)
        return digest_bytes(body)

    def perform(self, request: Request) -> Result:
        attempt = self.ledger.open_attempt(request.key, self.ledger.generation(request.key))
        return perform(request, attempt, self.ledger, self.settings)

    def validate(self, sources: Mapping[str, str], rules: str = RULES) -> Result:
        params = {"day": DAY, "sources": dict(sources), "expectations": rules}
        return self.perform(Request("validate", "include.validation.validate_step:run", "toy", params))

    def validate_training_set(
        self, train: pa.Table, holdout: pa.Table, rules: str = RULES, problem: AnyKind | None = None
    ) -> Result:
        files = {"train.parquet": self.settings.home / "t.parquet", "holdout.parquet": self.settings.home / "h.parquet"}
        for table, path in zip((train, holdout), files.values(), strict=True):
            pq.write_table(table, path)
        params: dict[str, Any] = {"expectations": rules, "label": "late", "features": FEATURES}
        if problem is not None:
            params["problem"] = problem.model_dump(mode="json")
        made = self.commit(
            Request("training_set", "-", "toy", {"digests": [digest_bytes(to_bytes(t)) for t in (train, holdout)]}), files
        )
        request = Request(
            "validate_training_set", "include.validation.validate_training_set_step:run", "toy", params, {"training_set": made}
        )
        return self.perform(request)

    def commit(self, request: Request, files: Mapping[str, Path]) -> Ref:
        """Put an upstream step's result into the ledger."""
        attempt = self.ledger.open_attempt(request.key, 0)
        return self.ledger.ref(self.ledger.commit(request, attempt, Outcome({}, files), 0.0))

    def file(self, result: Result, name: str) -> Path:
        return Path(self.storage.root) / result.files[name].path


FEATURES = {
    "views": [{"name": "weather", "keys": ["origin"], "features": [{"name": "temp"}]}],
    "request": [{"name": "hour"}],
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    root = tmp_path / "store"
    home = tmp_path / "home"
    home.mkdir()
    return Store(LocalStorage(root), Settings(home=home, root=str(root)))
