"""The models and configurations that an endpoint is made of: named by their content, made once, never changed.

Describe comes before every create, and what is found under a name of ours must be what we would have made: AWS's names are one
space for everybody in the account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from include.backends.aws.errors import code, reaching
from include.backends.sagemaker.endpoint_plan import Wanted, variant
from include.core import environment, environment_aws, fault
from include.core.address import without_login
from include.core.digest import canonical_json, digest_json
from include.core.errors import ConflictError, SpecError
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.storage import Storage
from include.serving.endpoint_record import RECORDS, record_of

NAME = 63  # characters of a name in SageMaker
CUT = 16  # hexadecimal digits of a digest in a name
MODEL_TAG, ROOT_TAG = "slipstream:model", "slipstream:root"
ABSENT = ("could not find", "does not exist", "cannot find")  # SageMaker says ValidationException and these words


def endpoint_name(spec: ModelSpec, settings: Settings) -> str:
    """The spec's, else the model's."""
    return spec.serving.endpoint.name or model_name(spec.name, settings)


def model_name(model: str, settings: Settings) -> str:
    """The name of a model's endpoint and of its package group in SageMaker: the installation's prefix, and the model."""
    return fitted(f"{environment_aws.SAGEMAKER_PREFIX.read(settings.environ)}slipstream-{model}")


def fitted(name: str, most: int = NAME) -> str:
    """The name in SageMaker's letters; with a digest of it where it had to be changed so that two might become one."""
    plain = "".join(each if each.isascii() and each.isalnum() else "-" for each in name).strip("-")
    if len(plain) <= most and len(plain) == len(name):
        return plain
    return f"{plain[: most - 9].rstrip('-')}-{digest_json(name)[:8]}"


def is_missing(error: ClientError) -> bool:
    """Whether SageMaker says that there is nothing of that name."""
    words = str(error.response.get("Error", {}).get("Message", "")).lower()
    return code(error) in ("ValidationException", "ResourceNotFound") and any(each in words for each in ABSENT)


def is_taken(error: ClientError) -> bool:
    """Whether it says that there is something of that name already: somebody was a moment earlier."""
    words = str(error.response.get("Error", {}).get("Message", "")).lower()
    return code(error) in ("ValidationException", "ResourceInUse") and ("already exist" in words or "in use" in words)


def _models(environ: Mapping[str, str]) -> str:
    """Where the models are in the image: of what this machine has the packages, for its folders are none of the image's."""
    named = environment_aws.SAGEMAKER_MODELS.read(environ)
    return named or ":".join(place for place in environment.MODELS.read(environ).split(":") if "/" not in place)


