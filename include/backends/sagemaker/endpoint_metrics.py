"""What CloudWatch counts of an endpoint, variant by variant: the port `include.rollout.endpoint_rails.Invocations`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from include.backends.aws.errors import reaching
from include.backends.sagemaker.endpoint_parts import endpoint_name
from include.backends.sagemaker.endpoint_plan import variant
from include.core.ports import OpenAws
from include.core.settings import Settings
from include.core.spec import ModelSpec

NAMESPACE, MINUTE = "AWS/SageMaker", 60
MICROSECONDS = 1000.0  # a millisecond: ModelLatency is in microseconds


class CloudWatchInvocations:
    """`client`: boto3's of cloudwatch."""

    def __init__(self, client: Any, endpoint: str) -> None:
        self._client, self._endpoint = client, endpoint

    def failures(self, version: int, since: datetime, until: datetime) -> Mapping[datetime, int]:
        points = self._points("Invocation5XXErrors", version, since, until, MINUTE, "Sum")
        found: Counter[datetime] = Counter()
        for each in points:
            found[each["Timestamp"].astimezone(UTC).replace(second=0, microsecond=0)] += round(each["Sum"])
        return +found

    def latency_ms(self, version: int, since: datetime, until: datetime) -> float | None:
        points = self._points("ModelLatency", version, since, until, 10 * MINUTE, "Sum", "SampleCount")
        count = sum(each["SampleCount"] for each in points)
        return sum(each["Sum"] for each in points) / count / MICROSECONDS if count else None

    def _points(self, metric: str, version: int, since: datetime, until: datetime, period: int, *what: str) -> list[Any]:
        if (until - since).total_seconds() < MINUTE:  # no minute is over; and CloudWatch refuses a span within a second
            return []
        names = {"EndpointName": self._endpoint, "VariantName": variant(version)}
        with reaching(f"the metric {metric} of the endpoint {self._endpoint}"):
            answer = self._client.get_metric_statistics(
                Namespace=NAMESPACE,
                MetricName=metric,
                Dimensions=[{"Name": name, "Value": value} for name, value in names.items()],
                StartTime=since,
                EndTime=until,
                Period=period,
                Statistics=list(what),
            )
        points: list[Any] = answer["Datapoints"]
        return points


def open_invocations(spec: ModelSpec, settings: Settings, aws: OpenAws) -> CloudWatchInvocations:
    return CloudWatchInvocations(aws().client("cloudwatch"), endpoint_name(spec, settings))
