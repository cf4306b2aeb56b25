"""A small, real ledger: raw partitions, verdicts, features, a training set, a trained ONNX model, its evaluation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from onnx import TensorProto, helper

from include.core.digest import digest_bytes, digest_json
from include.core.ledger import Ledger
from include.core.request import Outcome, Ref, Request
from include.core.spec import Data, Feature, Features, ModelSpec, Training, View
from include.core.storage import LocalStorage
from include.governance.package import Package
from include.governance.registration import Inputs, propose
from include.versions.record import Entry, Gate, Lineage, Stage, VersionRecord

MODEL = "toy"
FEATURES = ("wind", "rain", "hour")

SPEC = ModelSpec(
    name=MODEL,
    owner="tests",
    description="Will it be late?",
    label="late",
    data=Data(sources=("flights",), first=date(2013, 1, 1)),
    features=Features(
        build="include.models.flight_delay.features:views",
        entities="include.models.flight_delay.features:entities",
        labels="include.models.flight_delay.features:labels",
        views=(View(name="weather", keys=("origin",), features=tuple(Feature(name=name) for name in FEATURES[:2])),),
        request=(Feature(name="hour", dtype="int"),),
    ),
    expectations="include.models.flight_delay.expectations:EXPECTATIONS",
    training=Training(fit="include.models.flight_delay.train:fit"),
)


@dataclass(frozen=True)
class Loop:
    """Makes the results of one model's life, one step at a time, in a real ledger."""

    ledger: Ledger
    scratch: Path

    @classmethod
    def under(cls, folder: Path) -> Loop:
        scratch = folder / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        return cls(Ledger(LocalStorage(folder / "store")), scratch)

    def commit(self, step: str, params: dict[str, Any], inputs: dict[str, Ref], value: dict[str, Any], files: dict[str, bytes],
               code: str = "c0") -> Ref:  # fmt: skip
        request = Request(step, f"include.{step}.step:run", MODEL, params, inputs, code)
        local = {}
        for name, data in files.items():
            local[name] = self.scratch / name
            local[name].write_bytes(data)
        attempt = self.ledger.open_attempt(request.key, 0)
        return self.ledger.ref(self.ledger.commit(request, attempt, Outcome(value, local), 0.1))

    def day(self, day: date) -> Ref:
        """Raw partition, verdict and features of one day."""
        path, data = f"raw/{MODEL}/flights/date={day}/part.parquet", f"raw {day}".encode()
        self.ledger.storage.write(path, data)
        digest = digest_bytes(data)
        sources = {"day": str(day), "sources": {"flights": digest}}
        verdict = self.commit("validate", sources, {}, {"passed": True, "day": str(day)}, {"docs.html": b"<p>docs</p>"})
        params = {"day": str(day), "partitions": {"flights": {str(day): digest}}, "features": {"names": FEATURES}}
        return self.commit("features", params, {"verdict": verdict}, {"day": str(day), "rows": {"labels": 3}},
                           {"labels.parquet": f"labels {day}".encode()})  # fmt: skip

    def training_set(self, days: int = 3, first: date = date(2013, 1, 1)) -> Ref:
        window = [first + timedelta(days=n) for n in range(days)]
        value = {"rows": 10 * days, "positives": days, "holdout_rows": 5, "first": str(window[0]), "last": str(window[-1])}
        params = {"as_of": f"{window[-1]}T00:00:00", "window_days": days}
        return self.commit("training_set", params, {str(day): self.day(day) for day in window}, value,
                           {"train.parquet": b"train", "holdout.parquet": b"holdout"})  # fmt: skip

    def train(
        self,
        training_set: Ref,
        *,
        hidden: int = 8,
        inputs: tuple[str, ...] = FEATURES,
        code: str = "c0",
        contract: dict[str, Any] | None = None,
    ) -> Ref:
        names = [{"name": name, "dtype": "int" if name == "hour" else "float", "default": 0.0} for name in inputs]
        schema = digest_json([[each["name"], each["dtype"]] for each in names])
        signature = {"inputs": names, "output": "score", "label": "late", "schema": schema, **(contract or {})}
        params = {
            "features": inputs,
            "training": {"fit": "m:fit", "params": {"hidden": hidden}, "seed": 7, "schedule": "0 6 1 * *"},
        }
        trained_on = f"{training_set.digest} {hidden}"  # other data or parameters give other weights
        files = {"model.onnx": onnx_mean(len(inputs), trained_on), "signature.json": json.dumps(signature).encode()}
        return self.commit("train", params, {"training_set": training_set}, {"metrics": {"loss": 0.4}}, files, code)

    def evaluate(self, training_set: Ref, train: Ref, *, auc: float = 0.71, passed: bool = True) -> Ref:
        value = {
            "metrics": {"auc": auc, "log_loss": 0.5}, "champion": None, "baselines": {"carrier": {"auc": 0.6}},
            "slices": {"origin": {"JFK": {"auc": 0.7, "rows": 5}}}, "latency_ms": 0.02, "bytes": 900,
            "gate": {"passed": passed, "reasons": [] if passed else ["auc 0.71 is below the champion's"]},
        }  # fmt: skip
        return self.commit(
            "evaluate", {}, {"training_set": training_set, "train": train}, value, {"report.html": b"<h1>report</h1>"}
        )

    def package(self, *, days: int = 3, run_type: str = "", passed: bool = True, auc: float = 0.71, **train: Any) -> Package:
        data = self.training_set(days)
        model = self.train(data, **train)
        inputs = Inputs(model, data, self.evaluate(data, model, passed=passed, auc=auc))
        return propose(self.ledger, SPEC, inputs, as_of="2013-04-01T00:00:00", run_type=run_type, commit="abc123")


def onnx_mean(inputs: int, note: str = "") -> bytes:
    """score = sigmoid(mean of the features): float32 [n, inputs] to float32 [n]."""
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", inputs])
    score = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("ReduceMean", ["features", "axes"], ["mean"], keepdims=0),
        helper.make_node("Sigmoid", ["mean"], ["score"]),
    ]
    graph = helper.make_graph(nodes, "mean", [features], [score], [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10, doc_string=note)
    return bytes(model.SerializeToString())


def record(
    version: int, semver: str, stage: Stage = Stage.CANDIDATE, *, schema: str = "s", code: str = "c", params: str = "p"
) -> VersionRecord:
    """A record without a ledger behind it, for pure functions."""
    ref = Ref("ledger/train/x/g0/result.json", f"d{version}", "train")
    lineage = Lineage(ref, ref, Ref("/e", f"e{version}", "evaluate"), schema, code, params)
    entry = Entry(MODEL, "2013-04-01T00:00:00", lineage, Gate(True), {"auc": 0.7})
    return VersionRecord(entry, version, semver, stage, f"run{version}", "2013-04-01T00:00:00.000+00:00")
