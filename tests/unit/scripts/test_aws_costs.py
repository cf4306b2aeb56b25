"""What a month on AWS costs: the table in docs/aws.md is the script's, and more work costs more."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.support.aws_stacks import PARTS, template
from tests.support.scripts import load_script

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def costs() -> ModuleType:
    return load_script("aws_costs")


def test_the_page_has_the_scripts_table(costs: ModuleType) -> None:
    assert costs.table() in (ROOT / "docs" / "aws.md").read_text()


def test_a_larger_size_costs_more(costs: ModuleType) -> None:
    sums = [sum(costs.lines(size).values()) for size in costs.SIZES]
    assert sums == sorted(sums)


def test_the_secrets_are_those_of_the_templates(costs: ModuleType) -> None:
    made = [each["Type"] for part in PARTS for each in template(part)["Resources"].values()]
    assert made.count("AWS::SecretsManager::Secret") == costs.SECRETS
