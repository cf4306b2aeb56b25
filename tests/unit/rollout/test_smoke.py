from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest

from include.core.errors import DataError, GateClosed
from include.core.request import Json
from include.core.spec import AnyKind, Feature, Features, ModelSpec, MultiClass, Ranking, Regression
from include.rollout.smoke import probes, smoke_test


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


class Busy(Gateway):
    """`slow` times as slow for whoever asks, for the first `calls`; version 2 takes `spent`, the champion, 1, `champion`."""

    def __init__(self, spent: float, slow: float, calls: int = 10**9, champion: float = 400.0) -> None:
        super().__init__(spent=spent)
        self.slow, self.calls, self.champion = slow, calls, champion

    def infer(self, model: str, version: int, rows: Sequence[Mapping[str, Json]]) -> tuple[list[float], float]:
        self.calls -= 1
        mine = self.champion if version == 1 else self.spent
        return [self.score] * len(rows), mine * (self.slow if self.calls >= 0 else 1.0)


def test_a_busy_server_holds_nothing_against_a_version(spec: ModelSpec) -> None:
    assert smoke_test(Busy(400, 1), spec, 2, 1)["champion_ms"] is None
    passing = smoke_test(Busy(400, 100, calls=30), spec, 2, 1)  # the spike passes
    assert (passing["latency_ms"], passing["slowdown"]) == (0.1, 1.0)
    assert smoke_test(Busy(400, 100, calls=30), spec, 2)["latency_ms"] == 0.1  # a first rollout has no champion
    slow = smoke_test(Busy(400, 100), spec, 2, 1)  # and one that does not pass slows the champion as much
    assert (slow["latency_ms"], slow["champion_ms"], slow["slowdown"]) == (10.0, 10.0, 2.0)


@pytest.mark.parametrize(("slow", "champion"), [(1, 1), (100, 1), (1, None)])
def test_a_slow_version_is_refused_however_busy_the_server_is(spec: ModelSpec, slow: float, champion: int | None) -> None:
    with pytest.raises(GateClosed, match=r"more than the limit of 5\.0 ms"):
        smoke_test(Busy(40_000, slow), spec, 2, champion)


@pytest.mark.parametrize(
    ("gateway", "why"),
    [
        (Gateway(score=math.nan), "probe 0 got 1 outputs that are not finite: nan"),
        (Gateway(score=1.2), "probe 3 got scores from 1.2 to 1.2 where a probability is needed"),
        (Gateway(spent=400_000.0), "more than the limit of 5.0 ms"),
        (Gateway(name="length"), "its inputs are not the spec's"),
        (Gateway(jitter=0.001), "different outputs"),
        (Gateway(refuses=True), "version 2 failed"),
    ],
)
def test_each_failed_check_closes_the_gate_by_name(spec: ModelSpec, gateway: Gateway, why: str) -> None:
    with pytest.raises(GateClosed, match=f"(?s){why}"):
        smoke_test(gateway, spec, 2)


class Says(Gateway):
    """The same outputs of each row."""

    def __init__(self, outputs: object) -> None:
        super().__init__()
        self.outputs = outputs

    def infer(self, model: str, version: int, rows: Sequence[Mapping[str, Json]]) -> tuple[list[float], float]:
        return [self.outputs] * len(rows), 100.0  # type: ignore[list-item]


CLASSES = MultiClass(classes=("a", "b"))
INTERVAL = Regression(scale=1.0, interval=0.9)


@pytest.mark.parametrize(
    ("problem", "outputs"),
    [
        (Regression(scale=1.0), -31.5),
        (INTERVAL, [3.0, 1.0, 9.0]),
        (CLASSES, [0.25, 0.75]),
        (Ranking(query="q", item="size"), 7.0),
    ],
)
def test_outputs_are_what_the_problem_says(spec: ModelSpec, problem: AnyKind, outputs: object) -> None:
    asked = spec.model_copy(update={"problem": problem})
    assert smoke_test(Says(outputs), asked, 2)["scores"] == [outputs] * 4


@pytest.mark.parametrize(
    ("problem", "outputs", "why"),
    [
        (Regression(scale=1.0), None, "probe 0 got 1 outputs that are not finite"),
        (Regression(scale=1.0), [1.0, 2.0], r"outputs of shape \[4, 2\] where \[4\] is needed \(value\)"),
        (INTERVAL, 1.0, r"outputs of shape \[4\] where \[4, 3\] is needed"),
        (INTERVAL, [3.0, 5.0, 9.0], "probe 0 got 1 values that lie outside their own interval"),
        (CLASSES, [0.5, 0.6], "probe 3 got probabilities that add up to 1 only within 0.1"),
        (CLASSES, ["a", "b"], "its outputs are no numbers of one shape"),
        (Ranking(query="q", item="size"), math.inf, "not finite"),
    ],
)
def test_outputs_that_are_none_of_the_problem_close_the_gate(
    spec: ModelSpec, problem: AnyKind, outputs: object, why: str
) -> None:
    with pytest.raises(GateClosed, match=f"(?s){why}"):
        smoke_test(Says(outputs), spec.model_copy(update={"problem": problem}), 2)


def test_the_probes_hold_a_value_of_every_type_and_nothing_known() -> None:
    inputs = tuple(Feature(name=f"x{n}", dtype=dtype) for n, dtype in enumerate(("float", "bool", "text", "vector[2]")))
    asked = probes(ModelSpec(name="m", owner="o", description="d", label="y", features=Features(request=inputs)))
    assert asked[0] == dict.fromkeys(("x0", "x1", "x2", "x3"))
    assert [(row["x1"], row["x3"]) for row in asked[1:]] == [(False, [0.0, 0.0]), (True, [1e6, 1e6]), (False, [-1e6, -1e6])]
    assert not any(letter.isalpha() for letter in asked[3]["x2"])
