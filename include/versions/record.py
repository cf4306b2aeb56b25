"""A registered version: what it was made from, what it scored, and where it stands in its life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

from include.core.digest import digest_json
from include.core.request import Ref
from include.versions.lifecycle import Stage as Stage

MEASURED_BEFORE = 0.5  # where decisions were measured by evaluations that did not keep their threshold
Origin = Literal["trained", "derived"]  # derived: made from another version's model without training


@dataclass(frozen=True)
class Gate:
    """The evaluation's verdict."""

    passed: bool
    reasons: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(bool(value["passed"]), tuple(value.get("reasons", ())))


@dataclass(frozen=True)
class Lineage:
    """What a version was made from. Digests are SHA-256 hex."""

    train: Ref
    training_set: Ref
    evaluation: Ref
    schema: str  # of the model's inputs: names, types and order
    code: str  # of training and feature definitions
    params: str  # of the training parameters
    commit: str = ""  # git, where known

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        train, data, evaluation = (Ref.from_json(value[name]) for name in ("train", "training_set", "evaluation"))
        return cls(train, data, evaluation, value["schema"], value["code"], value["params"], value.get("commit", ""))


@dataclass(frozen=True)
class Entry:
    """All of a version that is known before the registry numbers it."""

    model: str
    as_of: str  # UTC, ISO 8601: nothing later was known to it
    lineage: Lineage
    gate: Gate
    metrics: Mapping[str, float] = field(default_factory=dict)
    origin: Origin = "trained"
    run_type: str = ""  # of the Airflow run: "backfill" is never rolled out
    threshold: float = MEASURED_BEFORE  # the score from which on a decision was yes when `metrics` were taken

    @property
    def key(self) -> str:
        """The registration key: the same trained result of the same training set is the same version.

        Its evaluation is not part of it: evaluated again after the champion changed, it is no second version.
        """
        made = {"train": self.lineage.train.digest, "training_set": self.lineage.training_set.digest}
        return f"register/{self.model}/{digest_json({'model': self.model, **made})[:32]}"

    @property
    def first_stage(self) -> Stage:
        return Stage.CANDIDATE if self.gate.passed and self.run_type != "backfill" else Stage.STAGING


@dataclass(frozen=True)
class VersionRecord:
    """A row of `slipstream_versions`. Its JSON is flat: `record["train"]` is the Ref the gateway loads."""

    entry: Entry
    version: int  # the registry's number
    semver: str
    stage: Stage
    run_id: str  # of the registry's run
    created_at: str

    def at(self, stage: Stage) -> Self:
        return replace(self, stage=stage)

    def to_json(self) -> dict[str, Any]:
        entry = asdict(self.entry)
        lineage = entry.pop("lineage")
        gate = {"passed": self.entry.gate.passed, "reasons": list(self.entry.gate.reasons)}
        own = {"version": self.version, "semver": self.semver, "stage": str(self.stage), "key": self.entry.key}
        return {**entry, **lineage, **own, "gate": gate, "run_id": self.run_id, "created_at": self.created_at}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        entry = Entry(
            value["model"], value["as_of"], Lineage.from_json(value), Gate.from_json(value["gate"]),
            value["metrics"], value["origin"], value["run_type"], value.get("threshold", MEASURED_BEFORE),
        )  # fmt: skip
        return cls(entry, value["version"], value["semver"], Stage(value["stage"]), value["run_id"], value["created_at"])
