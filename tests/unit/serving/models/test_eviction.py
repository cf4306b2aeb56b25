"""Who stays in memory: the last asked for, as many as fit, none that idled beyond its own limit."""

from __future__ import annotations

import pytest

from include.core.errors import SpecError
from include.serving.models.eviction import CacheLimits, EvictionPolicy


def asked(eviction: EvictionPolicy, *order: str) -> None:
    """Each a second after the one before."""
    for at, model in enumerate(order):
        eviction.touched.add(model)
        eviction.settle(float(at))


def test_the_longest_unused_go_when_there_are_too_many() -> None:
    eviction = EvictionPolicy(CacheLimits(models=2))
    asked(eviction, "a", "b", "c", "a")
    assert eviction.to_evict({"a": 1, "b": 1, "c": 1}, {}, 4.0) == ["b"]


def test_the_longest_unused_go_until_the_bytes_fit_and_the_last_asked_stays() -> None:
    eviction = EvictionPolicy(CacheLimits(bytes=10))
    asked(eviction, "a", "b", "c")
    assert eviction.to_evict({"a": 4, "b": 6, "c": 4}, {}, 3.0) == ["a"]
    assert eviction.to_evict({"a": 4, "b": 4, "c": 99}, {}, 3.0) == ["a", "b"]


def test_an_idle_model_goes_though_there_is_room_and_others_stay() -> None:
    eviction = EvictionPolicy(CacheLimits())
    asked(eviction, "a", "b")
    assert eviction.to_evict({"a": 1, "b": 1}, {"a": 10.0}, 10.0) == []
    assert eviction.to_evict({"a": 1, "b": 1}, {"a": 10.0}, 10.1) == ["a"]


def test_the_room_comes_from_the_environment_and_nonsense_is_refused() -> None:
    limits = CacheLimits.from_env({"SLIPSTREAM_GATEWAY_MODELS": "7", "SLIPSTREAM_GATEWAY_MEGABYTES": "3"})
    assert limits == CacheLimits(7, 3 << 20)
    with pytest.raises(SpecError, match="SLIPSTREAM_GATEWAY_MODELS"):
        CacheLimits.from_env({"SLIPSTREAM_GATEWAY_MODELS": "many"})
