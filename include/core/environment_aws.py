"""The environment variables of AWS: a part of the list that is include/core/environment.py."""

from __future__ import annotations

from include.core.variable import Variable, named

AWS_CONN_ID = named("AWS_CONN_ID", "name", "The Airflow connection that has the login of AWS.", "aws_default")
AWS_CA_BUNDLE = Variable("AWS_CA_BUNDLE", "file", "Certificates of private authorities for AWS alone, before any other.")
AWS_ENDPOINT_URL = Variable("AWS_ENDPOINT_URL", "address", "Where AWS's services are, if the connection does not say.")
AWS_REGION = Variable("AWS_REGION", "name", "The region, if the connection does not say.")
AWS_DEFAULT_REGION = Variable("AWS_DEFAULT_REGION", "name", "The same, where AWS_REGION is not set.")

AWS_WEB_IDENTITY_TOKEN_FILE = Variable(
    "AWS_WEB_IDENTITY_TOKEN_FILE", "file", "The token of a web identity, where the connection takes on its role by one."
)
S3_KMS_KEY = named(
    "S3_KMS_KEY", "name", "The KMS key (id, ARN or alias) that everything written to the root's bucket is encrypted by.",
    derived="as the bucket itself says", jobs=True,
)  # fmt: skip
S3_BUCKET_OWNER = named(
    "S3_BUCKET_OWNER", "number", "The AWS account that the root's bucket belongs to: one of another account is refused.",
    derived="whoever owns it", jobs=True,
)  # fmt: skip
SECRETS_BACKEND = Variable(
    "AIRFLOW__SECRETS__BACKEND", "name",
    "Airflow's secrets backend. Of the amazon provider's two, the gateway, commands and jobs read connections as well.",
)  # fmt: skip
SECRETS_KWARGS = Variable("AIRFLOW__SECRETS__BACKEND_KWARGS", "JSON", "The arguments of that backend, as Airflow takes them.")
SECRETS_SECONDS = named(
    "SECRETS_SECONDS", "seconds", "How long a process without Airflow keeps what it read from the secrets backend.", "60"
)

# -- jobs on SageMaker -------------------------------------------------------------------------------------------------------

SAGEMAKER_IMAGE = named(
    "SAGEMAKER_IMAGE", "address", "The image of jobs on SageMaker, in ECR and by its digest: ...amazonaws.com/name@sha256:..."
)
SAGEMAKER_ROLE = named("SAGEMAKER_ROLE", "name", "The ARN of the role that jobs on SageMaker run with.")
SAGEMAKER_INSTANCE = named(
    "SAGEMAKER_INSTANCE", "name", "Their instance type, where the spec's `training.resources` fit into it.", "ml.m5.xlarge"
)
SAGEMAKER_VOLUME = named("SAGEMAKER_VOLUME", "number", "Gigabytes of their disk, on instances that have none of their own.", "30")
SAGEMAKER_SUBNETS = named("SAGEMAKER_SUBNETS", "names", "Their subnets, with commas between. Empty: SageMaker's own network.")
SAGEMAKER_SECURITY_GROUPS = named("SAGEMAKER_SECURITY_GROUPS", "names", "Their security groups, with the subnets.")
SAGEMAKER_KMS_KEY = named("SAGEMAKER_KMS_KEY", "name", "The key that encrypts their disk and what SageMaker writes to S3.")
SAGEMAKER_SPOT = named(
    "SAGEMAKER_SPOT", "switch", "`true`: training on spot instances; a job that loses its own goes on from its checkpoints."
)
SAGEMAKER_MAX_SECONDS = named("SAGEMAKER_MAX_SECONDS", "seconds", "How long a job may run before SageMaker stops it.", "86400")
SAGEMAKER_MAX_WAIT_SECONDS = named(
    "SAGEMAKER_MAX_WAIT_SECONDS", "seconds", "How long a spot job may run and wait for capacity together.",
    derived="twice SLIPSTREAM_SAGEMAKER_MAX_SECONDS",
)  # fmt: skip
SAGEMAKER_TAGS = named("SAGEMAKER_TAGS", "text", "More tags of theirs, such as a cost centre: `name=value`, with commas between.")
SAGEMAKER_PREFIX = named(
    "SAGEMAKER_PREFIX",
    "name",
    "What their names begin with: another one for each environment that shares an account and a region.",
)
SAGEMAKER_PROJECT = named("SAGEMAKER_PROJECT", "folder", "The project's folder in their image.", "/opt/project")
SAGEMAKER_MODELS = named(
    "SAGEMAKER_MODELS", "packages, folders", "What SLIPSTREAM_MODELS is in their image.", derived="SLIPSTREAM_MODELS"
)
SAGEMAKER_MLFLOW_SECRET = named(
    "SAGEMAKER_MLFLOW_SECRET", "name",
    "The secret of Secrets Manager with MLflow's connection for jobs, as Airflow writes it. Their role must be able to read it.",
)  # fmt: skip
SAGEMAKER_FOLDER = named("SAGEMAKER_FOLDER", "folder", "Where SageMaker's /opt/ml is in a job's container.", "/opt/ml")

SAGEMAKER = (
    SAGEMAKER_IMAGE, SAGEMAKER_ROLE, SAGEMAKER_INSTANCE, SAGEMAKER_VOLUME, SAGEMAKER_SUBNETS, SAGEMAKER_SECURITY_GROUPS,
    SAGEMAKER_KMS_KEY, SAGEMAKER_SPOT, SAGEMAKER_MAX_SECONDS, SAGEMAKER_MAX_WAIT_SECONDS, SAGEMAKER_TAGS, SAGEMAKER_PREFIX,
    SAGEMAKER_PROJECT, SAGEMAKER_MODELS, SAGEMAKER_MLFLOW_SECRET, SAGEMAKER_FOLDER,
)  # fmt: skip

# -- endpoints and the Model Registry: image, role, network, key, tags and prefix are those of jobs ----------------------------

SAGEMAKER_REGISTRY = named(
    "SAGEMAKER_REGISTRY", "switch", "`true`: versions and their stages are shown in SageMaker's Model Registry as well."
)
ENDPOINT_VERSION = named(
    "ENDPOINT_VERSION", "name", "The version that a container of a SageMaker endpoint serves: a path in the storage root."
)
ENDPOINTS = (SAGEMAKER_REGISTRY, ENDPOINT_VERSION)

TOLD = (S3_KMS_KEY, S3_BUCKET_OWNER)  # a job is told them, too
GROUP = (
    AWS_CONN_ID, AWS_CA_BUNDLE, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION, AWS_WEB_IDENTITY_TOKEN_FILE, *TOLD,
    SECRETS_BACKEND, SECRETS_KWARGS, SECRETS_SECONDS, *SAGEMAKER, *ENDPOINTS,
)  # fmt: skip
