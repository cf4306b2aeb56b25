"""The templates of infra/aws: read as CloudFormation reads them, and deployed to moto's server as they are."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import yaml

from include.backends.aws.stacks import PARTS
from include.core.ports import AwsAccess

FOLDER = Path(__file__).parents[2] / "infra" / "aws"
REGION = "eu-central-1"
NAME = "slipstream-staging"
LOGIN = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": REGION}


class _Loader(yaml.CSafeLoader):
    """Short forms of functions become long ones."""


def _function(loader: yaml.CSafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _function)


def template(part: str) -> dict[str, Any]:
    return dict(yaml.load((FOLDER / f"{part}.yaml").read_text(), _Loader))


def parameters(environment: str) -> dict[str, str]:
    """Those of staging.json or production.json."""
    return dict(pair.split("=", 1) for pair in json.loads((FOLDER / f"{environment}.json").read_text()))


def deploy(address: str) -> dict[str, set[str]]:
    """All stacks of staging, into a network made for them. The resources that moto made, by stack.

    Of a type that it does not know moto makes nothing, and says so in a warning alone.
    """
    import boto3

    session = boto3.Session(**LOGIN)
    cloudformation, ec2 = (session.client(each, endpoint_url=address) for each in ("cloudformation", "ec2"))
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]["SubnetId"]
        for number, zone in enumerate("ab")
    ]
    given = {**parameters("staging"), "VpcId": vpc, "SubnetIds": ",".join(subnets)}
    made = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("moto").setLevel(logging.ERROR)
        for part in PARTS:
            wanted = template(part)["Parameters"]
            cloudformation.create_stack(
                StackName=f"{NAME}-{part}",
                TemplateBody=(FOLDER / f"{part}.yaml").read_text(),
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items() if key in wanted],
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )
            resources = cloudformation.describe_stack_resources(StackName=f"{NAME}-{part}")["StackResources"]
            made[part] = {each["LogicalResourceId"] for each in resources if each.get("PhysicalResourceId")}
    return made


def put_what_moto_leaves_out(aws: AwsAccess) -> None:
    """Of what moto makes it leaves out the bucket's versions and its privacy, and the table's time to live: as data.yaml says."""
    made = template("data")["Resources"]
    s3, dynamodb = aws.client("s3"), aws.client("dynamodb")
    bucket, table = (made[name]["Properties"] for name in ("Bucket", "OnlineTable"))
    (name,) = (each["Name"] for each in s3.list_buckets()["Buckets"] if each["Name"].startswith(NAME))
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=bucket["VersioningConfiguration"])
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=bucket["PublicAccessBlockConfiguration"])
    (name,) = dynamodb.list_tables()["TableNames"]
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=table["TimeToLiveSpecification"])
