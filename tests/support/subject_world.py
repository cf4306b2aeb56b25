"""A model's whole life by hand, in real files of real formats, in which one customer's values are like nobody else's.

Raw partitions, quarantine, features, a training set, a model, its evaluation, what monitoring keeps, scores and their table, rows
online, the prediction log, answers that were kept, events that were set aside, pushed rows: of each there is something of the
subject, and of others.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from include.backends.folder.registry import FolderRegistry
from include.core.control import ControlStore
from include.core.digest import digest_bytes
from include.core.documents import DocumentKind
from include.core.ledger import Ledger
from include.core.request import Outcome, Ref, Request
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.time import utc_now
from include.core.versioned import Format
from include.data.published import publish, resource
from include.features.online.pushed import append
from include.forgetting.run import Done, Place, forget
from include.forgetting.scope import Scope, given_keys, scope_of
from include.governance.registration import Inputs, propose
from include.governance.registry import register
from include.governance.registry import resource as registrations
from include.online_store.open import open_online
from include.online_store.store import OnlineStore
from include.prediction_log.record import Record
from include.prediction_log.shared import SharedLog
from include.prediction_log.writer import PredictionLog
from include.routing.entity_hash import entity_id, unit
from include.scoring import table as scores
from include.versions.record import VersionRecord
from tests.unit.operators.models.shop.spec import SPEC

MODEL = SPEC.name
WHO = "Zoë-Quaxel-77"
MAIL, PRICE, MEAN = "zq@quaxel.example", 48151.62342, 31415.92653
DAYS = tuple(date(2013, 1, number) for number in (1, 2, 3))
OTHERS = ("customer-1", "customer-2", "customer-3")
CREATED = datetime.fromisoformat("2013-01-05")
US = pa.timestamp("us")


def ids(day: date) -> tuple[str, ...]:
    """The subject's requests of a day."""
    return (f"zq-{day}-a", f"zq-{day}-b")


TOLD = (WHO, MAIL, str(PRICE), str(MEAN), *(each for day in DAYS for each in ids(day)), "zq-log-1", "zq-later-1")
"""Every value that only the subject has."""


def parquet(columns: Mapping[str, Any], **how: Any) -> bytes:
    buffer = io.BytesIO()
    table = pa.table({name: values if isinstance(values, pa.Array) else pa.array(values) for name, values in columns.items()})
    pq.write_table(table, buffer, **how)
    return buffer.getvalue()


