"""Who answers rows: the version of their arm, else those behind it, else the default. Every failure is written down.

A version that fails again and again is left alone for a while (include/serving/circuit_breaker.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from include.core.spec import ModelSpec
from include.core.time import utc_now
from include.serving.circuit_breaker import Breaker
from include.serving.models.answers import Answers, Output
from include.serving.models.deployment import Deployment
from include.serving.models.loaded_model import LoadedModel, ModelError
from include.serving.prediction.lists import by_list
from include.serving.prediction.precomputed import PRECOMPUTED, features_away, usable
from include.serving.prediction.rows import Row
from include.serving.telemetry.counters import Metrics

FAILURES, OVER, PAUSE, LONGEST_PAUSE = 20, 1.0, 1.0, 30.0  # rows in a row and seconds that open a version's circuit


class Chain:
    """Of one model. Used by the event loop only."""

    def __init__(self, spec: ModelSpec, answers: Answers | None, metrics: Metrics) -> None:
        self._name, self._default = spec.name, spec.serving.default_score
        self._answers, self._metrics = answers, metrics
        self._redact = frozenset(spec.serving.redact)
        self._precomputed = spec.scoring.defaults
        self._circuits: dict[int, Breaker] = {}  # of the versions whose last row failed

    def score(self, group: list[Row]) -> None:
        """All rows of an arm in one run; where that fails, one by one, or list by list: no row fails for another."""
        group = self.without_features(group)
        if not group:
            return
        deployment = group[0].deployment
        _role, version = next(deployment.candidates(group[0].record.arm), ("", -1))
        outputs: Sequence[Output] = ()
        if version not in self._circuits:  # its last row did not fail
            with suppress(ModelError):
                outputs = loaded(deployment, version).score_all([row.features for row in group])
        if not outputs:
            for rows in by_list(group):
                self._score_apart(rows)
            return
        self.fill(group, outputs, version)

    def fill(self, rows: list[Row], outputs: Sequence[Output], version: int | None) -> None:
        if self._answers is None:
            for row, score in zip(rows, outputs, strict=True):
                row.record.score, row.record.version = score, version  # type: ignore[assignment]  # a number: it is binary
            return
        for row in rows:
            row.record.version = version
        self._answers.fill([row.record for row in rows], [row.features for row in rows], outputs)

    def _score_apart(self, rows: list[Row]) -> None:
        """Fill in who answered one row or one list, and what; the first error is the arm's own."""
        for role, version in rows[0].deployment.candidates(rows[0].record.arm):
            if self.attempt(rows, role, version):
                return
        self.give_up(rows)

    def attempt(self, rows: list[Row], role: str, version: int) -> bool:
        """Whether the version answered the rows, which stand or fall together."""
        try:
            outputs = self._guarded(loaded(rows[0].deployment, version), [row.by(version) for row in rows])
        except ModelError as error:
            self.blame(rows, role, error)
            return False
        self.accept(rows, outputs, version)
        return True

    def blame(self, rows: list[Row], role: str, error: ModelError) -> None:
        """The version in that role gave nothing."""
        for record in [row.record for row in rows]:
            record.error = record.error or error.what
            record.degraded = [*record.degraded, role]

    def accept(self, rows: list[Row], outputs: Sequence[Output], version: int) -> None:
        """What a version said is the answer; what it was scored on is what is logged."""
        for row in rows:
            if row.others is not None:
                row.features = row.by(version)
                row.record.features = self.redacted(row.features)
        self.fill(rows, outputs, version)

    def without_features(self, rows: list[Row]) -> list[Row]:
        """Those that a version is to answer: what has no features is answered by what a batch gave to the entity, if it did."""
        if not self._precomputed:
            return rows
        parts: tuple[list[Row], list[Row]] = [], []
        for row in rows:
            parts[features_away(row.record.degraded)].append(row)
        return [*parts[0], *self._stand_in(parts[1])]

    def _stand_in(self, rows: list[Row]) -> list[Row]:
        """Answer rows by what a batch gave to their entities; those of which it gave nothing that may be said now."""
        left, moment = [], utc_now()
        for row in rows:
            held, record = usable(row), row.record
            if held is None:
                left.append(row)
                continue
            record.degraded = [*record.degraded, PRECOMPUTED]
            record.precomputed_version, record.precomputed_age = held.version, held.age(moment)
            self.fill([row], [held.output], None)
        return left

    def give_up(self, rows: list[Row]) -> None:
        """Nobody gave anything: what a batch gave to the entity is the answer, else the default."""
        if self._precomputed:
            rows = self._stand_in(rows)
        for record in [row.record for row in rows]:
            record.degraded = [*record.degraded, "default_score"]
        self.fill(rows, [self._default if self._answers is None else self._answers.default] * len(rows), None)

    def redacted(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What of a row may be logged."""
        return {name: value for name, value in values.items() if name not in self._redact}

    def _guarded(self, model: LoadedModel, features: list[dict[str, Any]]) -> Sequence[Output]:
        """The outputs, if the version's circuit lets it be asked. Raises ModelError."""
        circuit = self._circuits.get(model.version)
        if circuit is not None and not circuit.allows():
            raise ModelError(f"version {model.version} is left alone: it failed again and again")
        try:
            outputs = [model.score_row(features[0])] if len(features) == 1 else model.score_all(features)
        except ModelError:
            if circuit is None:
                name = f"{self._name}/{model.version}"
                circuit = Breaker(FAILURES, PAUSE, LONGEST_PAUSE, OVER, lambda: self._metrics.circuits.add(name))
                self._circuits[model.version] = circuit
            circuit.failed()
            raise
        if circuit is not None:
            circuit.succeeded()
            del self._circuits[model.version]
        return outputs


def loaded(deployment: Deployment, version: int) -> LoadedModel:
    """Raises ModelError for a version that is not there."""
    try:
        return deployment.models[version]
    except KeyError:
        raise ModelError(f"version {version} was refused when it was loaded") from None
