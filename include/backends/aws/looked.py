"""What AWS says of the things that the settings name, for `slipstream doctor --aws`. Every call only reads.

Each function asks of one thing and returns what is so, without an opinion; it raises what `reaching` makes of AWS's errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from include.backends.aws.errors import is_absent, reaching
from include.core.ports import AwsAccess

SAFE = "nothing was changed."


@dataclass(frozen=True)
class Bucket:
    versioned: bool
    encryption: str
    """`aws:kms`, `AES256`; empty where the bucket says nothing."""
    key: str
    private: bool
    """Whether public access is blocked in all four ways."""


@dataclass(frozen=True)
class Table:
    status: str
    keys: tuple[tuple[str, str], ...]
    """(attribute, HASH or RANGE), sorted."""
    expires: str
    """The attribute by which DynamoDB removes what has expired; empty where that is off."""
    on_demand: bool
    restorable: bool


@dataclass(frozen=True)
class Queue:
    waiting: int
    dead_letters: bool
    """Whether what nobody can store goes to a queue of its own."""


def caller(aws: AwsAccess) -> str:
    """The ARN of who this process is to AWS. It needs no permission."""
    with reaching("this process's identity", safe=SAFE):
        return str(aws.client("sts").get_caller_identity()["Arn"])


def bucket(aws: AwsAccess, name: str, owner: str) -> Bucket:
    """Raises PermanentError for one that is not there, or is not the owner's."""
    s3 = aws.client("s3")
    asked = {"Bucket": name, **({"ExpectedBucketOwner": owner} if owner else {})}
    with reaching(f"the bucket {name}", safe=SAFE, hint="see SLIPSTREAM_ROOT and SLIPSTREAM_S3_BUCKET_OWNER."):
        s3.head_bucket(**asked)
        versioned = s3.get_bucket_versioning(**asked).get("Status") == "Enabled"
        rule = _rule(s3, asked)
        private = _blocked(s3, asked)
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    return Bucket(versioned, default.get("SSEAlgorithm", ""), default.get("KMSMasterKeyID", ""), private)


def _rule(s3: Any, asked: Mapping[str, str]) -> dict[str, Any]:
    try:
        said = s3.get_bucket_encryption(**asked)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ServerSideEncryptionConfigurationNotFoundError":
            return {}
        raise
    rules: list[dict[str, Any]] = said["ServerSideEncryptionConfiguration"]["Rules"]
    return rules[0] if rules else {}


def _blocked(s3: Any, asked: Mapping[str, str]) -> bool:
    try:
        said = s3.get_public_access_block(**asked)["PublicAccessBlockConfiguration"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchPublicAccessBlockConfiguration":
            return False
        raise
    return len(said) == 4 and all(said.values())


def table(aws: AwsAccess, name: str) -> Table:
    dynamodb = aws.client("dynamodb")
    with reaching(f"the table {name}", safe=SAFE, hint="see SLIPSTREAM_ONLINE_URL; infra/aws/data.yaml makes it."):
        said = dynamodb.describe_table(TableName=name)["Table"]
        ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    keys = tuple(sorted((each["AttributeName"], each["KeyType"]) for each in said["KeySchema"]))
    on = ttl["TimeToLiveStatus"] in ("ENABLED", "ENABLING")
    restorable = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") == "ENABLED"
    on_demand = said.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST"
    return Table(said["TableStatus"], keys, ttl.get("AttributeName", "") if on else "", on_demand, restorable)


def queue(aws: AwsAccess, url: str) -> Queue:
    with reaching(f"the queue {url}", safe=SAFE, hint="see triggers.queue in the model's spec."):
        said = aws.client("sqs").get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "RedrivePolicy"]
        )["Attributes"]
    return Queue(int(said["ApproximateNumberOfMessages"]), "RedrivePolicy" in said)


def trusts_sagemaker(aws: AwsAccess, arn: str) -> bool:
    """Whether SageMaker may take the role on."""
    with reaching(f"the role {arn}", safe=SAFE, hint="see SLIPSTREAM_SAGEMAKER_ROLE."):
        role = aws.client("iam").get_role(RoleName=arn.rpartition("/")[2])["Role"]
    return "sagemaker.amazonaws.com" in str(role["AssumeRolePolicyDocument"])


def has_image(aws: AwsAccess, repository: str, digest: str) -> bool:
    with reaching(f"the image {repository}@{digest}", safe=SAFE, hint="see SLIPSTREAM_SAGEMAKER_IMAGE; push it."):
        try:
            aws.client("ecr").describe_images(repositoryName=repository, imageIds=[{"imageDigest": digest}])
        except ClientError as error:
            if error.response["Error"]["Code"] == "ImageNotFoundException" or is_absent(error):
                return False
            raise
    return True


def answers_for_secrets(aws: AwsAccess, prefix: str) -> bool:
    """Whether Secrets Manager answers for names below the prefix. A name that is in no use is asked for, so no secret comes."""
    with reaching(f"the secrets below {prefix}/", safe="no secret was read.", hint="see AIRFLOW__SECRETS__BACKEND_KWARGS."):
        try:
            aws.client("secretsmanager").get_secret_value(SecretId=f"{prefix}/slipstream_doctor_asks")
        except ClientError as error:
            if not is_absent(error):
                raise
    return True
