"""From feature values to the model's tensor: the one encoder of training and serving.

A category becomes its code: 1 + its place in the sorted vocabulary of the training rows; 0 is unknown. Numbers
stay; a missing one becomes its default, else NaN. `to_json` is `signature.json`, the model's contract.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from include.core.digest import digest_json
from include.core.errors import DataError
from include.core.spec import Dtype, Feature

NAN = math.nan
UNKNOWN = 0


@dataclass(frozen=True)
class Input:
    """One column of the tensor."""

    name: str
    dtype: Dtype
    default: float | str | None = None
    categories: tuple[str, ...] = ()

    @cached_property
    def codes(self) -> dict[str, float]:
        return {text: float(code) for code, text in enumerate(self.categories, start=1)}

    @property
    def missing(self) -> float:
        """What an absent value is encoded as."""
        if self.dtype == "category":
            return self.codes.get(str(self.default), UNKNOWN) if self.default is not None else UNKNOWN
        return NAN if self.default is None else float(self.default)

    @property
    def cardinality(self) -> int:
        """How many codes there are, the unknown one counted; 0 for a number."""
        return len(self.categories) + 1 if self.dtype == "category" else 0


@dataclass(frozen=True)
class Encoder:
    inputs: tuple[Input, ...]
    label: str = ""

    @classmethod
    def fit(cls, table: pa.Table, inputs: Iterable[Feature], label: str = "") -> Self:
        """Vocabularies from the training rows: `table` has a column for each input. Raises DataError."""
        return cls(tuple(_fit(table, feature) for feature in inputs), label)

    @property
    def schema(self) -> str:
        """Digest of the names and dtypes in their order: what a caller must send."""
        return digest_json([[each.name, each.dtype] for each in self.inputs])

    def encode_table(self, table: pa.Table) -> npt.NDArray[np.float32]:
        """float32 [rows, inputs]. Raises DataError naming a column that is missing or not numeric."""
        encoded = np.empty((table.num_rows, len(self.inputs)), dtype=np.float32)
        for place, each in enumerate(self.inputs):
            encoded[:, place] = _encode_column(_column(table, each.name), each)
        return encoded

    def encode_row(self, row: Mapping[str, Any]) -> list[float]:
        """The same for one row, in plain Python: a few microseconds. Raises DataError naming the field."""
        get = row.get
        try:
            return [encode(get(name)) for name, encode in self._plan]
        except (TypeError, ValueError):
            wrong = {e.name: get(e.name) for e in self.inputs if e.dtype != "category" and not _numeric(get(e.name))}
            what = f"Not a number: {', '.join(sorted(wrong))}."
            raise DataError(what, seen=wrong, hint="send a JSON number, or null where it is not known.") from None

    def encode_rows(self, rows: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.float32]:
        """`encode_row` for many rows that hold every input by name, null where unknown: float32 [rows, inputs]."""
        try:
            numbers = np.array([self._numbers(row) for row in rows], dtype=np.float64).reshape(len(rows), -1)  # None: NaN
        except (TypeError, ValueError, KeyError):  # to name the field
            return np.array([self.encode_row(row) for row in rows], dtype=np.float32)
        if self._defaults is not None:
            numbers = np.where(np.isnan(numbers), self._defaults, numbers)
        texts = [(place, each) for place, each in enumerate(self.inputs) if each.dtype == "category"]
        if not texts:
            return numbers.astype(np.float32)
        encoded = np.empty((len(rows), len(self.inputs)), dtype=np.float32)
        encoded[:, [place for place, each in enumerate(self.inputs) if each.dtype != "category"]] = numbers
        for place, each in texts:
            encode = _category(each)
            encoded[:, place] = [encode(row[each.name]) for row in rows]
        return encoded

    @cached_property
    def _numbers(self) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
        """All numeric values of a row, in order."""
        names = [each.name for each in self.inputs if each.dtype != "category"]
        if len(names) > 1:
            return itemgetter(*names)
        return lambda row: tuple(row[name] for name in names)

    @cached_property
    def _defaults(self) -> npt.NDArray[np.float64] | None:
        """What each absent number becomes; None where that is NaN for all."""
        missing = np.array([each.missing for each in self.inputs if each.dtype != "category"])
        return None if np.isnan(missing).all() else missing

    @cached_property
    def _plan(self) -> tuple[tuple[str, Callable[[Any], float]], ...]:
        return tuple((each.name, _category(each) if each.dtype == "category" else _number(each)) for each in self.inputs)

    def to_json(self) -> dict[str, Any]:
        inputs = []
        for each in self.inputs:
            entry: dict[str, Any] = {"name": each.name, "dtype": each.dtype, "default": each.default}
            inputs.append({**entry, "categories": list(each.categories)} if each.dtype == "category" else entry)
        return {"inputs": inputs, "output": "score", "label": self.label, "schema": self.schema}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Raises DataError if the inputs do not match the schema digest beside them."""
        inputs = (Input(e["name"], e["dtype"], e.get("default"), tuple(e.get("categories", ()))) for e in value["inputs"])
        encoder = cls(tuple(inputs), value["label"])
        if encoder.schema != value["schema"]:
            raise DataError("signature.json was edited: its inputs do not match its schema digest.", seen=value["schema"])
        return encoder


def _fit(table: pa.Table, feature: Feature) -> Input:
    categories: Sequence[str] = ()
    if feature.dtype == "category":
        categories = sorted(pc.unique(_column(table, feature.name).cast(pa.string())).drop_null().to_pylist())
    return Input(feature.name, feature.dtype, feature.default, tuple(categories))


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise DataError(f"The rows have no column {name!r}.", seen=table.column_names)
    return table[name]


def _encode_column(column: pa.ChunkedArray, each: Input) -> npt.NDArray[np.float64]:
    if each.dtype == "category":
        return _encode_categories(column, each)
    try:
        values: npt.NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy().copy()  # null becomes NaN
    except pa.ArrowException as error:
        raise DataError(f"Column {each.name!r} is not numeric.", seen=str(column.type)) from error
    values[np.isnan(values)] = each.missing
    return values


def _encode_categories(column: pa.ChunkedArray, each: Input) -> npt.NDArray[np.float64]:
    texts = column.cast(pa.string())
    codes = pc.fill_null(pc.index_in(texts, value_set=pa.array(each.categories, pa.string())), -1)
    encoded: npt.NDArray[np.float64] = codes.to_numpy().astype(np.float64) + 1
    encoded[texts.is_null().to_numpy()] = each.missing
    return encoded


def _category(each: Input) -> Callable[[Any], float]:
    codes, missing = each.codes, each.missing
    return lambda value: missing if value is None else codes.get(value, UNKNOWN)


def _number(each: Input) -> Callable[[Any], float]:
    missing = each.missing

    def encode(value: Any) -> float:
        if value is None or value != value:  # NaN is the one value that is not itself
            return missing
        return float(value)

    return encode


def _numeric(value: Any) -> bool:
    return value is None or isinstance(value, int | float)
