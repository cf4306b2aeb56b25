"""What CloudWatch counts of an endpoint's variants, as the judge asks for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from include.rollout.endpoint_rails import open_invocations
from tests.support.aws.followed import Followed

pytestmark = pytest.mark.lives


def test_failures_come_by_minute_and_latency_as_a_mean(followed: Followed) -> None:
    minute = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
    watch = followed.access.client("cloudwatch")

    def put(version: int, metric: str, value: float, ago: int = 0) -> None:
        names = {"EndpointName": followed.name, "VariantName": f"v{version}"}
        dimensions = [{"Name": name, "Value": text} for name, text in names.items()]
        at = minute - timedelta(minutes=ago) + timedelta(seconds=20)
        data = {"MetricName": metric, "Dimensions": dimensions, "Timestamp": at, "Value": value}
        watch.put_metric_data(Namespace="AWS/SageMaker", MetricData=[data])

    for version, metric, value, ago in (
        (2, "Invocation5XXErrors", 2.0, 0), (2, "Invocation5XXErrors", 1.0, 0), (2, "Invocation5XXErrors", 4.0, 1),
        (2, "Invocation5XXErrors", 0.0, 2), (1, "Invocation5XXErrors", 7.0, 0), (2, "Invocation5XXErrors", 9.0, 60),
        (2, "ModelLatency", 10_000.0, 0), (2, "ModelLatency", 30_000.0, 0),
    ):  # fmt: skip
        put(version, metric, value, ago)
    counted = open_invocations(followed.spec, followed.settings, lambda: followed.access)
    since, until = minute - timedelta(minutes=10), minute + timedelta(minutes=5)
    assert counted.failures(2, since, until) == {minute: 3, minute - timedelta(minutes=1): 4}
    assert counted.failures(1, since, until) == {minute: 7}
    assert counted.latency_ms(2, since, until) == pytest.approx(20.0)
    assert counted.latency_ms(1, since, until) is None
    assert counted.failures(2, minute, minute + timedelta(milliseconds=400)) == {}, "CloudWatch refuses such a span"
