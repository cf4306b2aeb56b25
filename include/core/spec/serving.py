"""The sections `serving`, `objectives` and `triggers`: what the gateway does and promises, and what starts the DAGs."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from include.core.spec.base import Frozen, Name
from include.core.spec.explanations import Explain


class Endpoint(Frozen):
    """The SageMaker endpoint that serves the model, where `serving.target` is one. Role, image, network and keys are the
    installation's (`SLIPSTREAM_SAGEMAKER_*`)."""

    name: str = Field("", pattern=r"^([a-zA-Z0-9](-*[a-zA-Z0-9]){0,62})?$")
    """The endpoint's name. By default the installation's prefix and the model's name."""

    instance: str = Field("ml.m5.large", pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$")
    """The instance type that each version runs on."""

    instances: int = Field(1, ge=1, le=100)
    """How many instances a version that answers has at first. What scales them changes them afterwards."""

    capture: int = Field(0, ge=0, le=100)
    """The percentage of requests and answers that SageMaker itself captures under the storage root. The judge reads the
    prediction log, not these."""


class Serving(Frozen):
    """How the gateway answers for this model."""

    target: Literal["gateway", "sagemaker"] = "gateway"
    """What serves the model: the gateways of this installation, or a SageMaker endpoint whose containers are the gateway of one
    version each."""

    endpoint: Endpoint = Endpoint()
    """The endpoint, where `target` is "sagemaker"."""

    default_score: float = Field(0.5, ge=0, le=1)
    """The score that is answered when no model and no feature store can give a better one."""

    redact: tuple[Name, ...] = ()
    """The fields that are never written to the prediction log."""

    feedback: tuple[Literal["monitoring", "training"], ...] = ()
    """What labels that callers send (`POST /feedback`) are used for beside the rollout: to judge windows, to train. A label of a
    published day counts before one that was sent. A model without sources of its own is watched by what callers send anyway."""

    threshold: float = Field(0.5, gt=0, lt=1)
    """The score from which on the decision is positive."""

    unknown_entity: Literal["default", "refuse"] = "default"
    """What happens for an entity that no view knows: it is scored on the defaults, or refused with the status 404."""

    last_known: timedelta = timedelta(hours=1)
    """How old remembered features may be that stand in while the online store does not answer."""

    cache: timedelta | None = None
    """How long an equal request gets the same score, without its features being read again. By default nothing is cached."""

    idle: timedelta | None = None
    """How long a model stays in memory without a request. By default it is unloaded only when memory is needed."""

    max_rows: int = Field(1000, ge=1, le=10_000)
    """The largest number of rows in one request."""

    explore: float = Field(0.0, ge=0, lt=1)
    """The share of the requests whose decision is drawn at random, and logged as such. By default none is."""

    explain: Explain | None = None
    """Whether callers may ask why an answer is what it is (`"explain": true`), and what that may cost. It needs
    `evaluation.explanations`, which keeps the rows that answers are explained against. By default nobody may."""

    requests_per_second: float | None = Field(None, gt=0)
    """How many requests a second one worker accepts for this model; further ones are answered with the status 429. By default
    only the gateway's own limits apply."""


class Objectives(Frozen):
    """What callers are promised, over any 30 days.

    Alerts fire on how fast a promise's budget burns: docs/monitoring/operating.md.
    """

    errors: float = Field(0.005, gt=0, lt=1)
    """The share of the requests that may go without a score of the version they were routed to."""

    latency: timedelta = Field(timedelta(milliseconds=50), gt=timedelta(0), le=timedelta(seconds=1))
    """The time within which a score is due."""

    slow: float = Field(0.01, gt=0, lt=1)
    """The share of the requests whose score may come later than `latency`."""


class Triggers(Frozen):
    """What starts the features and monitoring DAGs beside their schedules. Every way leads to the same decision key."""

    landing: bool = False
    """Whether a day is processed as soon as its raw partitions have landed, and a window is judged as soon as its last labels are
    published. By default both wait for their schedules."""

    queue: str | None = None
    """The URL of an SQS queue whose messages name a window, such as {"as_of": "2013-05-27"}; with `landing` also S3's own, of raw
    partitions that were written. By default no queue is read."""

    queue_connection: str = "aws_default"
    """The Airflow connection that may read the queue."""
