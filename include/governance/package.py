"""What a registry stores of a version: files, parameters, metrics, lineage tags and the model card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from include.core.ledger import Ledger
from include.core.request import Json, Result
from include.core.spec import ModelSpec
from include.model_contract.remote import ONNX as MODEL
from include.model_contract.remote import REMOTE
from include.versions.record import Entry

SIGNATURE = "signature.json"
REPORT = "report.html"


@dataclass(frozen=True)
class Facts:
    """The results a version was made from, read once."""

    spec: ModelSpec
    train: Result
    training_set: Result
    evaluation: Result
    signature: Mapping[str, Any]
    params: Mapping[str, Any]  # the training parameters, hyperparameters first of all
    partitions: str  # digest of the digests of the training set's inputs
    platform_commit: str = ""  # the same as the lineage's where the model is in the platform's repository; empty where unknown


@dataclass(frozen=True)
class Package:
    """One version, ready to be stored. `key` finds it again, so that storing twice makes one."""

    entry: Entry
    facts: Facts
    ledger: Ledger = field(repr=False)
    said: Mapping[str, Json] = field(default_factory=dict)  # what the audit chain keeps beside the version

    @property
    def key(self) -> str:
        return self.entry.key

    @property
    def model(self) -> str:
        return self.entry.model

    @property
    def tags(self) -> dict[str, str]:
        """Lineage by digest, so that it can be searched for in the registry too."""
        lineage = self.entry.lineage
        tags = {
            "key": self.key,
            "as_of": self.entry.as_of,
            "origin": self.entry.origin,
            "run_type": self.entry.run_type,
            "train": lineage.train.digest,
            "train.uri": lineage.train.uri,
            "training_set": lineage.training_set.digest,
            "training_set.uri": lineage.training_set.uri,
            "evaluation": lineage.evaluation.digest,
            "evaluation.uri": lineage.evaluation.uri,
            "partitions": self.facts.partitions,
            "schema": lineage.schema,
            "views": ",".join(f"{name}@{version}" for name, version in sorted((self.facts.signature.get("views") or {}).items())),
            "code": lineage.code,
            "params": lineage.params,
            "commit": lineage.commit,
            "platform_commit": self.facts.platform_commit,
            **self._source,
        }
        return {f"slipstream.{name}": value for name, value in tags.items() if value}

    @property
    def _source(self) -> dict[str, str]:
        """Of a model that was trained elsewhere: where it came from."""
        source: Mapping[str, Json] = self.facts.train.value.get("source", {})
        return {f"source.{name}": str(source[name]) for name in ("uri", "digest", "by", "format") if name in source}

    def files(self, scratch: Path) -> dict[str, Path]:
        """Local, digest-checked files by name: the model, its signature and the evaluation report."""
        held = [
            (self.facts.train, MODEL),
            (self.facts.train, REMOTE),
            (self.facts.train, SIGNATURE),
            (self.facts.evaluation, REPORT),
        ]
        found = {}
        for result, name in held:
            if name in result.files:
                folder = scratch / name.partition(".")[0]
                folder.mkdir(parents=True, exist_ok=True)
                found[name] = self.ledger.fetch(result, name, folder)
        return found


def read_signature(ledger: Ledger, train: Result) -> Mapping[str, Any]:
    """The model's contract with serving. Raises DataError if the result has none."""
    name = SIGNATURE
    if name not in train.files:
        ledger.fetch(train, name, Path())  # raises, saying which files there are
    value: Mapping[str, Any] = json.loads(ledger.storage.read(train.files[name].path))
    return value
