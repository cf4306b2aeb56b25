"""The templates and their parameters as files. `make lint` runs cfn-lint, tests/unit/cli/checkup/test_aws.py deploys them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from include.backends.aws.stacks import PARTS, settings_of
from include.cli.checkup.aws import EXPIRES, KEYS
from tests.support.aws_stacks import FOLDER, parameters, template

POLICIES_OF_A_ROLE = 10  # AWS's quota, unless one asks for more
POLICY_LETTERS = 6144  # of a managed policy, spaces not counted


def test_the_stacks_are_the_files() -> None:
    assert {each.stem for each in FOLDER.glob("*.yaml")} == set(PARTS)
    assert {each.stem for each in FOLDER.glob("*.json")} == {"staging", "production"}


def test_staging_and_production_differ_in_parameters_alone() -> None:
    staging, production = parameters("staging"), parameters("production")
    assert list(staging) == list(production)
    asked = {name for part in PARTS for name in template(part)["Parameters"]}
    assert set(staging) == asked


@pytest.mark.parametrize("part", PARTS)
def test_no_template_decides_by_the_environments_name(part: str) -> None:
    made = template(part)
    assert "Mappings" not in made
    assert "Environment" not in json.dumps(made.get("Conditions", {}))
    assert "Default" not in made["Parameters"]["Environment"]


def test_what_a_stack_takes_from_another_is_made_by_an_earlier_one() -> None:
    there: set[str] = set()
    for part in PARTS:
        made = template(part)
        assert set(imported(made)) <= there, part
        there |= {each["Export"]["Name"]["Fn::Sub"] for each in made["Outputs"].values() if "Export" in each}


def imported(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["Fn::ImportValue"]["Fn::Sub"]] if "Fn::ImportValue" in value else []
        return own + [name for each in value.values() for name in imported(each)]
    return [name for each in value for name in imported(each)] if isinstance(value, list) else []


def test_an_output_is_said_once() -> None:
    names = Counter(name for part in PARTS for name in template(part)["Outputs"])
    assert [name for name, count in names.items() if count > 1] == []


def test_no_output_resolves_a_secret() -> None:
    assert "resolve:" not in json.dumps([template(part)["Outputs"] for part in PARTS])


def test_roles_and_policies_are_within_awss_quotas() -> None:
    attached: Counter[str] = Counter()
    for part in PARTS:
        for name, each in template(part)["Resources"].items():
            made = each["Properties"]
            if each["Type"] == "AWS::IAM::Role":
                attached[made["RoleName"]["Fn::Sub"]] += len(made["ManagedPolicyArns"])
            if each["Type"] == "AWS::IAM::ManagedPolicy":
                assert len(json.dumps(made["PolicyDocument"]).replace(" ", "")) < POLICY_LETTERS, name
                attached.update(role["Fn::Sub"] for role in made.get("Roles", []) if "Fn::Sub" in role)
    assert max(attached.values()) <= POLICIES_OF_A_ROLE


def test_what_holds_data_outlives_its_stack() -> None:
    made = template("data")["Resources"]
    assert {name for name, each in made.items() if each.get("DeletionPolicy") == "Retain"} == {
        "Key", "Bucket", "OnlineTable", "Repository",
    }  # fmt: skip
    assert template("services")["Resources"]["Database"]["DeletionPolicy"] == "Snapshot"


def test_the_table_is_as_the_online_store_reads_it() -> None:
    table = template("data")["Resources"]["OnlineTable"]["Properties"]
    assert tuple(sorted((each["AttributeName"], each["KeyType"]) for each in table["KeySchema"])) == KEYS
    assert table["TimeToLiveSpecification"] == {"AttributeName": EXPIRES, "Enabled": True}


def test_names_of_outputs_become_names_of_variables() -> None:
    said = settings_of({"SlipstreamS3KmsKey": "k", "AwsDefaultRegion": "r", "KeyArn": "x", "SecretsPrefix": "a/b"})
    assert said.pop("AIRFLOW__SECRETS__BACKEND").endswith(".SecretsManagerBackend")
    assert json.loads(said.pop("AIRFLOW__SECRETS__BACKEND_KWARGS"))["connections_prefix"] == "a/b"
    assert said == {"SLIPSTREAM_S3_KMS_KEY": "k", "AWS_DEFAULT_REGION": "r"}
