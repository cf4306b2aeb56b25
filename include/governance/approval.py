"""What a person has decided about a version in a registry elsewhere: asked before a version is offered traffic, and before it is
promoted. The control store decides what is in production; a person's no is a no all the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from include.core.adapters import adapter
from include.core.control import ControlStore
from include.core.environment_aws import SAGEMAKER_REGISTRY
from include.core.errors import GateClosed, SpecError
from include.core.ports import OpenAws
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.governance.mirror import RegistryLabels
from include.versions.record import VersionRecord


@dataclass(frozen=True)
class Decision:
    """What the registry says of a version. `person`: that somebody else than this installation said it last."""

    status: str = "PendingManualApproval"
    person: bool = False
    words: str = ""

    @property
    def rejected(self) -> bool:
        return self.person and self.status == "Rejected"

    @property
    def approved(self) -> bool:
        return self.person and self.status == "Approved"


class Approvals(RegistryLabels, Protocol):
    """A registry in which people approve versions."""

    def decision(self, record: VersionRecord) -> Decision:
        """What is decided of a version; pending for one that the registry does not have yet."""


def open_approvals(settings: Settings, control: ControlStore, aws: OpenAws) -> Approvals | None:
    """SageMaker's Model Registry, where the settings switch it on."""
    if not SAGEMAKER_REGISTRY.is_on(settings.environ):
        return None
    opener: Callable[[Settings, ControlStore, OpenAws], Approvals] = adapter("approvals.sagemaker")
    return opener(settings, control, aws)


class Both:
    """Two registries' labels, behind the port of one. The second is shown what the first is, whatever became of that."""

    def __init__(self, first: RegistryLabels, second: RegistryLabels) -> None:
        self._first, self._second = first, second

    def mirror(self, model: str, records: Sequence[VersionRecord], aliases: Mapping[str, int]) -> None:
        try:
            self._first.mirror(model, records, aliases)
        finally:
            self._second.mirror(model, records, aliases)


def require_approval(spec: ModelSpec, approvals: Approvals | None, record: VersionRecord) -> None:
    """Raises GateClosed where a person has rejected the version, or the spec asks for a person's approval and there is none.

    SpecError where it asks for one and no registry is switched on in which it could be given.
    """
    needed = spec.rollout.approval == "required"
    if approvals is None:
        if needed:
            raise SpecError(
                f"The spec of {spec.name} asks for a person's approval, and no registry for it is switched on.",
                safe="the traffic stays where it is.",
                hint=f"set {SAGEMAKER_REGISTRY.name}=true, or take the field out of the spec.",
            )
        return
    decided = approvals.decision(record)
    if decided.rejected or (needed and not decided.approved):
        what = "was rejected by a person" if decided.rejected else "waits for a person's approval"
        raise GateClosed(
            f"Version {record.version} of {spec.name} {what} in SageMaker's Model Registry.",
            seen=decided.words or decided.status,
            safe="no traffic goes to it that it did not have.",
            hint="approve it there (ModelApprovalStatus), then start its rollout anew: slipstream restore.",
        )
