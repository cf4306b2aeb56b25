"""Definitions that outlive the code: a view with the SQL of one version of it, for any day.

A model carries the definitions it was trained on (`definitions` in signature.json). So its features are computed for as
long as it is routed to, whatever the code says meanwhile. The SQL of one day differs from another's by its dates alone:
a definition holds it with the dates as distances, `{{day-7}}` (include/model_contract/sql_template.py).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from include.core.control import ControlStore
from include.core.errors import DataError, PermanentError
from include.core.ledger import Ledger
from include.core.partition import Partition
from include.core.request import Json, Ref, Result
from include.core.spec import Feature, Features, FeatureSet, PartitionOwner, View
from include.model_contract.sql_template import filled, samples, template
from include.model_contract.view_version import pinned, queries, version, versions
from include.request_features.definition import RequestFeatures, misfits
from include.routing.route import models_in, route_in
from include.versions.queries import stored_in

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Definition:
    view: View  # with its version
    sql: str  # with places for the dates; "" where two days differ by more than dates

    def on(self, day: Partition | date) -> str:
        """The SQL of a partition. Raises DataError where the definition cannot be had without its code."""
        if not self.sql:
            raise DataError(
                f"Version {self.view.version} of view {self.view.name!r} cannot be computed any more: from day to day its SQL "
                "differed by more than dates.",
                safe="what is online of it stays until its time to live.",
                hint="roll out a version that was trained on the present definition.",
            )
        return filled(self.sql, self.view.cadence, self.view.cadence.of(day))

    def to_json(self) -> dict[str, Json]:
        return {"view": self.view.model_dump(mode="json"), "sql": self.sql}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(View.model_validate(value["view"]), value["sql"])


def definitions(features: Features) -> dict[str, Definition]:
    """The present definition of each view. Raises DataError if `features.build` gives no SQL for one."""
    asked = queries(features, samples)
    views = stamped(features.views, {view.name: version(view, asked[view.name][0]) for view in features.views})
    return {view.name: Definition(view, template(asked[view.name], view.cadence)) for view in views}


def stamped(views: Iterable[View], present: Mapping[str, str]) -> tuple[View, ...]:
    """The views as these versions of them."""
    return tuple(view.model_copy(update={"version": present.get(view.name, "")}) for view in views)


def present_views(features: Features) -> tuple[View, ...]:
    """The views as the present versions of them."""
    return stamped(features.views, versions(features))


def views_of(result: Result, features: Features) -> tuple[View, ...]:
    """The owner's own views of a `features` result, as it was computed; the spec's for one from before versions were kept."""
    made = result.value.get("definitions")
    if not made:
        return stamped(features.own, result.value.get("versions", {}))
    return tuple(Definition.from_json(value).view for value in made.values())


def views_of_model(signature: Mapping[str, Any], features: Features) -> tuple[View, ...]:
    """The views that a model reads online: the versions it pins, or without pins what is there without a version.

    Raises DataError naming what differs if neither the code nor the model has a version that it pins, or if an input
    is in none of them.
    """
    pins = pinned(signature)
    if not pins:
        _require(misfits(signature, features, [feature for view in features.views for feature in view.features]))
        return features.views
    known = _definitions_of(signature)
    present = versions(features)
    names = [view.name for view in features.views if view.name in pins] + [n for n in pins if n not in present]
    by_name = {view.name: view for view in stamped(features.views, present)}

    def is_present(name: str) -> bool:
        """A view that has moved into a feature set, or out of one, has its rows elsewhere though its definition is the same."""
        return present.get(name) == pins[name] and (name not in known or known[name].view.set == by_name[name].set)

    lacking = [
        f"view {name!r} was trained on as version {pins[name]}, present is {present.get(name, 'none')}"
        for name in names
        if not is_present(name) and (name not in known or not known[name].sql)
    ]
    views = tuple(by_name[name] if is_present(name) else known[name].view for name in names if not lacking)
    looked_up = [feature for view in views for feature in view.features]
    own = RequestFeatures.of_signature(signature)
    available = [*looked_up, *features.sent, *(own.computed if own else ())]
    _require(lacking or misfits(signature, features, looked_up) or _without_source(signature, available))
    return views


def _require(problems: Sequence[str]) -> None:
    if problems:
        raise DataError(
            f"The model does not fit the features: {'; '.join(problems)}.",
            safe="it answers nobody.",
            hint="train a version on the present features, or restore the code it was trained by.",
        )


def fallback_views(signature: Mapping[str, Any], features: Features) -> tuple[View, ...]:
    """What a model in service reads whose versions nobody can compute any more: what is left of them, where it lies."""
    known, views = _definitions_of(signature), stamped(features.views, pinned(signature))
    return tuple(view.model_copy(update={"set": known[view.name].view.set}) if view.name in known else view for view in views)


def _without_source(signature: Mapping[str, Any], available: Iterable[Feature]) -> list[str]:
    dtypes = {feature.name: feature.dtype for feature in available}
    return [
        f"input {column['name']!r} is gone"
        if column["name"] not in dtypes
        else f"input {column['name']!r} is {dtypes[column['name']]}, was {column['dtype']}"
        for column in signature["inputs"]
        if dtypes.get(column["name"]) != column["dtype"]
    ]


def _definitions_of(signature: Mapping[str, Any]) -> dict[str, Definition]:
    return {name: Definition.from_json(value) for name, value in (signature.get("definitions") or {}).items()}


# -- what the routed versions of a model pin ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pins:
    """Which of an owner's definitions the routed versions read: a model's own version, or of a feature set all models'."""

    definitions: tuple[Definition, ...]  # pinned ones, each once
    unpinned: bool  # whether a routed version pins nothing: it reads rows without a version


