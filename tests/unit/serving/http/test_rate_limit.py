from __future__ import annotations

import pytest

from include.core.spec import ModelSpec, Serving
from include.serving.http import rate_limit
from include.serving.http.rate_limit import Bucket, Rates
from include.serving.http.request_error import RequestError
from tests.support.toy_ledger import SPEC


class Clock:
    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rate_limit, "time", clock)
    return clock


def limited(name: str, per_second: float | None) -> ModelSpec:
    return SPEC.model_copy(update={"name": name, "serving": Serving(requests_per_second=per_second)})


def taken(bucket: Bucket, tries: int = 20) -> int:
    return sum(bucket.take() for _ in range(tries))


def test_a_second_is_held_and_no_more_however_long_nobody_asks(clock: Clock) -> None:
    bucket = Bucket(4)
    assert taken(bucket) == 4
    clock.seconds = 0.5
    assert taken(bucket) == 2
    clock.seconds = 1000
    assert taken(bucket) == 4


def test_less_than_one_a_second_is_one_now_and_then(clock: Clock) -> None:
    bucket = Bucket(0.25)
    assert taken(bucket) == 1
    clock.seconds = 3.9
    assert taken(bucket) == 0
    clock.seconds = 4
    assert taken(bucket) == 1


def test_a_model_beyond_its_limit_is_refused_and_others_are_not(clock: Clock) -> None:
    rates = Rates()
    for _ in range(2):
        rates.check(limited("a", 2))
    with pytest.raises(RequestError, match="a is asked for more often than its limit") as caught:
        rates.check(limited("a", 2))
    assert caught.value.status == 429
    rates.check(limited("b", 2))
    for _ in range(100):
        rates.check(limited("c", None))
