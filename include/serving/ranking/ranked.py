"""One version's list for one query: its vector, the items near it, what is known of them, and the ranker's order.

Reading features is the caller's: the gateway reads without making its event loop wait, the shadow's process just reads.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from include.core.spec import ModelSpec, Ranking, View
from include.retrieval.version import Retrieval
from include.serving.models.loaded_model import LoadedModel, ModelError

Row = dict[str, Any]  # inputs of the model by name


class Candidate(NamedTuple):
    """One item of a list. `features`: every input of its row."""

    item: str
    score: float
    features: Row


class Views(NamedTuple):
    """The views of a version: of whoever asks, and of an item, or of both together."""

    query: tuple[View, ...]
    item: tuple[View, ...]


def views_of(spec: ModelSpec, model: LoadedModel) -> Views:
    assert isinstance(spec.problem, Ranking)
    item, views = spec.problem.item, model.views or spec.features.views
    return Views(tuple(view for view in views if item not in view.keys), tuple(view for view in views if item in view.keys))


def retrieval_of(model: LoadedModel) -> Retrieval:
    """Raises ModelError for a version that brings nothing."""
    if model.retrieval is None:
        raise ModelError(f"version {model.version} brings no items to recommend")
    return model.retrieval


def empty_row(model: LoadedModel, spec: ModelSpec) -> Row:
    """Every input, nothing known."""
    return {feature.name: None for feature in model.inputs or spec.features.inputs}


def candidates(model: LoadedModel, row: Row, seen: Collection[str]) -> tuple[list[str], bool]:
    """Ids of what is to be ranked, and whether they are near the query: else they are the popular ones. Raises ModelError."""
    found = retrieval_of(model)
    try:
        vector = found.vector(row)
        return found.candidates(row, vector, seen), vector is not None
    except Exception as error:  # a vendor's runtime may raise anything: no caller may see it
        raise ModelError(f"version {model.version} found no candidates: {str(error).strip()[:200]}") from error


def ranked(
    model: LoadedModel, row: Row, items: Sequence[str], known: Sequence[Mapping[str, Any]], moment: datetime
) -> list[Candidate]:
    """Best first; of equal scores the one that was nearer. Raises ModelError.

    `known`: the features of each item; `moment`: that is asked about (UTC, no zone).
    """
    if not items:
        return []
    rows = [{**row, **features} for features in known]
    model.compute(rows, moment)
    scores = model.score_all(rows)
    found = [Candidate(item, _number(score), each) for item, score, each in zip(items, scores, rows, strict=True)]
    return sorted(found, key=lambda each: -each.score)


def _number(score: float | list[float]) -> float:
    if isinstance(score, list):  # the loaded model checks its outputs: a ranking has one
        raise ModelError("a ranker gave several outputs")
    return score
