"""What `slipstream status` says of a model's rows online: whether the store holds what is published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from include.cli.context import CliContext
from include.core.catalog import load_owner
from include.core.errors import SlipstreamError
from include.core.request import Json
from include.core.time import utc_now
from include.overview.standing import Overview

if TYPE_CHECKING:
    from include.core.spec import PartitionOwner, View


@dataclass(frozen=True)
class Online:
    words: Sequence[str] = ()  # lines for people; none before anything is published
    problems: Sequence[str] = ()
    views: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> Json:
        return {"views": dict(self.views), "problems": list(self.problems)}


def online_facts(context: CliContext, seen: Overview) -> Online:
    """Asks the online store. What hinders that is a line, too: this command reports what is wrong, whatever it is."""
    if not seen.partitions.days:
        return Online()
    try:
        return _look(context, load_owner(seen.model, context.settings.models))
    except (SlipstreamError, FileNotFoundError) as error:
        why = f"cannot be read: {error.what if isinstance(error, SlipstreamError) else error}"
        return Online([why], [why])


def _look(context: CliContext, spec: PartitionOwner) -> Online:
    from include.features.online.presence import presence, published_rows  # Arrow: not where nothing is published

    now = utc_now()
    store = context.online()
    read = _views(context, spec)
    found = presence(store, spec, read, published_rows(context.control, spec.name, read), now)
    wrong = [f"{each.words}: slipstream features catch-up {each.view.owner(spec.name)}" for each in found if each.words]
    views = {f"{each.view.name}@{each.view.version}": {"empty": each.empty, "lost_days": each.lost} for each in found}
    return Online(wrong or [f"{sum(each.holds for each in found)} of {len(found)} views hold rows"], wrong, views)


def _views(context: CliContext, spec: PartitionOwner) -> list[View]:
    """What the routed versions read; before the first of them what the code says now. Of a feature set what the code says, and
    what is kept for them."""
    from include.core.spec import FeatureSet
    from include.model_contract.definition import pins_of, present_views, read_by

    if isinstance(spec, FeatureSet):
        kept = [each.view for each in pins_of(context.control, context.ledger, spec).definitions]
        now = list(present_views(spec.features))
        return [*now, *(view for view in kept if (view.name, view.version) not in {(each.name, each.version) for each in now})]
    named, unpinned = read_by(context.control, context.ledger, spec.name)
    return [*named, *(spec.features.views if unpinned else ())] or list(present_views(spec.features))
