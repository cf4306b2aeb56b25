"""The rows that trials in processes share: mapped where they are arrays, and the same."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np

from include.training.search.shared import Shared
from tests.support.search_example import material


def test_rows_are_mapped_and_not_handed_over(tmp_path: Path) -> None:
    given = material()
    weights = np.arange(len(given.train), dtype=np.float32)
    given = replace(given, train=replace(given.train, weights=weights))
    shared = Shared.write(given, tmp_path)
    assert len(pickle.dumps(shared)) < 10_000 < given.train.features.nbytes
    read = pickle.loads(pickle.dumps(shared)).read()
    assert isinstance(read.train.features, np.memmap)
    for name in ("features", "labels", "weights", "days"):
        assert np.array_equal(getattr(read.train, name), getattr(given.train, name), equal_nan=True), name
    assert np.array_equal(read.validation.labels, given.validation.labels)
    assert read.validation.weights is None
    assert read.signature == given.signature


def test_what_is_no_plain_array_goes_along(tmp_path: Path) -> None:
    given = material()
    columns = {"wind": given.train.features[:, 0]}
    given = replace(given, train=replace(given.train, columns=columns))
    read = Shared.write(given, tmp_path).read()
    assert np.array_equal(read.train.columns["wind"], columns["wind"], equal_nan=True)  # type: ignore[index]
