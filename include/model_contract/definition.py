"""Definitions that outlive the code: a view with the SQL of one version of it, for any day.

A model carries the definitions it was trained on (`definitions` in signature.json). So its features are computed for as
long as it is routed to, whatever the code says meanwhile. The SQL of one day differs from another's by its dates alone:
a definition holds it with the dates as distances, `{{day-7}}` (include/model_contract/sql_template.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from include.core.control import ControlStore
from include.core.errors import DataError
from include.core.ledger import Ledger
from include.core.partition import Partition
from include.core.request import Json, Ref, Result
from include.core.spec import Feature, Features, View
from include.model_contract.sql_template import filled, samples, template
from include.model_contract.view_version import pinned, queries, version, versions
from include.request_features.definition import RequestFeatures, misfits
from include.routing.route import route_in
from include.versions.queries import stored_in


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
    """The views of a `features` result, as it was computed; the spec's for one from before versions were kept."""
    made = result.value.get("definitions")
    if not made:
        return stamped(features.views, result.value.get("versions", {}))
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
    lacking = [
        f"view {name!r} was trained on as version {pins[name]}, present is {present.get(name, 'none')}"
        for name in names
        if present.get(name) != pins[name] and (name not in known or not known[name].sql)
    ]
    by_name = {view.name: view for view in stamped(features.views, present)}
    views = tuple(by_name[name] if present.get(name) == pins[name] else known[name].view for name in names if not lacking)
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
    """What a model in service reads whose versions nobody can compute any more: what is left of them."""
    return stamped(features.views, pinned(signature))


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
    """Which definitions the routed versions of a model read."""

    definitions: tuple[Definition, ...]  # pinned ones, each once
    unpinned: bool  # whether a routed version pins nothing: it reads rows without a version


def routed_pins(control: ControlStore, ledger: Ledger, model: str) -> Pins:
    """Reads the route, the versions it names and their signatures."""
    with control.transaction() as connection:
        _, route = route_in(connection, model)
        records = stored_in(connection, model)
    signatures = [signature_of(ledger, records[version]) for version in sorted(route.named & records.keys())]
    found = {
        (name, each.view.version): each
        for signature in signatures
        for name, each in _definitions_of(signature).items()
        if pinned(signature).get(name) == each.view.version
    }
    return Pins(tuple(found[key] for key in sorted(found)), any(not pinned(signature) for signature in signatures))


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
