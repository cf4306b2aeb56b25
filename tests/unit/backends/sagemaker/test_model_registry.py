"""Versions and their stages in SageMaker's Model Registry: a package each, never two, and a person's word stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from include.backends.sagemaker.endpoint_parts import endpoint_name
from include.backends.sagemaker.model_registry import ModelRegistry
from include.core import fault
from include.core.errors import GateClosed, SpecError
from include.core.fault import Fault, ResponseLost
from include.core.request import Ref
from include.core.spec import ModelSpec, Rollout
from include.governance.approval import require_approval
from include.versions.record import Entry, Gate, Lineage, Stage, VersionRecord
from tests.support.aws.followed import Followed

pytestmark = pytest.mark.lives
REF = Ref.from_json({"uri": "ledger/x/g0", "digest": "d", "kind": "train"})


def record(spec: ModelSpec, version: int, stage: Stage) -> VersionRecord:
    lineage = Lineage(replace(REF, digest=f"d{version}"), REF, REF, "s", "c", "p")
    entry = Entry(spec.name, "2026-01-01", lineage, Gate(passed=True))
    return VersionRecord(entry, version, f"1.{version}.0", stage, "run", "2026-01-01T00:00:00.000+00:00")


@pytest.fixture
def registry(followed: Followed) -> ModelRegistry:
    return ModelRegistry(followed.access.client("sagemaker"), followed.settings, followed.control)


def packages(followed: Followed) -> list[dict[str, Any]]:
    client = followed.access.client("sagemaker")
    listed = client.list_model_packages(ModelPackageGroupName=followed.name)["ModelPackageSummaryList"]
    found = [client.describe_model_package(ModelPackageName=each["ModelPackageArn"]) for each in listed]
    return sorted(found, key=lambda each: int(each["ModelPackageVersion"]))


def test_each_version_has_one_package_that_shows_its_stage(followed: Followed, registry: ModelRegistry) -> None:
    spec = followed.spec
    stages = (Stage.PRODUCTION, Stage.CANDIDATE, Stage.ARCHIVED)
    records = [record(spec, number + 1, stage) for number, stage in enumerate(stages)]
    registry.mirror(spec.name, records, {"champion": 1})
    registry.mirror(spec.name, records, {"champion": 1})
    shown = packages(followed)
    assert [each["ModelApprovalStatus"] for each in shown] == ["Approved", "PendingManualApproval", "Rejected"]
    assert [each["CustomerMetadataProperties"]["slipstream-stage"] for each in shown] == [str(stage) for stage in stages]
    assert shown[0]["CustomerMetadataProperties"]["slipstream-aliases"] == "champion"
    assert not any(registry.decision(each).person for each in records), "all of that is ours"
    registry.mirror(spec.name, [records[0].at(Stage.ARCHIVED), records[1].at(Stage.PRODUCTION), records[2]], {"champion": 2})
    assert [each["ModelApprovalStatus"] for each in packages(followed)] == ["Rejected", "Approved", "Rejected"]


def test_a_create_whose_answer_was_lost_is_found_by_its_key(followed: Followed, registry: ModelRegistry) -> None:
    one = record(followed.spec, 1, Stage.CANDIDATE)
    for point in ("package.create", "package.created"):
        fault.arm(Fault(point, "lose"))
        with pytest.raises(ResponseLost):
            registry.mirror(followed.spec.name, [one], {})
        fault.arm(None)
    registry.mirror(followed.spec.name, [one], {})
    assert len(packages(followed)) == 1


def test_a_persons_word_stops_a_promotion_or_is_needed_for_it_and_is_never_overwritten(
    followed: Followed, registry: ModelRegistry
) -> None:
    spec, one = followed.spec, record(followed.spec, 1, Stage.CANDIDATE)
    asks = spec.model_copy(update={"rollout": Rollout(approval="required")})
    require_approval(spec, registry, one)  # the registry does not even have it
    registry.mirror(spec.name, [one], {"candidate": 1})
    require_approval(spec, registry, one)
    with pytest.raises(GateClosed, match="waits for a person's approval"):
        require_approval(asks, registry, one)
    arn = packages(followed)[0]["ModelPackageArn"]
    kept = {"CustomerMetadataProperties": packages(followed)[0]["CustomerMetadataProperties"]}  # moto forgets what is not sent
    update = followed.access.client("sagemaker").update_model_package
    update(ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="ada: fine", **kept)
    require_approval(asks, registry, one)
    update(ModelPackageArn=arn, ModelApprovalStatus="Rejected", ApprovalDescription="ada: biased", **kept)
    registry.mirror(spec.name, [one.at(Stage.PRODUCTION)], {"champion": 1})
    with pytest.raises(GateClosed, match="was rejected by a person") as error:
        require_approval(spec, registry, one)
    assert error.value.seen == "ada: biased"
    assert packages(followed)[0]["ModelApprovalStatus"] == "Rejected"
    with pytest.raises(SpecError, match="no registry for it is switched on"):
        require_approval(asks, None, one)
    require_approval(spec, None, one)


def test_what_is_a_models_is_called_alike_and_begins_as_the_roles_allow(followed: Followed) -> None:
    settings = replace(followed.settings, environ={**followed.settings.environ, "SLIPSTREAM_SAGEMAKER_PREFIX": "staging-"})
    registry, named = ModelRegistry(followed.access.client("sagemaker"), settings, followed.control), f"staging-{followed.name}"
    registry.mirror(followed.spec.name, [record(followed.spec, 1, Stage.CANDIDATE)], {})
    assert endpoint_name(followed.spec, settings) == named
    assert followed.access.client("sagemaker").describe_model_package_group(ModelPackageGroupName=named)