@dataclass
class SubjectWorld:
    home: Path
    spec: ModelSpec = SPEC
    who: str = WHO
    refs: dict[str, Ref] = field(default_factory=dict)
    days: dict[str, Ref] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    """Settings beside the home: other stores than SQLite and a folder."""

    def __post_init__(self) -> None:
        own = {"HOME": str(self.home), "MODELS": "tests.unit.operators.models", "REGISTRY": "folder"}
        self.settings = Settings.from_env({**{f"SLIPSTREAM_{name}": value for name, value in own.items()}, **self.environ})
        self.home.mkdir(parents=True, exist_ok=True)
        self.storage = self.settings.storage()
        self.ledger = Ledger(self.storage)
        self.control = ControlStore(self.settings.control_url)
        self.control.create_tables()
        self.log = SharedLog(self.home, self.storage)
        self.store: OnlineStore = open_online(self.environ.get("SLIPSTREAM_ONLINE_URL", f"sqlite:///{self.home / 'online.db'}"))

    # -- the request -----------------------------------------------------------------------------------------------------------

    @property
    def place(self) -> Place:
        return Place(self.settings, self.control, self.ledger, self.log, lambda: self.store, "a person", utc_now)

    def scope(self, *entity: str) -> Scope:
        return scope_of(self.spec, [], given_keys(entity or (f"customer={self.who}",)))

    def forget(self, *entity: str, mode: str = "remove") -> Done:
        return forget(self.place, self.scope(*entity), mode=mode, reason="ticket 4711")

    # -- the life --------------------------------------------------------------------------------------------------------------

    def live(self) -> VersionRecord:
        for day in DAYS:
            self.land(day)
            self.publish(day)
        version = self.train()
        self.watch()
        self.score()
        self.serve()
        return version

    def land(self, day: date) -> None:
        """Two orders of the subject's and three of others', in two row groups; what came back of each."""
        start = datetime.combine(day, datetime.min.time())
        names = [*ids(day), *(f"{day}-{number}" for number in range(3))]
        who = [self.who, self.who, *OTHERS]
        orders = {
            "id": names, "customer": who, "ordered_at": pa.array([start + timedelta(hours=n) for n in range(5)], US),
            "price": [PRICE, 12.5, 10.0, 20.0, 30.0], "shelf": ["low", "high", "low", "high", "low"],
            "currency": ["EUR"] * 5, "mail": [MAIL, MAIL, "a@b.example", None, "c@d.example"],
        }  # fmt: skip
        came = pa.array([1, 0, 1, 0, 1], pa.int8())
        known = pa.array([start + timedelta(hours=23)] * 5, US)
        self.put("orders", day, parquet(orders, row_group_size=2, compression="gzip"))
        self.put("returns", day, parquet({"id": names, "came_back": came, "known_at": known}, compression="zstd"))

    def put(self, source: str, day: date, data: bytes) -> None:
        self.storage.write(f"raw/{MODEL}/{source}/date={day}/part.parquet", data)

    def raw(self, source: str, day: date) -> str:
        return digest_bytes(self.storage.read(f"raw/{MODEL}/{source}/date={day}/part.parquet"))

    def publish(self, day: date) -> Ref:
        start = datetime.combine(day, datetime.min.time())
        held = {
            "id": [ids(day)[0], "x"],
            "customer": [self.who, "customer-9"],
            "price": [PRICE, -1.0],
            "reason": ["price", "price"],
        }
        docs = f"<html><td>{self.who}</td><td>{PRICE}</td><td>customer-1</td></html>".encode()
        sources = {source: self.raw(source, day) for source in ("orders", "returns")}
        checks = {"orders": {"rows": 5, "quarantined": 2, "checks": [{"sample": [self.who, "customer-9"]}]}}
        verdict = self.commit("validate", {"day": str(day), "sources": sources}, {},
                              {"passed": True, "day": str(day), "sources": checks},
                              {"quarantine-orders.parquet": parquet(held), "docs.html": docs})  # fmt: skip
        view = {"customer": [self.who, *OTHERS], "event_timestamp": pa.array([start + timedelta(hours=1)] * 4, US),
                "mean_price": [MEAN, 10.0, 20.0, 30.0], "bought": [2.0, 1.0, 1.0, 1.0]}  # fmt: skip
        names = [*ids(day), *(f"{day}-{number}" for number in range(3))]
        entities = {"request_id": names, "event_timestamp": pa.array([start + timedelta(hours=2)] * 5, US),
                    "customer": [self.who, self.who, *OTHERS], "price": [PRICE, 12.5, 10.0, 20.0, 30.0],
                    "shelf": ["low", "high", "low", "high", "low"]}  # fmt: skip
        labels = {"request_id": names, "came_back": pa.array([1, 0, 1, 0, 1], pa.int8()),
                  "label_timestamp": pa.array([start + timedelta(hours=23)] * 5, US)}  # fmt: skip
        partitions = {source: {str(day): digest} for source, digest in sources.items()}
        value = {"day": str(day), "rows": {"customer": 4, "entities": 5, "labels": 5}, "versions": {}, "definitions": {}}
        made = self.commit("features", {"day": str(day), "partitions": partitions}, {"verdict": verdict}, value,
                           {"customer.parquet": parquet(view), "entities.parquet": parquet(entities, use_dictionary=True),
                            "labels.parquet": parquet(labels)})  # fmt: skip
        self.days[str(day)] = made
        publish(self.control, MODEL, day, made, value["rows"], self.control.take(resource(MODEL, day), "t"))  # type: ignore[arg-type]
        self.store.write(
            MODEL,
            self.spec.features.views[0],
            pa.table({n: pa.array(v) if isinstance(v, list) else v for n, v in view.items()}),
            CREATED,
        )
        return made

    def train(self) -> VersionRecord:
        rows = {"request_id": [], "event_timestamp": [], "customer": [], "price": [], "came_back": []}  # type: ignore[var-annotated]
        for day in DAYS:
            rows["request_id"] += [*ids(day), f"{day}-0"]
            rows["event_timestamp"] += [datetime.combine(day, datetime.min.time())] * 3
            rows["customer"] += [self.who, self.who, "customer-1"]
            rows["price"] += [PRICE, 12.5, 10.0]
            rows["came_back"] += [1, 0, 1]
        value = {"as_of": "2013-01-04T00:00:00", "rows": 12, "holdout_rows": 3, "positives": 6, "first": "a", "last": "b"}
        held = {"request_id": ["o1", "o2", "o3"], "event_timestamp": pa.array([CREATED] * 3, US), "customer": [*OTHERS],
                "price": [1.0, 2.0, 3.0], "came_back": [0, 1, 0]}  # fmt: skip
        data = self.commit("training_set", {"as_of": "2013-01-04T00:00:00", "window_days": 3}, self.days, value,
                           {"train.parquet": parquet(rows), "holdout.parquet": parquet(held)})  # fmt: skip
        inputs = [{"name": "price", "dtype": "float"}, {"name": "shelf", "dtype": "category", "categories": ["low", "high"]}]
        signature = {"inputs": inputs, "output": "score", "label": "came_back", "schema": "s"}
        model = self.commit("train", {"training": {"fit": "m:fit", "params": {}}}, {"training_set": data}, {"metrics": {}},
                            {"model.onnx": b"weights", "signature.json": json.dumps(signature).encode()})  # fmt: skip
        key = self.ledger.resolve(model).key
        for name in ("checkpoints/step-1", "rows/block-1"):
            self.storage.write(f"ledger/{key}/g0/{name}", self.who.encode())
        gate = {"passed": True, "reasons": []}
        drawn = parquet({"price": [PRICE, 10.0, 12.5]})  # of the training set: two rows of the subject's, one of another's
        report = f"<h1>report</h1><p>worst: {self.who}.</p>".encode()
        value = {"metrics": {"auc": 0.7}, "champion": None, "gate": gate, "slices": {}}
        files = {"report.html": report, "background.parquet": drawn}
        judged = self.commit("evaluate", {}, {"training_set": data, "train": model}, value, files)
        self.refs |= {"training_set": data, "train": model, "evaluate": judged}
        package = propose(
            self.ledger, self.spec, Inputs(model, data, judged), as_of="2013-01-04T00:00:00", run_type="", commit="abc"
        )
        return register(self.control, FolderRegistry(self.storage), package, self.control.take(registrations(MODEL), "t"))

    def watch(self) -> None:
        """What monitoring keeps: rows without a key, a profile with extremes and categories; a document that quotes a row."""
        quoted = {"sources": {"orders": {"failed": [{"sample": [self.who, "customer-9"], "words": f"such as {self.who}"}]}}}
        DocumentKind("verdict", Format("a document")).save(self.control, "verdict/x", MODEL, quoted)
        sample = parquet({"event_timestamp": pa.array([CREATED] * 2, US), "price": [PRICE, 10.0]})
        self.refs["reference"] = self.commit("reference", {}, {"training_set": self.refs["training_set"]}, {"columns": 2},
                                             {"sample.parquet": sample})  # fmt: skip
        seen = {"request_id": ["zq-log-1", "o1"], "event_time": pa.array([CREATED] * 2, US), "price": [PRICE, 1.0]}
        collected = self.commit("collect", {"log": "d"}, self.days, {"rows": 2}, {"predictions.parquet": parquet(seen)})
        profile = {"column": ["price", "customer"], "edges": [[1.0, 10.0, PRICE], []], "top": [[], [self.who, "customer-1"]]}
        seen_by = {"collect": collected, "reference": self.refs["reference"]}
        self.refs["monitor"] = self.commit(
            "monitor", {}, seen_by, {"drift": {"max": PRICE, "top": self.who}},
            {"profile.parquet": parquet(profile), "report.html": f"<b>{PRICE}</b> {self.who}, others".encode()},
        )  # fmt: skip

    def score(self) -> None:
        day = DAYS[0]
        rows = {"request_id": [ids(day)[0], "o1"], "customer": [self.who, "customer-1"], "score": [0.25, 0.5], "version": [1, 1]}
        ref = self.commit("score", {"day": str(day)}, {"train": self.refs["train"]}, {"day": str(day), "rows": 2, "version": 1},
                          {"scores.parquet": parquet(rows)})  # fmt: skip
        self.refs["score"] = ref
        epoch = self.control.take(scores.resource(MODEL, str(day)), "t")
        scores.publish(self.control, self.ledger, MODEL, self.ledger.resolve(ref), epoch)

    def serve(self) -> None:
        """Requests with keys and without, their labels; one to be fetched later; an event that broke; rows that were pushed."""
        log = PredictionLog(self.home, MODEL)
        at = "2026-01-01T00:00:00.000000+00:00"
        hashed, other = (log.pseudonym(unit(entity_id([who]), MODEL)) for who in (self.who, "customer-1"))
        log.write(
            [
                Record("prediction", "zq-log-1", at, None, hashed, {"customer": self.who}, {"price": PRICE}, 1, "champion", 0.5),
                Record("prediction", "zq-log-2", at, None, hashed, {}, {"price": PRICE}, 1, "champion", 0.5),
                Record("prediction", "o1", at, None, other, {"customer": "customer-1"}, {"price": 1.0}, 1, "champion", 0.5),
                Record("label", "zq-log-1", at, label=1.0),
                Record("label", "o1", at, label=0.0),
            ]
        )
        log.close()
        for name, who in (("zq-later-1", self.who), ("o2", "customer-2")):
            folder = f"asynchronous/{MODEL}/date=2026-01-01/{hashlib.sha256(name.encode()).hexdigest()[:32]}"
            self.storage.write(f"{folder}/request.json", json.dumps({"id": name, "entity": {"customer": who}}).encode())
            self.storage.write(f"{folder}/answer.json", json.dumps({"status": 200, "body": {"id": name, "score": 0.5}}).encode())
        broken = [{"customer": self.who, "price": "x"}, {"customer": "customer-1", "price": "x"}]
        lines = [
            json.dumps({"topic": "t", "partition": 0, "offset": n, "value": json.dumps(each)}) for n, each in enumerate(broken)
        ]
        lines.append(
            json.dumps(
                {"topic": "t", "partition": 0, "offset": 2, "base64": base64.b64encode(b"\xff " + self.who.encode()).decode()}
            )
        )
        self.storage.write(f"quarantine/streams/{MODEL}/t/0.jsonl", "".join(f"{line}\n" for line in lines).encode())
        rows = pa.table({"customer": [self.who, "customer-1"], "event_timestamp": pa.array([CREATED] * 2, US),
                         "mean_price": [MEAN, 1.0], "bought": [1.0, 1.0]})  # fmt: skip
        append(self.storage, MODEL, self.spec.features.views[0], rows, CREATED)

    def commit(
        self, step: str, params: dict[str, Any], inputs: Mapping[str, Ref], value: dict[str, Any], files: Mapping[str, bytes]
    ) -> Ref:
        request = Request(step, f"include.{step}.step:run", MODEL, params, dict(inputs), "c0")
        folder = self.home / "made"
        folder.mkdir(exist_ok=True)
        local = {}
        for name, data in files.items():
            local[name] = folder / name
            local[name].write_bytes(data)
        self.ledger.record(request)
        made = self.ledger.ref(self.ledger.commit(request, self.ledger.open_attempt(request.key, 0), Outcome(value, local), 0.1))
        for path in local.values():
            path.unlink()
        return made

    def table(self, ref: Ref, name: str) -> pa.Table:
        """A file of what a reference leads to by now."""
        return pq.read_table(self.storage.uri(self.ledger.resolve(ref).files[name].path))

    def files(self, *below: str) -> dict[str, str]:
        """Each file of the root and its digest."""
        return {path: digest_bytes(self.storage.read(path)) for folder in below or ("",) for path in self.storage.list(folder)}


def customers(tables: Sequence[pa.Table]) -> set[str]:
    """Who is in them."""
    return {who for table in tables for who in table["customer"].to_pylist()}
