from __future__ import annotations

import math
import re
from typing import Any

import pytest

from include.core.spec import ModelSpec, Regression
from include.rollout.power import entities_needed, power_ceiling, stage_powers


def test_power_grows_with_requests_and_effect_and_is_alpha_at_most_without_one() -> None:
    by_requests = [power_ceiling(0.01, 2.0, n, 0.2, 0.05) for n in (1000, 5000, 20_000)]
    by_effect = [power_ceiling(0.01, ratio, 5000, 0.2, 0.05) for ratio in (1.0, 1.5, 2.0, 4.0)]
    assert by_requests == sorted(by_requests)
    assert by_effect == sorted(by_effect)
    assert by_effect[0] <= 0.05
    assert by_requests[-1] > 0.99


def test_a_smaller_alpha_sees_less() -> None:
    assert power_ceiling(0.01, 2.0, 5000, 0.2, 0.001) < power_ceiling(0.01, 2.0, 5000, 0.2, 0.05)


def test_without_a_champion_no_stage_compares(spec: ModelSpec) -> None:
    assert stage_powers(spec, None) == []


def test_fewer_entities_than_requests_show_less(spec: ModelSpec) -> None:
    every, few = (stage_powers(spec, 1, (0.01,), entities=entities) for entities in (None, 100))
    assert [power.stage for power in every] == [power.stage for power in few]
    assert all(less.power <= power.power for less, power in zip(few, every, strict=True))
    assert few[0].entities == min(100, few[0].requests)
    assert few[0].known
    assert "of 100 entities" in few[0].summary


def test_the_smallest_effect_seen_has_the_power_that_is_wanted(spec: ModelSpec) -> None:
    for found in stage_powers(spec, 1, (0.05,)):
        assert found.smallest > 1
        assert math.isinf(found.smallest) or found.needed > 0
        assert 0 <= found.promoted <= 1


@pytest.mark.parametrize("entities", [None, 10_000_000, 10])
def test_too_few_entities_are_told_of_with_what_would_help(spec: ModelSpec, entities: int | None) -> None:
    told = entities_needed(spec, 1, entities)
    assert told
    assert all(("are too few" in words) is (entities == 10) for words in told)


def test_the_labels_that_a_margin_needs_are_told_of(spec: ModelSpec) -> None:
    def said(margin: float | None, **asked: Any) -> list[str]:
        rollout = spec.rollout.model_copy(update={"label_margin": margin})
        return entities_needed(spec.model_copy(update={"rollout": rollout, **asked}), 1)

    near, far = said(1.5), said(3.0)
    assert said(None) == near[: len(said(None))]
    assert [words.split(":")[0] for words in near[len(said(None)) :]] == ["canary_5", "canary_20"]
    needed = [int(re.findall(r"about ([\d,]+) entities", words[-1])[0].replace(",", "")) for words in (near, far)]
    assert needed[0] > 4 * needed[1] > 40
    large = said(1.5, problem=Regression(scale=5.0))[-1]
    assert "at most 1.5 times the champion's large errors, very large errors; one as good" in large
