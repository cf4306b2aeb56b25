"""Generated days of a model: raw partitions, published features, a model; and the steps that read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from include.core.ledger import Ledger
from include.core.request import Json, Outcome, Ref, Request
from include.core.settings import Settings
from include.core.spec import Feature, Features, View
from include.core.task import perform
from include.data.raw import RawPartitions
from include.data.session import open_session
from include.data.sql import literal
from include.model_contract.encoder import Encoder
from tests.support.linear_models import linear

HERE, MODEL = "benchmarks.large_data.days", "large"
EXPECTATIONS: dict[str, list[object]] = {}
MEMBERS = 200_000
FEATURES = Features(
    build=f"{HERE}:views", entities=f"{HERE}:entities", labels=f"{HERE}:labels",
    views=(
        View(name="member", keys=("member",), features=(Feature(name="orders", dtype="int"), Feature(name="spent")),
             ttl=timedelta(days=30)),
    ),
    request=(Feature(name="price"), Feature(name="shelf", dtype="category")),
)  # fmt: skip


def views(day: date) -> dict[str, str]:
    return {
        "member": f"""
            SELECT member, date_trunc('hour', ordered_at) AS event_timestamp, count(*) AS orders, sum(price) AS spent
            FROM orders WHERE ordered_at::DATE = DATE '{day}' GROUP BY ALL
        """
    }


def entities() -> str:
    return "SELECT id AS request_id, ordered_at AS event_timestamp, member, price, shelf FROM orders"


def labels() -> str:
    return "SELECT id AS request_id, late, ordered_at + INTERVAL 30 MINUTE AS label_timestamp FROM orders"


class World:
    """`days`: of which the newest is the one that is looked at."""

    def __init__(self, home: Path, some: Sequence[date]) -> None:
        self.settings = Settings.from_env({"SLIPSTREAM_HOME": str(home)})
        self.ledger, self.home, self.days = Ledger(self.settings.storage()), home, list(some)
        self.raw = RawPartitions(self.ledger.storage, MODEL)

    def make(self, step: str, rows: int) -> None:
        """What the step reads, over all its days so many rows."""
        refs: dict[str, Json] = {}
        for day in self.days:
            if step == "features":
                path = Path(self.ledger.storage.uri(self.raw.path("orders", day)))
                path.parent.mkdir(parents=True)
                _write({path: _orders(day, rows)})
            else:
                refs[str(day)] = self._published(day, rows // len(self.days)).to_json()
        if step == "score":
            refs["train"] = self._model().to_json()
        (self.home / "inputs.json").write_text(json.dumps(refs))

    def run(self, step: str) -> None:
        request = getattr(self, f"_{step}")()
        self.ledger.record(request)
        perform(request, self.ledger.open_attempt(request.key, 0), self.ledger, self.settings)

    def _features(self) -> Request:
        day = self.days[-1]
        partitions = {"orders": self.raw.digests("orders", day, day)}
        params: dict[str, Json] = {"day": str(day), "partitions": partitions, "features": FEATURES.model_dump(mode="json")}
        return Request(
            "features", "include.features.features_step:run", MODEL, {**params, "expectations": f"{HERE}:EXPECTATIONS"}
        )

    def _training_set(self) -> Request:
        window: dict[str, Json] = {"window_days": 8, "holdout_days": 1, "minimum_rows": 10, "label": "late"}
        as_of = {"as_of": f"{self.days[-1] + timedelta(days=1)}T00:00:00+00:00", "features": FEATURES.model_dump(mode="json")}
        return Request("training_set", "include.features.training_set_step:run", MODEL, {**window, **as_of}, self._inputs())

    def _score(self) -> Request:
        params: dict[str, Json] = {"day": str(self.days[-1]), "features": FEATURES.model_dump(mode="json"), "version": 1}
        return Request("score", "include.scoring.score_step:run", MODEL, params, self._inputs())

    def _inputs(self) -> dict[str, Ref]:
        return {name: Ref.from_json(ref) for name, ref in json.loads((self.home / "inputs.json").read_text()).items()}

    def _published(self, day: date, rows: int) -> Ref:
        folder = self.home / "made" / str(day)
        folder.mkdir(parents=True)
        orders = _orders(day, rows)
        moment = f"DATE '{day}'::TIMESTAMP + to_hours(i // {MEMBERS} * 4)"
        hours = f"SELECT (i % {MEMBERS})::VARCHAR AS member, {moment} AS event_timestamp"
        files = {
            folder
            / "entities.parquet": f"SELECT id AS request_id, ordered_at AS event_timestamp, member, price, shelf FROM ({orders})",
            folder / "labels.parquet": labels().replace("FROM orders", f"FROM ({orders})"),
            folder / "member.parquet": f"{hours}, i AS orders, i / 7.0 AS spent FROM range({6 * MEMBERS}) AS t(i)",
        }
        _write(files)
        return self._commit("features", str(day), {path.name: path for path in files})

    def _model(self) -> Ref:
        folder = self.home / "made" / "model"
        folder.mkdir(parents=True)
        known = {"orders": [1], "spent": [1.0], "price": [1.0], "shelf": ["s1"]}
        encoder = Encoder.fit(pa.table(known), FEATURES.inputs, "late")
        (folder / "signature.json").write_text(json.dumps(encoder.to_json()))
        (folder / "model.onnx").write_bytes(linear(np.full((4, 1), 1e-3), np.zeros(1), "Sigmoid"))
        return self._commit("train", "model", {name: folder / name for name in ("model.onnx", "signature.json")})

    def _commit(self, step: str, name: str, files: dict[str, Path]) -> Ref:
        request = Request(step, "tests:none", MODEL, {"made": name})
        return self.ledger.ref(self.ledger.commit(request, self.ledger.open_attempt(request.key, 0), Outcome({}, files), 0.0))


def _orders(day: date, rows: int) -> str:
    apart = 86_000_000_000 // rows  # microseconds
    return f"""
        SELECT printf('{day}-%09d', i) AS id, DATE '{day}'::TIMESTAMP + to_microseconds(i * {apart}) AS ordered_at,
            (hash(i) % {MEMBERS})::VARCHAR AS member, (hash(i + 1) % 10000) / 100.0 AS price, 's' || (hash(i + 2) % 50) AS shelf,
            (hash(i + 3) % 5 = 0)::TINYINT AS late
        FROM range({rows}) AS t(i)
    """


def _write(files: dict[Path, str]) -> None:
    with open_session(2, "2GB", spill=next(iter(files)).parent / "spill") as connection:
        for path, query in files.items():
            connection.execute(f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet)")
