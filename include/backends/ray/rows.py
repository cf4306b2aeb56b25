"""Rows of a training set on their way to the workers: as arrays in the cluster's memory, or by the names of their blocks."""

from __future__ import annotations

from typing import Any

from include.core.storage import Storage
from include.training.job import Rows
from include.training.rows.streamed import StreamedRows

Handed = Any  # what a worker's configuration holds of rows


def hand_over(rows: Rows) -> Handed:
    """Rows in memory go into the cluster once. Of streamed ones nothing goes: each worker reads its share from the storage."""
    if isinstance(rows, StreamedRows):
        return rows.part
    import ray  # not before train.attach(), which says how it is to log

    return [None if each is None else ray.put(each) for each in (rows.features, rows.labels, rows.weights)]


def received(handed: Handed, storage: Storage) -> Rows:
    """The rows of a worker, from what the driver has handed over."""
    if not isinstance(handed, list):
        return StreamedRows(handed, storage)
    import ray

    features, labels, weights = handed
    return Rows(ray.get(features), ray.get(labels), weights=None if weights is None else ray.get(weights))
