"""Who may do what on AWS: each role may do what its component's code calls, and what no code calls has a reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.aws_calls import ROOT, calls, modules
from tests.support.aws_stacks import template

AIRFLOW, GATEWAY, JOB = "AirflowRole", "GatewayRole", "JobRole"
ROLES = {AIRFLOW: "access", GATEWAY: "access", JOB: "jobs", "LandingRole": "outside", "DeployRole": "outside"}

# Which components run a source. The first that fits decides.
RUN_BY = {
    "include/backends/aws/secrets.py": (AIRFLOW, GATEWAY),
    "include/backends/aws/": (AIRFLOW,),
    "include/backends/dynamodb/": (AIRFLOW, GATEWAY, JOB),
    "include/backends/s3/": (AIRFLOW, GATEWAY, JOB),
    "include/backends/sagemaker/arrive.py": (JOB,),
    "include/backends/sagemaker/on_node.py": (JOB,),
    "include/backends/sagemaker/": (AIRFLOW,),
    "include/backends/warehouse/": (AIRFLOW,),
    "operators/": (AIRFLOW,),
}
# What a component's code never gets to, though it is in a source that it runs.
NOT_BY = {
    "dynamodb:PutItem": {GATEWAY, JOB},  # a gateway that takes rows has GatewayPush beside this
    "dynamodb:DescribeTimeToLive": {GATEWAY, JOB},
}
# Calls that the roles of the stacks do not have, and why that is right.
NOT_GIVEN = {
    "dynamodb:CreateTable": "`?create=yes` is for development: the stack has made the table",
    "dynamodb:UpdateTimeToLive": "likewise",
    "dynamodb:DeleteItem": "`slipstream forget` is a person's: docs/forgetting.md says what their login needs",
    "dynamodb:Scan": "likewise",
    "dynamodb:DescribeContinuousBackups": "likewise",
    "dynamodb:ListBackups": "likewise",
    "s3:GetObjectLockConfiguration": "of the bucket of anchors, which is not the stack's: docs/audit.md says what it takes",
    "s3:ListObjectVersions": "likewise",
    "ssm:GetParameter": "the stack's connections are in Secrets Manager",
    "sts:AssumeRole": "whoever names a role in the connection lets the login take it on",
    "sts:AssumeRoleWithWebIdentity": "nobody needs a permission for it",
    "sts:GetCallerIdentity": "nobody needs a permission for it",
}
# Grants that no call of ours is behind, and what is.
NOT_CALLED = {
    "cloudformation:DescribeStacks": "CI reads the outputs",
    "dynamodb:DescribeTable": "the doctor, and whoever looks for a table that is missing",
    "ecr:": "containers pull, CI pushes",
    "ec2:": "SageMaker puts its containers into the network",
    "glue:": "Athena reads the catalogue for whoever asks it",
    "iam:PassRole": "what starts a job hands it its role",
    "kms:": "S3, DynamoDB, Secrets Manager and SageMaker use the key for whoever calls them",
    "logs:CreateLogGroup": "SageMaker writes its containers' logs", "logs:CreateLogStream": "likewise",
    "logs:DescribeLogStreams": "likewise", "logs:PutLogEvents": "likewise",
    "cloudwatch:PutMetricData": "SageMaker writes its containers' metrics",
    "s3:": "Athena reads tables and keeps results for whoever asks it; uploads in parts",
    "sagemaker:AddTags": "what is made with tags", "sagemaker:ListTags": "of what is described",
    "sqs:GetQueueAttributes": "the provider's hook, and the doctor", "sqs:ReceiveMessage": "the provider's trigger",
}  # fmt: skip
# The only statements about everything: actions for which AWS knows no resource.
EVERYTHING = {
    "cloudwatch:GetMetricStatistics": "metrics are no resources",
    "cloudwatch:PutMetricData": "likewise; a condition holds it to SageMaker's",
    "ec2:Describe*": "descriptions know no resource",
    "ecr:GetAuthorizationToken": "a login to the registry of the account",
    "redshift-data:DescribeStatement": "statements are no resources; a condition holds it to one's own",
    "redshift-data:GetStatementResult": "likewise",
    "sagemaker:ListProcessingJobs": "lists know no resource",
    "sagemaker:ListTrainingJobs": "likewise",
    "sagemaker:ListModelPackages": "likewise; only the group of the model is asked for",
}
# Policies of vendors, by the folder that calls: one that is not there yet has no calls to compare.
MADE_FOR = {
    "OnlineRead": "dynamodb", "OnlineWrite": "dynamodb", "JobOnlineRead": "dynamodb", "GatewayPush": "dynamodb",
    "Endpoints": "sagemaker/endpoint_target.py", "Jobs": "sagemaker/jobs.py",
    "Registry": "sagemaker/model_registry.py",
    "AthenaAccess": "warehouse", "RedshiftAccess": "warehouse", "EmrAccess": "warehouse",
}  # fmt: skip


def policies() -> Iterator[tuple[str, dict[str, Any]]]:
    for part in ("access", "jobs", "outside"):
        for name, each in template(part)["Resources"].items():
            if each["Type"] == "AWS::IAM::ManagedPolicy":
                yield name, each["Properties"]


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, policy in policies():
        for statement in policy["PolicyDocument"]["Statement"]:
            yield name, statement


def allowed(role: str) -> set[str]:
    """The actions of its policies: those it names, and those that name it without a condition of the stack."""
    made = template(ROLES[role])["Resources"]
    slug = made[role]["Properties"]["RoleName"]["Fn::Sub"]
    own = {each["Ref"] for each in made[role]["Properties"]["ManagedPolicyArns"]}
    named = {name for name, each in policies() if {"Fn::Sub": slug} in each.get("Roles", [])}
    return {action for name, each in statements() if name in own | named for action in each["Action"]}


def wanted(role: str) -> dict[str, set[str]]:
    """The actions that the code of a component calls, each with the sources that do."""
    found: dict[str, set[str]] = {}
    for module in modules():
        if role in next((roles for start, roles in RUN_BY.items() if module.startswith(start)), ()):
            for action in calls(module):
                if role not in NOT_BY.get(action, ()) and action not in NOT_GIVEN:
                    found.setdefault(action, set()).add(module)
    return found


@pytest.mark.parametrize("role", [AIRFLOW, GATEWAY, JOB])
def test_a_role_may_do_what_its_code_calls(role: str) -> None:
    may = allowed(role)
    assert {action: sources for action, sources in wanted(role).items() if action not in may} == {}


def test_the_calls_are_found_in_the_sources() -> None:
    """Else everything here would hold of nothing."""
    assert {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"} <= set(wanted(GATEWAY))
    assert {"sqs:DeleteMessage", "sagemaker:CreateTrainingJob", "sts:GetCallerIdentity"} <= {
        action for module in modules() for action in calls(module)
    }
    unknown = [each for each in modules() if calls(each) and not any(each.startswith(start) for start in RUN_BY)]
    assert unknown == []


def test_what_is_granted_is_called_or_has_a_reason() -> None:
    called = {action for module in modules() for action in calls(module)}
    reasons = tuple(NOT_CALLED)
    idle = {
        (name, action)
        for name, statement in statements()
        for action in statement["Action"]
        if action not in called and not action.startswith(reasons) and _is_there(name)
    }
    assert idle == set()


def _is_there(policy: str) -> bool:
    return policy not in MADE_FOR or (ROOT / "include" / "backends" / MADE_FOR[policy]).exists()


def test_no_action_is_a_pattern_and_none_is_denied_or_turned_around() -> None:
    for name, statement in statements():
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}, name
        assert statement["Effect"] == "Allow"
        assert [each for each in statement["Action"] if "*" in each] == []


def test_only_what_has_no_resource_is_allowed_on_everything() -> None:
    broad = {action for _, each in statements() if each["Resource"] in ("*", ["*"]) for action in each["Action"]}
    known = {name for name in EVERYTHING if not name.endswith("*")}
    patterns = tuple(name[:-1] for name in EVERYTHING if name.endswith("*"))
    assert {each for each in broad if each not in known and not each.startswith(patterns)} == set()
    assert known <= broad


def test_what_reads_the_online_store_writes_nothing() -> None:
    (read,) = (each["PolicyDocument"]["Statement"][0]["Action"] for name, each in policies() if name == "OnlineRead")
    assert set(read) == {"dynamodb:BatchGetItem", "dynamodb:DescribeTable", "dynamodb:Query"}
    assert not {"dynamodb:PutItem", "dynamodb:DeleteItem"} & (allowed(GATEWAY) | allowed(JOB))


def test_who_delivers_partitions_neither_reads_nor_deletes_them() -> None:
    assert {each for each in allowed("LandingRole") if each.startswith("s3:")} == {"s3:PutObject", "s3:AbortMultipartUpload"}
