"""What goes through an endpoint of the fake: who answers, what is captured, counted and logged of it."""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.support.aws.part import Asked, Body, Clock, Faults, Part

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"


@dataclass
class Answered:
    """What a container says to an invocation."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


Container = Callable[[dict[str, str], dict[str, str], bytes], Answered]
"""Called with the environment of the variant's model, the request's headers and its body."""


def version_of(environment: dict[str, str]) -> int:
    return int(environment["SLIPSTREAM_ENDPOINT_VERSION"].rpartition("/")[2].partition("-")[0][1:])


def plain(environment: dict[str, str], headers: dict[str, str], body: bytes) -> Answered:
    """Says which version it is, to one question or to many."""
    del headers
    version, asked = version_of(environment), json.loads(body or b"{}")

    def said(question: Body) -> Body:
        return {"id": question.get("id", ""), "score": 0.5, "version": version, "arm": "champion", "degraded": []}

    answer = {"responses": [said(each) for each in asked["requests"]]} if "requests" in asked else said(asked)
    return Answered(200, json.dumps(answer).encode())


class EndpointTraffic(Part):
    """The part of the fake that has nothing to do with changes. `containers`: who answers."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        super().__init__(clock, faults)
        self.containers: Container = plain
        self.invoked: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.captures: list[tuple[str, Body]] = []
        self.logs = False  # whether the containers ship a prediction log to the root, as ours do
        self._shipped: Counter[str] = Counter()  # bytes, by source
        self._random = random.Random(7)

    def log_requests(self, root: str) -> None:
        """From now on; under that root nothing was logged before."""
        with self.lock:
            self.logs, self._shipped = True, Counter({name: at for name, at in self._shipped.items() if not name.endswith(root)})

    def _log(self, environment: dict[str, str], body: bytes, score: float) -> None:
        """A chunk of the prediction log in the root, a folder here, as a container's agent ships it."""
        version, asked, at = version_of(environment), json.loads(body), datetime.now(UTC).isoformat(timespec="microseconds")
        model = environment["SLIPSTREAM_ENDPOINT_VERSION"].split("/")[1]
        source = f"20260101-000000-{version}-{version:016x}"
        lines = b"".join(
            json.dumps({"kind": "prediction", "id": each["id"], "at": at, "unit": "0", "version": version, "arm": "champion",
                        "score": score, "generation": version, "latency_us": 100.0}).encode() + b"\n"
            for each in asked.get("requests", [asked])
        )  # fmt: skip
        with self.lock:
            start = self._shipped[source + environment["SLIPSTREAM_ROOT"]]
            end = self._shipped[source + environment["SLIPSTREAM_ROOT"]] = start + len(lines)
        chunk = Path(environment["SLIPSTREAM_ROOT"], "predictions", model, "chunks", source, f"{start:012d}-{end:012d}.jsonl")
        chunk.parent.mkdir(parents=True, exist_ok=True)
        draft = chunk.with_suffix(".draft")
        draft.write_bytes(lines)
        draft.rename(chunk)

    def ask(self, environment: dict[str, str], asked: Asked) -> Answered:
        try:
            answered = self.containers(environment, dict(asked.headers), asked.body)
            if self.logs:
                self._log(environment, asked.body, 0.5)
            return answered
        except Exception as error:  # noqa: BLE001 - a container that breaks is its own fault, not the server's
            return Answered(500, f"{type(error).__name__}: {error}".encode())

    def capture(self, name: str, config: Body, variant: str, asked: Asked, answered: Answered) -> None:
        rules = config.get("DataCaptureConfig", {})
        if not rules.get("EnableCapture") or self._random.uniform(0, 100) >= rules["InitialSamplingPercentage"]:
            return
        sides = (("endpointInput", "INPUT", asked.body), ("endpointOutput", "OUTPUT", answered.body))
        data = {
            side: {"observedContentType": "application/json", "mode": mode, "data": body.decode(), "encoding": "JSON"}
            for side, mode, body in sides
        }
        now = self.clock.now()
        meta = {"eventId": str(uuid.uuid4()), "inferenceTime": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
        if custom := asked.headers.get(ATTRIBUTES):
            meta["customAttributes"] = custom
        line = {"captureData": data, "eventMetadata": meta, "eventVersion": "0"}
        place = f"{rules['DestinationS3Uri']}/{name}/{variant}/{now:%Y/%m/%d/%H}/{now:%M-%S}-{meta['eventId']}.jsonl"
        self.captures.append((place, line))

    def ship(self, name: str) -> None:
        """Bring what was captured to S3, and the counts of invocations to CloudWatch, as AWS does after minutes."""
        import boto3

        with self.lock:
            captures, self.captures = self.captures, []
            counts = {variant: (self.invoked[variant], self.failed[variant]) for variant in self.invoked}
        login = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": self.region}
        s3, watch = (boto3.client(service, endpoint_url=self.address, **login) for service in ("s3", "cloudwatch"))
        for place, line in captures:
            bucket, _, key = place.removeprefix("s3://").partition("/")
            s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(line).encode() + b"\n")
        for variant, (all_of_them, failures) in counts.items():
            dimensions = [{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": variant}]
            values = (("Invocations", all_of_them), ("Invocation5XXErrors", failures), ("ModelLatency", 1000.0))
            data = [{"MetricName": metric, "Dimensions": dimensions, "Value": value} for metric, value in values]
            watch.put_metric_data(Namespace="AWS/SageMaker", MetricData=data)
