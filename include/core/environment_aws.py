"""The environment variables of AWS: a part of the list that is include/core/environment.py."""

from __future__ import annotations

from include.core.variable import Variable, named

AWS_CONN_ID = named("AWS_CONN_ID", "name", "The Airflow connection that has the login of AWS.", "aws_default")
AWS_CA_BUNDLE = Variable("AWS_CA_BUNDLE", "file", "Certificates of private authorities for AWS alone, before any other.")
AWS_ENDPOINT_URL = Variable("AWS_ENDPOINT_URL", "address", "Where AWS's services are, if the connection does not say.")
AWS_REGION = Variable("AWS_REGION", "name", "The region, if the connection does not say.")
AWS_DEFAULT_REGION = Variable("AWS_DEFAULT_REGION", "name", "The same, where AWS_REGION is not set.")

SAGEMAKER_IMAGE = named("SAGEMAKER_IMAGE", "address", "The project's image in ECR, by its digest: what SageMaker runs.")
SAGEMAKER_ROLE = named("SAGEMAKER_ROLE", "name", "The ARN of the role that SageMaker's containers take on.")
SAGEMAKER_SUBNETS = named("SAGEMAKER_SUBNETS", "text", "The subnets of SageMaker's containers, separated by commas.")
SAGEMAKER_SECURITY_GROUPS = named("SAGEMAKER_SECURITY_GROUPS", "text", "Their security groups, separated by commas.")
SAGEMAKER_KMS_KEY = named("SAGEMAKER_KMS_KEY", "name", "The KMS key of their volumes and of what they write.")
SAGEMAKER_TAGS = named("SAGEMAKER_TAGS", "text", "Tags of what is made in SageMaker: `key=value`, separated by commas.")
SAGEMAKER_PREFIX = named(
    "SAGEMAKER_PREFIX",
    "name",
    "What every name in SageMaker begins with, which tells installations apart.",
    "slipstream",
)
SAGEMAKER_REGISTRY = named(
    "SAGEMAKER_REGISTRY", "switch", "Whether versions and their stages are shown in SageMaker's Model Registry as well."
)
ENDPOINT_VERSION = named(
    "ENDPOINT_VERSION",
    "name",
    "The record of the version that a container of a SageMaker endpoint serves: a path in the storage root.",
)

GROUP = (
    AWS_CONN_ID, AWS_CA_BUNDLE, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION,
    SAGEMAKER_IMAGE, SAGEMAKER_ROLE, SAGEMAKER_SUBNETS, SAGEMAKER_SECURITY_GROUPS, SAGEMAKER_KMS_KEY, SAGEMAKER_TAGS,
    SAGEMAKER_PREFIX, SAGEMAKER_REGISTRY, ENDPOINT_VERSION,
)  # fmt: skip
