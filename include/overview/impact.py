"""What a change of a definition touches before it lands: the working tree's views against the published ones.

Nothing is computed, and nothing is changed. A view's version is a digest of its SQL, keys, features, ttl and arrival column, so
what the working tree says is compared by what it would compute, not by its text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Literal

from include.core.catalog import owner_names
from include.core.errors import DataError, PermanentError
from include.core.ledger import Ledger
from include.core.nearest import did_you_mean
from include.core.partition import Partition
from include.core.request import Ref, Result
from include.core.spec import FeatureSet, PartitionOwner
from include.data.published import published
from include.experiment_state.queries import live_models_in
from include.model_contract.definition import Definition, definitions
from include.overview.installation import Installation
from include.overview.readers import LiveReader, Readers, find_readers
from include.point_in_time.known import days_of
from include.rollout_state.queries import challengers_in
from include.versions.queries import training_sets

State = Literal["unchanged", "changed", "new", "gone"]


@dataclass(frozen=True)
class ViewImpact:
    """One view. `days`: the published days that another definition made, and that are to be computed again."""

    view: str
    state: State
    published: str  # the version of the newest published day; empty for none
    present: str  # that of the working tree
    because: tuple[str, ...]
    days: int
    first: str
    last: str
    models: tuple[str, ...]  # whose specs read it
    live: tuple[LiveReader, ...]  # routed versions, with what they pin
    stranded: tuple[LiveReader, ...]  # those whose version nobody could compute any more

    def to_json(self) -> dict[str, Any]:
        lists = {name: [each.to_json() for each in getattr(self, name)] for name in ("live", "stranded")}
        return {**asdict(self), **lists, "because": list(self.because), "models": list(self.models)}


@dataclass(frozen=True)
class Impact:
    owner: str
    kind: str  # "model" or "feature_set"
    published_days: int
    views: tuple[ViewImpact, ...]
    seconds: float  # that computing the days again would take, by what they took
    rollouts: tuple[dict[str, Any], ...]  # under way, of models that read a changed view
    experiments: tuple[str, ...]  # models whose traffic one holds, of the same
    dags: tuple[str, ...]  # that compute or read what changes
    training_sets: tuple[dict[str, Any], ...]  # of registered versions that were made of what changes
    broken: Mapping[str, str] = field(default_factory=dict)  # models that cannot be loaded: what they read is not known

    @property
    def changed(self) -> tuple[ViewImpact, ...]:
        return tuple(view for view in self.views if view.state != "unchanged")

    @property
    def touched(self) -> bool:
        """Whether the change touches anything: before the first published day there is nothing that it could."""
        return bool(self.changed) and bool(self.published_days or any(view.live for view in self.changed))

    @property
    def days(self) -> int:
        """To be computed again: a day is made with all of its views."""
        return max((view.days for view in self.views), default=0)

    def to_json(self) -> dict[str, Any]:
        lists = {name: list(getattr(self, name)) for name in ("rollouts", "experiments", "dags", "training_sets")}
        return {
            "owner": self.owner, "kind": self.kind, "changed": [view.view for view in self.changed],
            "published_days": self.published_days, "days": self.days, "seconds": self.seconds,
            "views": [view.to_json() for view in self.views], **lists, "broken": dict(self.broken),
        }  # fmt: skip


def impact(services: Installation, owner: str, view: str = "") -> Impact:
    """Of a model's or feature set's definitions as the working tree has them; of one view if it is named.

    A folder that is gone, of whose days some are published, is a set or model whose views are all gone. Raises SpecError for
    a spec that cannot be loaded, DataError for a view that is neither in the tree nor published.
    """
    spec = services.owner(owner) if owner in owner_names(services.settings.models) else None
    present = definitions(spec.features.computed) if spec is not None and spec.features.own else {}
    results = _results(services, owner)
    known = find_readers(services.model_names(), services.spec, services.control, services.ledger)
    # A day from before versions were recorded is taken as it is.
    made = {day: result.value["versions"] for day, result in results.items() if result.value.get("versions") is not None}
    newest = made[max(made)] if made else {}
    names = [
        *present,
        *(name for name in dict.fromkeys(each for views in made.values() for each in views) if name not in present),
    ]
    names = [name for name in names if name in present or name in newest or known.live_of(owner, name)]
    if view and view not in names:
        raise DataError(f"{owner} has no view {view!r}.", seen=view, hint=did_you_mean(view, names, f"views of {owner}"))
    views = tuple(_of_view(owner, name, present.get(name), made, results, known) for name in names if view in ("", name))
    return _whole(services, owner, spec, views, results, known)


def _of_view(
    owner: str, name: str, present: Definition | None, made: Mapping[Partition, Mapping[str, str]],
    results: Mapping[Partition, Result], known: Readers,
) -> ViewImpact:  # fmt: skip
    newest = made[max(made)] if made else {}
    published_version, version = newest.get(name, ""), present.view.version if present else ""
    other = sorted(day for day, views in made.items() if views.get(name, "") != version)
    state = "unchanged" if results and not made else _state(published_version, version, bool(made))
    before = _definition(results[max(made)], name) if made else None
    live = known.live_of(owner, name)
    return ViewImpact(
        view=name,
        state=state,
        published=published_version,
        present=version,
        because=tuple(_because(before, present)) if state == "changed" else (),
        days=len(other),
        first=str(other[0]) if other else "",
        last=str(other[-1]) if other else "",
        models=tuple(known.models(owner, name)),
        live=tuple(live),
        stranded=tuple(each for each in live if each.pins != version and not each.kept),
    )


def _state(before: str, now: str, anything: bool) -> State:
    if not before:
        return "new" if now or not anything else "gone"
    if not now:
        return "gone"
    return "unchanged" if before == now else "changed"


def _because(before: Definition | None, now: Definition | None) -> Iterator[str]:
    """What differs between two definitions, a phrase each."""
    if before is None or now is None:
        yield "what the published days were computed by was not kept"
        return
    old, new = before.view, now.view
    if before.sql != now.sql:
        yield "its SQL"
    if old.keys != new.keys:
        yield f"its keys: {', '.join(old.keys)} became {', '.join(new.keys)}"
    olds, news = {each.name: each.dtype for each in old.features}, {each.name: each.dtype for each in new.features}
    yield from (f"feature {name} is gone" for name in olds if name not in news)
    yield from (f"feature {name} is new" for name in news if name not in olds)
    both = (name for name in news if name in olds and news[name] != olds[name])
    yield from (f"feature {name} is {news[name]}, was {olds[name]}" for name in both)
    if old.ttl != new.ttl:
        yield f"its ttl: {old.ttl} became {new.ttl}"
    if old.created != new.created:
        yield f"its arrival column: {old.created} became {new.created}"


def _whole(
    services: Installation, owner: str, spec: PartitionOwner | None, views: Sequence[ViewImpact],
    results: Mapping[Partition, Result], known: Readers,
) -> Impact:  # fmt: skip
    changed = [view for view in views if view.state != "unchanged"]
    touched = sorted({name for view in changed for name in (*view.models, *(each.model for each in view.live))})
    with services.control.transaction() as connection:
        challengers, tried = challengers_in(connection), live_models_in(connection)
    days = max((view.days for view in views), default=0)
    took = [result.seconds for result in results.values()]
    shared = isinstance(spec, FeatureSet) or owner not in known.specs
    parts = ("training", "scoring", "monitoring")
    dags = [*([f"{owner}_features", f"{owner}_features_range"] if changed else []), *(f"{m}_{p}" for m in touched for p in parts)]
    return Impact(
        owner=owner,
        kind="feature_set" if shared else "model",
        published_days=len(results),
        views=tuple(views),
        seconds=round(days * sum(took) / len(took), 1) if took else 0.0,
        rollouts=tuple({"model": model, "challenger": challengers[model]} for model in touched if model in challengers),
        experiments=tuple(model for model in touched if model in tried),
        dags=tuple(dags),
        training_sets=tuple(_training_sets(services, owner, touched, changed, shared=shared)),
        broken=known.broken,
    )


def _training_sets(
    services: Installation, owner: str, models: Sequence[str], changed: Sequence[ViewImpact], *, shared: bool
) -> Iterator[dict[str, Any]]:
    """Of registered versions whose training set read days of the owner, by another version of a changed view than the tree's."""
    present = {view.view: view.present for view in changed}
    for model in models:
        for version, stage, as_of, ref in training_sets(services.control, model):
            made = _resolved(services.ledger, ref)
            if made is None:
                continue
            read = days_of(services.ledger.request(made.key).inputs, owner if shared else "")
            views = {name: made.value.get("views", {}).get(name, "") for name in present}
            other = {name: of for name, of in views.items() if of and of != present[name]}
            if other:
                yield {"model": model, "version": version, "stage": stage, "as_of": as_of, "days": len(read), "views": other}


def _results(services: Installation, owner: str) -> dict[Partition, Result]:
    """Of the published days whose result is there."""
    found = {}
    for day, ref in published(services.control, owner, date.min, date.max).items():
        if (made := _resolved(services.ledger, ref)) is not None:
            found[day] = made
    return found


def _resolved(ledger: Ledger, ref: Ref) -> Result | None:
    try:
        return ledger.resolve(ref)
    except (PermanentError, FileNotFoundError):
        return None


def _definition(result: Result, name: str) -> Definition | None:
    made = result.value.get("definitions", {}).get(name)
    return Definition.from_json(made) if made else None
