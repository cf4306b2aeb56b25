"""Our verdict on a trace is the SDK's own."""

from __future__ import annotations

import random

import pytest
from opentelemetry.sdk.trace import sampling as sdk

from include.backends.opentelemetry.sampling import KNOWN, Sampling
from include.core.errors import SpecError


@pytest.mark.parametrize("name", KNOWN)
def test_the_sdk_says_the_same_of_every_trace(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.3")
    ours, theirs = Sampling.of(), sdk._get_from_env_or_default()
    draws = random.Random(7)
    for _ in range(200):
        trace = draws.getrandbits(128)
        verdict = theirs.should_sample(None, trace, "request").decision.is_sampled()
        assert ours.records(trace) is verdict
    assert ours.parent is name.startswith("parentbased_")


def test_by_default_everything_is_recorded_that_its_caller_records() -> None:
    assert Sampling.of({}) == Sampling(parent=True, bound=1 << 64)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"OTEL_TRACES_SAMPLER": "sometimes"}, "parentbased_traceidratio"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1 %"}, "0 to 1"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1.5"}, "0 to 1"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "nan"}, "0 to 1"),
    ],
)
def test_what_the_sdk_would_take_for_everything_is_refused(environ: dict[str, str], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        Sampling.of(environ)
