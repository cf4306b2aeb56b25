"""SageMaker's Model Registry beside the registry of the installation: a package group a model, a package a version.

A package is found by the registration key in its metadata, which is asked for before one is made; and it is made under a token
of that key, so that two who make it at once make one. What we last wrote as its approval is in its metadata, too: an approval
that differs from it is a person's, and is never overwritten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from include.backends.aws.errors import reaching
from include.backends.sagemaker.endpoint_parts import is_missing, is_taken, model_name
from include.core import environment_aws, fault
from include.core.control import ControlStore
from include.core.digest import digest_json
from include.core.documents import DocumentKind
from include.core.errors import SpecError
from include.core.ports import OpenAws
from include.core.settings import Settings
from include.core.versioned import Format
from include.governance.approval import Decision
from include.versions.record import Stage, VersionRecord

PENDING, APPROVED, REJECTED = "PendingManualApproval", "Approved", "Rejected"
SHOWN = {Stage.STAGING: PENDING, Stage.CANDIDATE: PENDING, Stage.PRODUCTION: APPROVED, Stage.ARCHIVED: REJECTED}
KEY, WROTE = "slipstream-key", "slipstream-approval"
PACKAGES = DocumentKind("model_package", Format("a version's package in SageMaker"))
MIME = ["application/json"]


class ModelRegistry:
    """The ports `RegistryLabels` and `Approvals`. `client`: boto3's of sagemaker."""

    def __init__(self, client: Any, settings: Settings, control: ControlStore) -> None:
        self._client, self._settings, self._control = client, settings, control

    def mirror(self, model: str, records: Sequence[VersionRecord], aliases: Mapping[str, int]) -> None:
        """A package for each version, its stage and aliases in its metadata, and its approval unless a person has decided."""
        with reaching(f"the package group {self._group(model)}", safe="the traffic does not wait for it."):
            self._ensure_group(model)
            for record in records:
                names = sorted(alias for alias, version in aliases.items() if version == record.version)
                self._show(record, names)

    def decision(self, record: VersionRecord) -> Decision:
        with reaching(f"the package of version {record.version} of {record.entry.model}", safe="the traffic stays where it is."):
            arn = self._known(record) or self._found(record)
            if not arn:
                return Decision()
            package = self._client.describe_model_package(ModelPackageName=arn)
        wrote = package.get("CustomerMetadataProperties", {}).get(WROTE, "")
        status = package.get("ModelApprovalStatus", PENDING)
        return Decision(status, status != wrote, str(package.get("ApprovalDescription") or ""))

    # -- one package ---------------------------------------------------------------------------------------------------------

    def _show(self, record: VersionRecord, names: Sequence[str]) -> None:
        arn = self._known(record) or self._found(record)
        wanted, about = SHOWN[record.stage], self._about(record, names)
        if not arn:
            fault.point("package.create")
            arn = self._make(record, {**about, WROTE: PENDING})
            fault.point("package.created")
        PACKAGES.save(self._control, self._document(record), record.entry.model, {"arn": arn})
        package = self._client.describe_model_package(ModelPackageName=arn)
        status, known = package.get("ModelApprovalStatus", PENDING), package.get("CustomerMetadataProperties", {})
        by_a_person = status != known.get(WROTE, "")
        if by_a_person:  # their word stands, and so does what we wrote before it
            wanted = status
        meant = {**about, WROTE: known.get(WROTE, PENDING) if by_a_person else wanted}
        if status == wanted and all(known.get(name) == value for name, value in meant.items()):
            return
        said = package.get("ApprovalDescription") if by_a_person else f"slipstream: {record.stage}"
        self._client.update_model_package(
            ModelPackageArn=arn,
            ModelApprovalStatus=wanted,
            ApprovalDescription=str(said or "")[:1024],
            CustomerMetadataProperties={**known, **meant},
        )

    def _make(self, record: VersionRecord, about: Mapping[str, str]) -> str:
        image = environment_aws.SAGEMAKER_IMAGE.read(self._settings.environ)
        if not image:
            raise SpecError(
                f"{environment_aws.SAGEMAKER_IMAGE.name} is not set, and a package of SageMaker's Model Registry names an image.",
                safe="the version is registered, and is not shown in SageMaker.",
                hint=f"set it, or switch {environment_aws.SAGEMAKER_REGISTRY.name} off.",
            )
        made = self._client.create_model_package(
            ModelPackageGroupName=self._group(record.entry.model),
            ModelPackageDescription=f"{record.entry.model} {record.semver}, version {record.version}",
            ModelApprovalStatus=PENDING,
            InferenceSpecification={
                "Containers": [{"Image": image}],
                "SupportedContentTypes": MIME,
                "SupportedResponseMIMETypes": MIME,
            },
            CustomerMetadataProperties=dict(about),
            ClientToken=digest_json([self._settings.root, record.entry.key])[:32],
        )
        return str(made["ModelPackageArn"])

    def _about(self, record: VersionRecord, names: Sequence[str]) -> dict[str, str]:
        return {
            KEY: record.entry.key,
            "slipstream-version": str(record.version),
            "slipstream-semver": record.semver,
            "slipstream-stage": str(record.stage),
            "slipstream-aliases": " ".join(names) or "-",
            "slipstream-gate": "passed" if record.entry.gate.passed else "closed",
        }

    # -- finding it ----------------------------------------------------------------------------------------------------------

    def _document(self, record: VersionRecord) -> str:
        return f"package/{self._group(record.entry.model)}/{record.entry.key}"

    def _known(self, record: VersionRecord) -> str:
        kept = PACKAGES.load(self._control, self._document(record))
        return str(kept.body["arn"]) if kept is not None else ""

    def _found(self, record: VersionRecord) -> str:
        """The package with the version's key, of a create whose answer was lost; empty where there is none."""
        for arn in self._arns(record.entry.model):
            about = self._client.describe_model_package(ModelPackageName=arn).get("CustomerMetadataProperties", {})
            if about.get(KEY) == record.entry.key:
                return arn
        return ""

    def _arns(self, model: str) -> Iterator[str]:
        """Of the group's packages, oldest first."""
        more: dict[str, str] = {}
        while True:
            try:
                page = self._client.list_model_packages(
                    ModelPackageGroupName=self._group(model), SortBy="CreationTime", SortOrder="Ascending", MaxResults=100, **more
                )
            except ClientError as error:
                if is_missing(error):
                    return
                raise
            yield from (each["ModelPackageArn"] for each in page["ModelPackageSummaryList"])
            if not page.get("NextToken"):
                return
            more = {"NextToken": page["NextToken"]}

    def _ensure_group(self, model: str) -> None:
        group = self._group(model)
        try:
            self._client.describe_model_package_group(ModelPackageGroupName=group)
        except ClientError as error:
            if not is_missing(error):
                raise
            try:
                tags = [{"Key": "slipstream:root", "Value": self._settings.root[:256]}]
                self._client.create_model_package_group(ModelPackageGroupName=group, Tags=tags)
            except ClientError as second:
                if not is_taken(second):
                    raise

    def _group(self, model: str) -> str:
        return model_name(model, self._settings)


def open_model_registry(settings: Settings, control: ControlStore, aws: OpenAws) -> ModelRegistry:
    return ModelRegistry(aws().client("sagemaker"), settings, control)
