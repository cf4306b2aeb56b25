"""The stores behind the Models page, and the specs as they are in their folders now."""

from __future__ import annotations

from functools import cache, cached_property

from include.core.catalog import is_set
from include.core.changed_code import ChangedCode
from include.core.spec import FeatureSet, ModelSpec, PartitionOwner
from include.services.services import Services


class LookingOn(Services):
    """The API server lives as long as an installation: a spec or a rule that was changed beneath it is read anew."""

    @cached_property
    def _changed(self) -> ChangedCode:
        return ChangedCode(self.settings.models)

    def spec(self, model: str) -> ModelSpec:
        self._changed.look(model)
        found = super().spec(model)
        changed = [self._changed.look(each.partition(".")[0]) for each in found.features.sets]
        return super().spec(model) if any(changed) else found

    def feature_set(self, name: str) -> FeatureSet:
        self._changed.look(name)
        return super().feature_set(name)

    def owner(self, name: str) -> PartitionOwner:
        return self.feature_set(name) if is_set(name, self.settings.models) else self.spec(name)


@cache
def services() -> Services:
    """Of the API server: its own environment holds every login that the page needs."""
    return LookingOn.from_env()
