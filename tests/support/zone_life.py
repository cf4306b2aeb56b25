"""A model's loop over some days, its results by digest: run it in processes of different time zones, and compare."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from onnx import TensorProto, helper

from include.core.ledger import Ledger
from include.core.partition import DAILY
from include.core.request import Outcome, Ref, Request, Result
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.task import perform
from include.data.raw import RawPartitions
from include.model_contract.encoder import Encoder
from include.monitoring.collect_step import snapshot
from include.prediction_log.shared import log_of


class Life:
    """`digests`: of every file that a step wrote, under "step/day/file"."""

    def __init__(self, home: Path, spec: ModelSpec, days: list[date]) -> None:
        self.home, self.spec, self.days, self.digests = home, spec, days, dict[str, str]()
        self.settings = Settings.from_env({"SLIPSTREAM_HOME": str(home)})
        self.ledger = Ledger(self.settings.storage())
        self.raw = RawPartitions(self.ledger.storage, spec.name)
        self.features = spec.features.model_dump(mode="json")

    def run(self, *, validated: bool = True) -> dict[str, str]:
        """Validate, publish, training set, a model, a log of its answers, collect, score."""
        refs = {str(day): self._day(day, validated=validated) for day in self.days}
        window = {"window_days": len(self.days), "holdout_days": 2, "minimum_rows": 10}
        as_of = {"as_of": f"{self.days[-1] + timedelta(days=1)}T00:00:00+00:00"}
        known = {"features": self.features, "label": self.spec.label, **as_of}
        made = self._step("training_set", "include.features.training_set_step:run", {**known, **window}, refs)
        train = self._model(made)
        self._log(refs)
        of_days = {DAILY.parse(day): ref for day, ref in refs.items()}
        asked = snapshot(
            log_of(self.settings),
            self.spec,
            as_of["as_of"],
            of_days,
            window_days=len(self.days),
        )
        self._performed(asked, "week")
        params: dict[str, Any] = {"day": str(self.days[-1]), "features": self.features, "version": 1}
        self._step("score", "include.scoring.score_step:run", params, {"train": train, **refs})
        return self.digests

    def _day(self, day: date, *, validated: bool) -> Ref:
        sources = self.spec.data.sources
        if validated:
            params: dict[str, Any] = {"day": str(day), "expectations": self.spec.expectations}
            params["sources"] = {source: self.raw.digest(source, day) for source in sources}
            self._step("validate", "include.validation.validate_step:run", params, {}, str(day))
        since = max(self.days[0], day - timedelta(days=self.spec.data.lookback_days))
        partitions = {source: self.raw.digests(source, since, day) for source in sources}
        params = {"day": str(day), "partitions": partitions, "features": self.features, "expectations": self.spec.expectations}
        return self.ledger.ref(self._step("features", "include.features.features_step:run", params, {}, str(day)))

    def _model(self, training_set: Result) -> Ref:
        """A fixed model of the encoded inputs: training itself knows no time."""
        rows = self._rows(training_set, "train.parquet")
        encoder = Encoder.fit(rows, self.spec.features.inputs, self.spec.label)
        folder = self.home / "model"
        folder.mkdir()
        files = {name: folder / name for name in ("model.onnx", "signature.json")}
        files["model.onnx"].write_bytes(_model(len(self.spec.features.inputs)))
        files["signature.json"].write_text(json.dumps(encoder.to_json()))
        self.digests["signature"] = json.dumps(encoder.to_json(), sort_keys=True)
        request = Request("train", "tests:none", self.spec.name, {})
        return self.ledger.ref(self.ledger.commit(request, self.ledger.open_attempt(request.key, 0), Outcome({}, files), 0.0))

    def _log(self, refs: Mapping[str, Ref]) -> None:
        """What the gateway would have written, times as callers send them: with a zone, with another, without one."""
        folder = self.home / "predictions" / self.spec.name
        folder.mkdir(parents=True)
        lines = []
        for ref in refs.values():
            for place, row in enumerate(self._rows(self.ledger.resolve(ref), "entities.parquet").to_pylist()):
                at: datetime = row["event_timestamp"]
                times = (f"{at.isoformat()}Z", f"{(at + timedelta(hours=13)).isoformat()}+13:00", at.isoformat())
                given = {f.name: row[f.name] if row[f.name] == row[f.name] else None for f in self.spec.features.request}
                answer = {"version": 1, "arm": "champion", "score": 0.25, "at": "2026-01-01T00:00:00.000000+00:00"}
                record = {"kind": "prediction", "id": row["request_id"], "event_time": times[place % 3], "features": given}
                lines.append(json.dumps({**record, **answer}) + "\n")
        (folder / "a.jsonl").write_text("".join(lines))

    def _rows(self, result: Result, name: str) -> pq.pa.Table:
        return pq.read_table(self.ledger.storage.uri(result.files[name].path))

    def _step(self, step: str, function: str, params: Mapping[str, Any], inputs: Mapping[str, Ref], at: str = "week") -> Result:
        return self._performed(Request(step, function, self.spec.name, dict(params), dict(inputs)), at)

    def _performed(self, request: Request, at: str) -> Result:
        result = perform(request, self.ledger.open_attempt(request.key, 0), self.ledger, self.settings)
        data = {name: file.digest for name, file in result.files.items() if not name.endswith(".html")}
        self.digests |= {f"{request.step}/{at}/{name}": digest for name, digest in data.items()}
        self.digests[f"{request.step}/{at}"] = json.dumps(result.value, sort_keys=True, default=str)
        return result


def _model(inputs: int) -> bytes:
    """score = sigmoid of the sum of the inputs, each a hundredth, missing ones left out."""
    nodes = [
        helper.make_node("IsNaN", ["features"], ["missing"]),
        helper.make_node("Where", ["missing", "nothing", "features"], ["whole"]),
        helper.make_node("MatMul", ["whole", "weights"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["squashed"]),
        helper.make_node("Squeeze", ["squashed", "axis"], ["score"]),
    ]
    constants = [
        helper.make_tensor("nothing", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("weights", TensorProto.FLOAT, [inputs, 1], [0.01] * inputs),
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
    ]
    given = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", inputs])]
    graph = helper.make_graph(nodes, "sum", given, [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())
