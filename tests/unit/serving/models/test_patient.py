"""A remote version for who may wait: after some calls without an answer it fails at once, for a while."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from include.core.errors import DataError, UnreachableError
from include.serving import circuit_breaker
from include.serving.models.patient import FAILURES, Patient

ROWS = np.zeros((2, 1), np.float32)


class Far:
    remote = SimpleNamespace(address="oip://far/m")

    def __init__(self) -> None:
        self.calls, self.error = 0, None  # type: ignore[var-annotated]

    def score(self, rows: Any) -> Any:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return rows[:, 0]


def test_it_is_left_alone_after_some_failures_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [50.0]
    monkeypatch.setattr(circuit_breaker, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    far = Far()
    patient = Patient(far)  # type: ignore[arg-type]
    far.error = UnreachableError("away")
    for _ in range(FAILURES + 4):
        with pytest.raises(UnreachableError):
            patient.score(ROWS)
    assert far.calls == FAILURES
    far.error, clock[0] = None, 60.0
    assert patient.score(ROWS).tolist() == [0.0, 0.0]


def test_rows_that_are_refused_open_nothing() -> None:
    far = Far()
    patient = Patient(far)  # type: ignore[arg-type]
    far.error = DataError("refused")
    for _ in range(FAILURES + 4):
        with pytest.raises(DataError):
            patient.score(ROWS)
    assert far.calls == FAILURES + 4
