"""A shadow of recommendations: the list that another version would have shown, beside the one that was.

The shadow makes a list of its own, from the same request: its query vector, its items, its ranker. For each item that was shown
the log gets the place that the item has in that list; one that is not in it stands behind its end. The share of them that the
shadow would have shown as well, `overlap`, is what two lists are compared by: scores of two rankers have no common scale. The
judge's distance of a ranking's shadow (include/problems/ranking.py) is what is missing from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from include.core.spec import ModelSpec, Ranking, View
from include.core.time import precise
from include.prediction_log.record import SHADOW, Record
from include.serving.models.loaded_model import LoadedModel, ModelError
from include.serving.ranking.ranked import Candidate, candidates, empty_row, ranked, views_of

Fetch = Callable[[str, tuple[View, ...], Sequence[Mapping[str, Any]], datetime], Sequence[Mapping[str, Any]]]
Shown = tuple[str, str, float]  # an item that was shown: the record's id, the item, and its score


class ListCopy(msgspec.Struct, array_like=True, gc=False):
    """A request for recommendations to answer once more, and what was answered."""

    version: int  # of the shadow
    generation: int
    unit: str
    answered: int | None  # version
    entity: dict[str, Any]
    features: dict[str, Any]
    seen: list[str]
    at: int
    event_time: str
    row: dict[str, Any] | None  # of the query, as the answering version read it; None where the shadow reads other views
    shown: list[Shown]


def shadow_list(spec: ModelSpec, model: LoadedModel, copy: ListCopy, fetch: Fetch) -> list[Record]:
    """A record for each item that was shown. Never raises: what goes wrong is the records' error."""
    try:
        order = _own_list(spec, model, copy, fetch)
    except Exception as error:  # noqa: BLE001 - a store or a runtime may raise anything
        what = error.what if isinstance(error, ModelError) else f"version {model.version} made no list: {error!s:.200}"
        return [_record(copy, place, None, None, what) for place in range(len(copy.shown))]
    places = {each.item: place for place, each in enumerate(order)}
    scores = {each.item: each.score for each in order}
    behind = max(len(order), spec.problem.at if isinstance(spec.problem, Ranking) else 0)
    return [_record(copy, at, scores.get(item), places.get(item, behind), None) for at, (_, item, _) in enumerate(copy.shown)]


def _own_list(spec: ModelSpec, model: LoadedModel, copy: ListCopy, fetch: Fetch) -> list[Candidate]:
    assert isinstance(spec.problem, Ranking)
    key, moment, views = spec.problem.item, datetime.fromisoformat(copy.event_time), views_of(spec, model)
    row = copy.row
    if row is None:
        (known,) = fetch(spec.name, views.query, [{**copy.entity, key: ""}], moment) if views.query else ({},)
        row = {**empty_row(model, spec), **known, **copy.features}
        model.compute([row], moment)
    items, _ = candidates(model, row, copy.seen)
    entities = [{**copy.entity, key: item} for item in items]
    found = fetch(spec.name, views.item, entities, moment) if views.item and items else [{}] * len(items)
    return ranked(model, row, items, found, moment)


def _record(copy: ListCopy, at: int, score: float | None, place: int | None, error: str | None) -> Record:
    name, _, shown = copy.shown[at]
    return Record(
        kind=SHADOW, id=name, at=precise(), unit=copy.unit, version=copy.version, score=score, error=error, against=shown,
        against_version=copy.answered, generation=copy.generation, place=place, against_place=at,
    )  # fmt: skip


def overlap(records: Iterable[Record], at: int) -> float | None:
    """The share of the items that were shown in the first `at` places which the shadow would have shown there, too.

    None where nothing was shown. A list that the shadow could not make overlaps in nothing.
    """
    shown = [each.place for each in records if each.against_place is not None and each.against_place < at]
    return sum(place is not None and place < at for place in shown) / len(shown) if shown else None
