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

TOLD = (S3_KMS_KEY, S3_BUCKET_OWNER)  # a job is told them, too
GROUP = (
    AWS_CONN_ID, AWS_CA_BUNDLE, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION, AWS_WEB_IDENTITY_TOKEN_FILE, *TOLD,
    SECRETS_BACKEND, SECRETS_KWARGS, SECRETS_SECONDS,
)  # fmt: skip
