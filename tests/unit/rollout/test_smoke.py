from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest

from include.core.errors import DataError, GateClosed
from include.core.request import Json
from include.core.spec import ModelSpec
from include.rollout.smoke import smoke_test


class Gateway:
    """Answers as told."""

    def __init__(
        self, score: float = 0.5, spent: float = 100.0, name: str = "size", jitter: float = 0.0, refuses: bool = False
    ) -> None:
        self.score, self.spent, self.name, self.jitter, self.refuses = score, spent, name, jitter, refuses

    def columns(self, model: str, version: int) -> list[dict[str, str]]:
        return [{"name": self.name, "dtype": "float", "datatype": "FP64"}]

    def infer(self, model: str, version: int, rows: Sequence[Mapping[str, Json]]) -> tuple[list[float], float]:
        if self.refuses:
            raise DataError("The gateway refused: version 2 failed.")
        self.score += self.jitter
        return [self.score] * len(rows), self.spent


def test_a_sound_version_passes(spec: ModelSpec) -> None:
    assert smoke_test(Gateway(), spec, 2)["scores"] == [0.5] * 4


@pytest.mark.parametrize(
    ("gateway", "why"),
    [
        (Gateway(score=math.nan), "not a probability"),
        (Gateway(score=1.2), "not a probability"),
        (Gateway(spent=400_000.0), "more than the limit of 5.0 ms"),
        (Gateway(name="length"), "its inputs are not the spec's"),
        (Gateway(jitter=0.001), "different scores"),
        (Gateway(refuses=True), "version 2 failed"),
    ],
)
def test_each_failed_check_closes_the_gate_by_name(spec: ModelSpec, gateway: Gateway, why: str) -> None:
    with pytest.raises(GateClosed, match=f"(?s){why}"):
        smoke_test(gateway, spec, 2)
