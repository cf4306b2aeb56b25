"""Asking one version of an endpoint by its variant: what its inputs are, and what it says to rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from include.backends.aws.errors import code, reaching
from include.core.errors import DataError, UnreachableError
from include.serving.client import Said, rows_of, tensors_of
from include.serving.http.invocations import ATTRIBUTES, INFER, METADATA


class Asking:
    """`client`: boto3's of sagemaker-runtime."""

    def __init__(self, client: Any, endpoint: str) -> None:
        self._client, self._endpoint = client, endpoint

    def columns(self, variant: str) -> list[dict[str, str]]:
        columns: list[dict[str, str]] = self._ask(variant, METADATA, {})["parameters"]["columns"]
        return columns

    def infer(self, variant: str, rows: Sequence[Mapping[str, Any]]) -> tuple[Said, float]:
        answer = self._ask(variant, INFER, {"inputs": tensors_of(self.columns(variant), rows)})
        return rows_of(answer["outputs"]), float(answer["parameters"]["latency_us"])

    def _ask(self, variant: str, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
        place = f"the variant {variant} of the endpoint {self._endpoint}"
        with reaching(place, safe="it answers others as before."):
            try:
                answer = self._client.invoke_endpoint(
                    EndpointName=self._endpoint,
                    TargetVariant=variant,
                    ContentType="application/json",
                    CustomAttributes=f"{ATTRIBUTES}={what}",
                    Body=json.dumps(body).encode(),
                )
            except ClientError as error:
                raise _of_the_container(error, place) or error from error
        value: dict[str, Any] = json.loads(answer["Body"].read())
        return value


def _of_the_container(error: ClientError, place: str) -> DataError | UnreachableError | None:
    """The container's own error, which SageMaker hands on as a ModelError; None for one of AWS's."""
    if code(error) != "ModelError":
        return None
    status = int(error.response.get("OriginalStatusCode") or 0)
    words = str(error.response.get("OriginalMessage") or error)[:500]
    if status >= 500:
        return UnreachableError(f"The container of {place} failed with {status}: {words}", hint="see its log in CloudWatch.")
    return DataError(f"The container of {place} refused the question: {words}", seen=status)
