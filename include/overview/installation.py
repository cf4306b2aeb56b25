"""What the pages about features read from: the stores and the specs of an installation, as `include.services` opens them."""

from __future__ import annotations

from typing import Protocol

from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.settings import Settings
from include.core.spec import ModelSpec, PartitionOwner
from include.online_store.store import OnlineStore


class Installation(Protocol):
    @property
    def settings(self) -> Settings: ...

    @property
    def control(self) -> ControlStore: ...

    @property
    def ledger(self) -> Ledger: ...

    def online(self) -> OnlineStore: ...

    def spec(self, model: str) -> ModelSpec:
        """Raises SpecError for an unknown model."""
        ...

    def owner(self, name: str) -> PartitionOwner:
        """The model or feature set of that name. Raises SpecError for an unknown one."""
        ...

    def model_names(self) -> list[str]: ...

    def feature_set_names(self) -> list[str]: ...