def pins_of(control: ControlStore, ledger: Ledger, spec: PartitionOwner) -> Pins:
    """What is pinned of the views of a model, or of a feature set."""
    return routed_pins(control, ledger, spec.name, shared=isinstance(spec, FeatureSet))


def routed_pins(control: ControlStore, ledger: Ledger, owner: str, *, shared: bool = False) -> Pins:
    """Reads the route, the versions it names and their signatures; for a feature set (`shared`) those of all models.

    Who reads a set is what the routed versions pin, whatever the code says of their models by now: a version of the set is
    kept for as long as one of them pins it.
    """
    found: dict[tuple[str, str], Definition] = {}
    unpinned = False
    for model, _, signature in _routed(control, ledger, None if shared else owner):
        unpinned |= model == owner and not shared and not pinned(signature)
        for name, each in _pinned_of(signature, model, owner):
            found[name, each.view.version] = each
    return Pins(tuple(found[key] for key in sorted(found)), unpinned)


def read_by(control: ControlStore, ledger: Ledger, model: str) -> tuple[list[View], bool]:
    """The views, its own and those of feature sets, that the routed versions of a model pin, each once; and whether one of the
    versions pins nothing."""
    found: dict[tuple[str, str, str], View] = {}
    unpinned = False
    for _, _, signature in _routed(control, ledger, model):
        pins = pinned(signature)
        unpinned |= not pins
        views = [each.view for name, each in _definitions_of(signature).items() if pins.get(name) == each.view.version]
        found |= {(view.set, view.name, view.version): view for view in views}
    return [found[key] for key in sorted(found)], unpinned


def readers(control: ControlStore, ledger: Ledger) -> dict[tuple[str, str, str], list[tuple[str, int, bool]]]:
    """By owner, view and version of the view: the routed versions that read it, as model and number, and whether the version
    of the view can be computed by what they brought."""
    found: dict[tuple[str, str, str], list[tuple[str, int, bool]]] = {}
    for model, number, signature in _routed(control, ledger, None):
        known = _definitions_of(signature)
        for name, pins in pinned(signature).items():
            owner = known[name].view.owner(model) if name in known else model
            kept = name in known and known[name].view.version == pins and bool(known[name].sql)
            found.setdefault((owner, name, pins), []).append((model, number, kept))
    return found


def _pinned_of(signature: Mapping[str, Any], model: str, owner: str) -> Iterator[tuple[str, Definition]]:
    pins = pinned(signature)
    for name, each in _definitions_of(signature).items():
        if each.view.owner(model) == owner and pins.get(name) == each.view.version:
            yield name, each


def _routed(control: ControlStore, ledger: Ledger, only: str | None) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Model, number and signature of each routed version: of one model, or of all.

    Of all, a version whose record is damaged for good is passed over and logged: no gateway can load it any more, and it must
    not keep the features of the others from coming online.
    """
    with control.transaction() as connection:
        models = [only] if only is not None else sorted(models_in(connection))
        named = {model: route_in(connection, model)[1].named for model in models}
        records = {model: stored_in(connection, model) for model in models}
    for model in models:
        for number in sorted(named[model] & records[model].keys()):
            try:
                signature = signature_of(ledger, records[model][number])
            except (PermanentError, FileNotFoundError) as error:
                if only is not None:
                    raise
                log.warning("version %d of %s is routed to and cannot be read, so it pins nothing: %s", number, model, error)
                continue
            yield model, number, signature


def of_other_versions(control: ControlStore, ledger: Ledger, model: str, present: Mapping[str, str]) -> list[int]:
    """The registered versions of a model that pin another version of a view than the present ones."""
    with control.transaction() as connection:
        records = stored_in(connection, model)
    pins = {version: pinned(signature_of(ledger, record)) for version, record in records.items()}
    return sorted(number for number, views in pins.items() if any(present.get(n, of) != of for n, of in views.items()))


def computing_otherwise(control: ControlStore, ledger: Ledger, model: str, features: Features) -> list[int]:
    """The registered versions of a model that compute something else of a request than the spec does."""
    with control.transaction() as connection:
        records = stored_in(connection, model)
    present = RequestFeatures.of(features)
    made = {number: RequestFeatures.of_signature(signature_of(ledger, record)) for number, record in records.items()}
    return sorted(number for number, own in made.items() if own != present)


def signature_of(ledger: Ledger, record: Mapping[str, Any]) -> Mapping[str, Any]:
    """signature.json of a registered version."""
    result = ledger.resolve(Ref.from_json(record["train"]))
    value: Mapping[str, Any] = json.loads(ledger.storage.read(result.files["signature.json"].path))
    return value
