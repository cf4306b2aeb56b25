"""What a version brings for retrieval: its items, what finds the nearest of them, and the encoder of queries.

The files stand beside `model.onnx` in the result of the training:

    items.safetensors   ids, vectors, popular items (include/retrieval/items.py)
    query.onnx          some of the model's inputs to the query's vector, float32 [n, width]
    items.faiss         an index, of more than about 100,000 items
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from include.core.errors import DataError, IntegrityError
from include.model_contract.encoder import Encoder
from include.model_contract.model import Model, open_model
from include.retrieval.items import ITEMS, Floats, Items, read_items
from include.retrieval.nearest import INDEX, Nearest, open_nearest, write_index

QUERY = "query.onnx"
FILES = (ITEMS, QUERY, INDEX)


@dataclass(frozen=True)
class Retrieval:
    """Of one version. Safe for one thread at a time, as the model is."""

    items: Items
    nearest: Nearest = field(repr=False)
    encoder: Encoder = field(repr=False)
    model: Model = field(repr=False)

    def vector(self, row: Mapping[str, Any]) -> Floats | None:
        """The query's vector float32 [width], of a row that holds the model's inputs by name, null where unknown.

        None where nothing is known that could say what is near: a vector of zeros. Raises DataError for an encoder that gives
        something else, and what the encoder raises.
        """
        found = np.asarray(self.model.score(self.encoder.encode_rows([row])))
        if found.size != self.items.width or not np.isfinite(found).all():
            raise DataError(
                f"The query encoder gave no vector of {self.items.width} numbers.", seen=f"{found.shape}: {found.ravel()[:5]}"
            )
        vector = found.reshape(-1).astype(np.float32, copy=False)
        return vector if vector.any() else None

    def candidates(self, row: Mapping[str, Any], vector: Floats | None, seen: Collection[str]) -> list[str]:
        """Ids of what is to be ranked: the nearest, or without a vector the popular ones; then those that the row names.

        Each once, without what was seen, by the caller or by the row.
        """
        gone = {*seen, *listed(row, self.items.seen)}
        found = self._near(vector, gone)
        named = (item for item in listed(row, self.items.also) if item not in gone)
        return list(dict.fromkeys([*found, *named]))

    def _near(self, vector: Floats | None, gone: Collection[str]) -> list[str]:
        count, left_out = self.items.candidates, self.items.places_of(gone)
        if vector is None:
            places = self.items.popular
        else:
            places, _ = self.nearest.search(vector, count + len(left_out))
        if len(left_out):
            places = places[~np.isin(places, left_out)]
        ids = self.items.ids
        return [ids[place] for place in places[:count].tolist()]


def listed(row: Mapping[str, Any], name: str) -> list[str]:
    """The ids that an input lists."""
    text = row.get(name) if name else None
    return text.split() if isinstance(text, str) else []


def write_retrieval(folder: Path, items: Items, query: bytes) -> dict[str, Path]:
    """Write a version's files into a folder, for `TrainingJob.ship`. The same items give the same bytes.

    :param query: the ONNX file of the query's encoder, whose inputs are `items.inputs`
    Raises DataError for items that are none, or so many that they need an index which cannot be made.
    """
    paths = {ITEMS: folder / ITEMS, QUERY: folder / QUERY}
    items.write(paths[ITEMS])
    paths[QUERY].write_bytes(query)
    if write_index(folder / INDEX, items.vectors):
        paths[INDEX] = folder / INDEX
    return paths


def open_retrieval(files: Mapping[str, Path], encoder: Encoder) -> Retrieval | None:
    """What a version brings, opened; None where it brings nothing.

    :param files: those of the version that are in FILES, by name
    :param encoder: the model's
    Raises IntegrityError for files that do not belong together, and what an unusable model file raises.
    """
    if not files:
        return None
    lacking = [name for name in (ITEMS, QUERY) if name not in files]
    if lacking:
        raise IntegrityError(
            f"The version brings {sorted(files)} and lacks {', '.join(lacking)}.",
            safe="it answers nobody.",
            hint="have `fit` ship what include.retrieval.version:write_retrieval returned, whole.",
        )
    items = read_items(files[ITEMS])
    found = Retrieval(items, open_nearest(items, files.get(INDEX)), _part(encoder, items), open_model(files[QUERY]))
    _check(found)
    return found


def _part(encoder: Encoder, items: Items) -> Encoder:
    """The encoder of the inputs that the query is made of."""
    by_name = {each.name: each for each in encoder.inputs}
    unknown = [name for name in (*items.inputs, *filter(None, (items.seen, items.also))) if name not in by_name]
    if unknown or not items.inputs:
        raise IntegrityError(
            "The query is made of inputs that the model does not have.", seen=unknown, safe="it answers nobody.",
            hint=f"the model has {', '.join(by_name)}.",
        )  # fmt: skip
    return replace(encoder, inputs=tuple(by_name[name] for name in items.inputs))


def _check(retrieval: Retrieval) -> None:
    """Raises IntegrityError for an encoder that makes no vector of these items' of a row of defaults."""
    row = {each.name: each.default for each in retrieval.encoder.inputs}
    try:
        retrieval.candidates(row, retrieval.vector(row), ())
    except Exception as error:  # a vendor's runtime may raise anything
        raise IntegrityError(
            f"The query encoder does not go with the items beside it: {str(error).strip()[:200]}",
            safe="it answers nobody.",
            hint="train the version again.",
        ) from error
