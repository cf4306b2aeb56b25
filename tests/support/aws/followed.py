"""A model whose target is an endpoint of the fake, with registered versions and a route that a test writes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from include.backends.sagemaker.endpoint_target import SageMakerTarget
from include.core.control import ControlStore, versions
from include.core.ports import AwsAccess, open_aws
from include.core.settings import Settings
from include.core.spec import Endpoint, ModelSpec, Serving
from include.core.storage import open_storage
from include.core.time import timestamp
from include.routing.route import Route, set_route
from include.serving.target import Stores
from tests.support.aws.server import Aws, aws_server
from tests.support.rollout_spec import rollout_spec

ROLE = "arn:aws:iam::123456789012:role/slipstream"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/slipstream@sha256:" + "a" * 64


def endpoint_spec(name: str, **more: Any) -> ModelSpec:
    return rollout_spec(name, serving=Serving(target="sagemaker", endpoint=Endpoint(**more)))


@dataclass
class Followed:
    """`pauses`: seconds that were waited between looks, which nobody really waited."""

    aws: Aws
    spec: ModelSpec
    settings: Settings
    control: ControlStore
    access: AwsAccess
    pauses: list[float] = field(default_factory=list)

    @property
    def stores(self) -> Stores:
        return Stores(
            self.settings,
            lambda: self.control,
            lambda: open_storage(self.settings.root),
            lambda: self.access,
        )

    @property
    def name(self) -> str:
        return f"slipstream-{self.spec.name}"

    def target(self) -> SageMakerTarget:
        """As another process would open it."""
        return SageMakerTarget(self.spec, self.stores, self.pauses.append)

    def route(self, **route: int | None) -> int:
        with self.control.transaction() as connection:
            return set_route(connection, self.spec.name, Route(**route))  # type: ignore[arg-type]

    def follow(self, timeout: float = 60.0, **route: int | None) -> dict[str, Any]:
        return self.target().wait_applied(self.spec.name, self.route(**route), timeout)

    def described(self) -> Any:
        return self.access.client("sagemaker").describe_endpoint(EndpointName=self.name)

    def weights(self) -> dict[str, float]:
        return {each["VariantName"]: each["CurrentWeight"] for each in self.described()["ProductionVariants"]}


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    with aws_server() as server:
        yield server


@pytest.fixture(scope="session")
def access(aws: Aws) -> AwsAccess:
    """One for all tests: to make a client takes longer than what it is asked."""
    return open_aws(Settings.from_env(aws.environ()))


@pytest.fixture
def followed(aws: Aws, access: AwsAccess, tmp_path: Path) -> Followed:
    """Each test has a model, and so an endpoint, of its own."""
    variables = {
        **aws.environ(), "SLIPSTREAM_HOME": str(tmp_path), "SLIPSTREAM_SAGEMAKER_ROLE": ROLE, "SLIPSTREAM_SAGEMAKER_IMAGE": IMAGE,
    }  # fmt: skip
    settings = Settings.from_env(variables)
    control = ControlStore(settings.control_url)
    control.create_tables()
    spec = endpoint_spec(f"toy{uuid.uuid4().hex[:8]}")
    with control.transaction() as connection:
        for version in (1, 2, 3):
            row = {"key": f"k{version}", "model": spec.name, "version": version, "semver": f"1.{version}.0", "at": timestamp()}
            record = {"model": spec.name, "version": version, "train": {"digest": f"{version}"}}
            connection.execute(versions.insert().values(stage="Candidate", record=record, **row))
    aws.endpoints.calls.clear()
    aws.endpoints.unplan()
    return Followed(aws, spec, settings, control, access)
