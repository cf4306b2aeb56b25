"""A model's spec with the views of the feature sets that it reads: looked up by name when the spec is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from include.core.errors import SpecError
from include.core.nearest import did_you_mean
from include.core.spec import Features, FeatureSet, ModelSpec, View


def with_sets(spec: ModelSpec, load: Callable[[str], FeatureSet]) -> ModelSpec:
    """The same spec, whole: after its own views those of `features.sets`, in the order in which they are named.

    `load` gives the set of a name. Raises SpecError for a set or a view that is not there, and whatever the whole spec is
    refused for: a name that two of them have, a slice by a feature that none of them has.
    """
    found = dict[tuple[str, str], View]()
    for asked in spec.features.sets:
        for view in _views(spec, asked, load):
            found.setdefault((view.set, view.name), view)  # `weather` and `weather.hourly` name the one twice
    written = {name: getattr(spec.features, name) for name in Features.model_fields}  # `dict` would take `keys` for a mapping's
    features = Features(**{**written, "views": (*spec.features.own, *found.values())})
    return ModelSpec(**{**dict(spec), "features": features})


def _views(spec: ModelSpec, asked: str, load: Callable[[str], FeatureSet]) -> Iterator[View]:
    name, _, wanted = asked.partition(".")
    try:
        found = load(name)
    except SpecError as error:
        raise SpecError(
            f"Model {spec.name!r} reads the feature set {name!r}, which cannot be had: {error.what}",
            seen=error.seen,
            safe="the other models are not touched; what is served of this one goes on until its process is started again.",
            hint=error.hint or "restore the set's folder, or take it out of features.sets and train a version without it.",
        ) from error
    views = [view for view in found.features.views if wanted in ("", view.name)]
    if not views:
        names = [view.name for view in found.features.views]
        raise SpecError(
            f"Model {spec.name!r} reads the view {wanted!r} of the feature set {name!r}, which has no such view.",
            seen=asked,
            hint=did_you_mean(wanted, names, f"views of {name}"),
        )
    yield from (found.shared(view) for view in views)