@dataclass(frozen=True)
class Parts:
    """What the endpoint of one model is made of. `client`: boto3's of sagemaker."""

    client: Any
    spec: ModelSpec
    settings: Settings
    storage: Storage

    @property
    def name(self) -> str:
        return endpoint_name(self.spec, self.settings)

    @property
    def tags(self) -> dict[str, str]:
        """What tells ours from everybody else's, after what the installation puts on everything."""
        given = environment_aws.SAGEMAKER_TAGS.read(self.settings.environ)
        pairs = (pair.partition("=") for pair in given.split(",") if "=" in pair)
        own = {MODEL_TAG: self.spec.name, ROOT_TAG: self.settings.root[:256]}
        return {**{key.strip(): value.strip() for key, _, value in pairs}, **own}

    # -- a version's model ---------------------------------------------------------------------------------------------------

    def container(self, record: str) -> dict[str, Any]:
        """What runs for a version. Everything here is shown by DescribeModel: none of it opens anything."""
        environ = self.settings.environ
        image = environment_aws.SAGEMAKER_IMAGE.read(environ)
        if not image:
            raise SpecError(
                f"{environment_aws.SAGEMAKER_IMAGE.name} is not set, and {self.spec.name} is served on SageMaker.",
                safe="nothing was made.",
                hint="set it to the project's image in ECR, by its digest: docs/gateway.md#on-sagemaker.",
            )
        given = {
            environment.ROOT.name: self.settings.root,
            environment.ONLINE_URL.name: self._online(),
            environment.MODELS.name: _models(environ),
            environment_aws.ENDPOINT_VERSION.name: record,
            environment_aws.AWS_DEFAULT_REGION.name: str(self.client.meta.region_name),
        }
        return {"Image": image, "Environment": {name: value for name, value in given.items() if value}}

    def _online(self) -> str:
        """Raises SpecError for an address with a login: DescribeModel would show it."""
        url = self.settings.online_url
        if url.startswith("sqlite:"):
            return "" if not self.spec.features.views else self._refuse(url, "is a file of this machine")
        return url if without_login(url) == url else self._refuse(without_login(url), "holds a login, which AWS would show")

    def _refuse(self, url: str, why: str) -> str:
        raise SpecError(
            f"The online store's address {why}, and {self.spec.name} is served on SageMaker.",
            seen=url,
            safe="nothing was made.",
            hint=f"use dynamodb://, which the role of {environment_aws.SAGEMAKER_ROLE.name} opens.",
        )

    def ensure_model(self, version: int, record: Mapping[str, Any]) -> str:
        """The SageMaker model of a version, made if it is not there. Returns its name."""
        kept = RECORDS.stamp({**record_of(record), "model": self.spec.name, "version": version})
        path = f"endpoints/{self.spec.name}/{variant(version)}-{digest_json(kept)[:CUT]}.json"
        self.storage.create(path, canonical_json(kept))
        content: dict[str, Any] = {"PrimaryContainer": self.container(path), "ExecutionRoleArn": self._role(), **self._network()}
        head = fitted(f"{self.name}-{variant(version)}", NAME - CUT - 1)
        name = f"{head}-{digest_json(content)[:CUT]}"
        fault.point("endpoint.model")
        with reaching(f"the SageMaker model {name}", safe="the endpoint is as it was."):
            found = self._described(self.client.describe_model, ModelName=name)
            if found is None:
                self._made(self.client.create_model, ModelName=name, Tags=self._tag_list(), **content)
                found = self.client.describe_model(ModelName=name)
        self._require_same("model", name, content["PrimaryContainer"], found.get("PrimaryContainer", {}))
        return name

    def _role(self) -> str:
        role = environment_aws.SAGEMAKER_ROLE.read(self.settings.environ)
        if role:
            return role
        raise SpecError(
            f"{environment_aws.SAGEMAKER_ROLE.name} is not set, and {self.spec.name} is served on SageMaker.",
            safe="nothing was made.",
            hint="set it to the ARN of the role that the containers take on: docs/gateway.md#on-sagemaker.",
        )

    def _network(self) -> dict[str, Any]:
        environ = self.settings.environ
        subnets, groups = (
            [each.strip() for each in variable.read(environ).split(",") if each.strip()]
            for variable in (environment_aws.SAGEMAKER_SUBNETS, environment_aws.SAGEMAKER_SECURITY_GROUPS)
        )
        return {"VpcConfig": {"SecurityGroupIds": groups, "Subnets": subnets}} if subnets else {}

    # -- a configuration -----------------------------------------------------------------------------------------------------

    def config(self, want: Wanted, models: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
        """The configuration's name and content. `models`: by variant the name of its SageMaker model."""
        rules, key = self.spec.serving.endpoint, environment_aws.SAGEMAKER_KMS_KEY.read(self.settings.environ)
        content: dict[str, Any] = {
            "ProductionVariants": [self._variant(name, models, weight) for name, weight in want.first_weights.items()]
        }
        if want.shadow:  # as heavy as the champion: it sees a copy of every request
            content["ShadowProductionVariants"] = [self._variant(want.shadow, models, max(want.first_weights.values()))]
        if key:
            content["KmsKeyId"] = key
        if rules.capture:
            content["DataCaptureConfig"] = {
                "EnableCapture": True,
                "InitialSamplingPercentage": rules.capture,
                "DestinationS3Uri": f"{self.settings.root.rstrip('/')}/captures",
                "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
                "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
                **({"KmsKeyId": key} if key else {}),
            }
        return f"{fitted(self.name, NAME - CUT - 1)}-{digest_json(content)[:CUT]}", content

    def _variant(self, name: str, models: Mapping[str, str], weight: float) -> dict[str, Any]:
        rules = self.spec.serving.endpoint
        return {
            "VariantName": name,
            "ModelName": models[name],
            "InstanceType": rules.instance,
            "InitialInstanceCount": rules.instances,
            "InitialVariantWeight": weight,
        }

    def ensure_config(self, name: str, content: Mapping[str, Any]) -> None:
        fault.point("endpoint.config")
        with reaching(f"the endpoint configuration {name}", safe="the endpoint is as it was."):
            found = self._described(self.client.describe_endpoint_config, EndpointConfigName=name)
            if found is None:
                self._made(self.client.create_endpoint_config, EndpointConfigName=name, Tags=self._tag_list(), **content)
                found = self.client.describe_endpoint_config(EndpointConfigName=name)
        for part in ("ProductionVariants", "ShadowProductionVariants"):
            for ours, theirs in zip(content.get(part, ()), found.get(part, ()), strict=False):
                self._require_same("endpoint configuration", name, ours, theirs)
        if len(content["ProductionVariants"]) != len(found.get("ProductionVariants", ())):
            self._require_same("endpoint configuration", name, {"variants": len(content["ProductionVariants"])}, {})

    # -- what both need ------------------------------------------------------------------------------------------------------

    def _tag_list(self) -> list[dict[str, str]]:
        return [{"Key": key, "Value": value} for key, value in self.tags.items()]

    def _described(self, call: Any, **name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = call(**name)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        return found

    def _made(self, call: Any, **content: Any) -> None:
        try:
            call(**content)
        except ClientError as error:
            if not is_taken(error):
                raise

    def _require_same(self, kind: str, name: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
        """Raises ConflictError where what has our name is not what we would have made."""
        other = sorted(part for part in ours if ours[part] != theirs.get(part))
        if other:
            raise ConflictError(
                f"The SageMaker {kind} {name} is not of this installation: it differs in {', '.join(other)}.",
                seen={part: theirs.get(part) for part in other},
                safe="it was not touched, and neither was the endpoint.",
                hint=f"set another {environment_aws.SAGEMAKER_PREFIX.name}, or give the endpoint a name of its own.",
            )
