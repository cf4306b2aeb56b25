"""From feature values to what the model takes: the one encoder of training and serving.

A model takes one tensor, or columns (`form`). In a tensor a category becomes its code: 1 + its place in the sorted vocabulary of
the training rows; 0 is unknown. Numbers stay, a truth is 0 or 1; a missing one becomes its default, else NaN. A vector takes as
many places as it has numbers. In columns (include/model_contract/columns.py) texts and categories stay text.
`to_json` is `signature.json`, the model's contract.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from include.core.digest import digest_json
from include.core.errors import DataError
from include.core.spec import Feature
from include.model_contract.batch import Columns, Encoded, Floats
from include.model_contract.columns import columns_of_rows, columns_of_table, vector_of, vectors_of_column, vectors_of_values
from include.model_contract.input import NAN, UNKNOWN, Input

__all__ = ["NAN", "UNKNOWN", "Encoder", "Form", "Input"]

Form = Literal["tensor", "columns"]


@dataclass(frozen=True)
class Encoder:
    inputs: tuple[Input, ...]
    label: str = ""
    form: Form = "tensor"

    @classmethod
    def fit(cls, table: pa.Table, inputs: Iterable[Feature], label: str = "", form: Form = "tensor") -> Self:
        """Vocabularies from the training rows: `table` has a column for each input. Raises DataError."""
        return cls.fit_batches([table], inputs, label, form)

    @classmethod
    def fit_batches(cls, tables: Iterable[pa.Table], inputs: Iterable[Feature], label: str = "", form: Form = "tensor") -> Self:
        """The same of rows that come in several tables, of which one is in memory at a time."""
        features = tuple(inputs)
        found: dict[str, set[str]] = {feature.name: set() for feature in features if feature.dtype == "category"}
        for table in tables if found else ():
            for name, values in found.items():
                values.update(pc.unique(_column(table, name).cast(pa.string())).drop_null().to_pylist())
        known = (Input(each.name, each.dtype, each.default, tuple(sorted(found.get(each.name, ())))) for each in features)
        return cls(tuple(known), label, form)

    @property
    def schema(self) -> str:
        """Digest of the names and dtypes in their order: what a caller must send."""
        return digest_json([[each.name, each.dtype] for each in self.inputs])

    @cached_property
    def places(self) -> tuple[str, ...]:
        """The names of the tensor's places, or of the matrix of numbers where the model takes columns."""
        return tuple(place for each in self.inputs for place in each.places)

    @property
    def width(self) -> int:
        """How many numbers a row of the tensor has."""
        return len(self.places)

    @cached_property
    def blocks(self) -> list[slice]:
        """The places of each input: one, as many as a vector's numbers, or none of a text."""
        starts = {each.name: start for start, each in self._starts}
        return [slice(start := starts.get(each.name, 0), start + len(each.places)) for each in self.inputs]

    @cached_property
    def code_places(self) -> list[int]:
        """Which places hold codes of a category."""
        return [start for start, each in self._starts if each.dtype == "category"]

    # -- whole tables -----------------------------------------------------------------------------------------------------

    def encode_table(self, table: pa.Table) -> Encoded:
        """The rows as the model takes them: float32 [rows, width], or columns.

        Raises DataError naming a column that is missing or of another type.
        """
        return self.encode_columns(table) if self.form == "columns" else self.encode_tensor(table)

    def encode_tensor(self, table: pa.Table) -> Floats:
        """float32 [rows, width], for a model that takes one tensor. Raises DataError for a text, which has no place in one."""
        self.check_tensor()
        return self.encode_matrix(table)

    def encode_columns(self, table: pa.Table) -> Columns:
        """An array an input. Raises DataError."""
        return columns_of_table(table, self.inputs)

    def encode_matrix(self, table: pa.Table) -> Floats:
        """What of the inputs is numbers, whatever the model takes: float32 [rows, width], texts left out. Raises DataError."""
        encoded = np.empty((table.num_rows, self.width), dtype=np.float32)
        for start, each in self._starts:
            column = _column(table, each.name)
            if each.length:
                encoded[:, start : start + each.length] = vectors_of_column(column, each)
            else:
                encoded[:, start] = _encode_column(column, each)
        return encoded

    def check_tensor(self) -> None:
        """Raises DataError for inputs that one tensor of numbers cannot hold."""
        texts = [each.name for each in self.inputs if each.dtype == "text"]
        if texts:
            raise DataError(
                f"A model that takes one tensor of numbers cannot read text: {', '.join(texts)}.",
                seen={"inputs": self.form},
                safe="nothing was trained or scored.",
                hint='say training.inputs="columns" in the spec and have `fit` write a model of columns '
                "(docs/inputs.md), or make it a category, a vector or numbers.",
            )

    # -- rows that were asked ---------------------------------------------------------------------------------------------

    def encode_row(self, row: Mapping[str, Any]) -> list[float]:
        """One row of the tensor, in plain Python: a few microseconds. Raises DataError naming the field."""
        get = row.get
        try:
            if self._vectors:
                return self._with_vectors(get)
            return [encode(get(name)) for name, encode in self._plan]
        except (TypeError, ValueError):
            wrong = {e.name: get(e.name) for e in self.inputs if e.is_number and not _numeric(get(e.name))}
            what = f"Not a number: {', '.join(sorted(wrong))}."
            raise DataError(what, seen=wrong, hint="send a JSON number, or null where it is not known.") from None

    def encode_rows(self, rows: Sequence[Mapping[str, Any]]) -> Encoded:
        """Many rows that hold every input by name, null where unknown, as the model takes them. Raises DataError."""
        if self.form == "columns":
            return columns_of_rows(rows, self.inputs)
        try:
            numbers = np.array([self._numbers(row) for row in rows], dtype=np.float64).reshape(len(rows), -1)  # None: NaN
        except (TypeError, ValueError, KeyError):  # to name the field
            return np.array([self.encode_row(row) for row in rows], dtype=np.float32)
        if self._defaults is not None:
            numbers = np.where(np.isnan(numbers), self._defaults, numbers)
        if self._only_numbers:
            return numbers.astype(np.float32)
        encoded = np.empty((len(rows), self.width), dtype=np.float32)
        encoded[:, self._number_places] = numbers
        for start, name, encode in self._categories:
            encoded[:, start] = [encode(row[name]) for row in rows]
        for start, each in self._vectors:
            encoded[:, start : start + each.length] = vectors_of_values([row.get(each.name) for row in rows], each)
        return encoded

    def _with_vectors(self, get: Callable[[str], Any]) -> list[float]:
        found: list[float] = []
        vectors = {each.name: each for _, each in self._vectors}
        for name, encode in self._plan:
            found.extend(vector_of(get(name), vectors[name]).tolist()) if name in vectors else found.append(encode(get(name)))
        return found

    @cached_property
    def _starts(self) -> tuple[tuple[int, Input], ...]:
        """The first place of each input that has places."""
        starts, place = [], 0
        for each in self.inputs:
            if each.places:
                starts.append((place, each))
                place += len(each.places)
        return tuple(starts)

    @cached_property
    def _vectors(self) -> tuple[tuple[int, Input], ...]:
        return tuple((start, each) for start, each in self._starts if each.length)

    @cached_property
    def _only_numbers(self) -> bool:
        self.check_tensor()
        return all(each.is_number for each in self.inputs)

    @cached_property
    def _number_places(self) -> list[int]:
        return [start for start, each in self._starts if each.is_number]

    @cached_property
    def _categories(self) -> tuple[tuple[int, str, Callable[[Any], float]], ...]:
        return tuple((start, each.name, _category(each)) for start, each in self._starts if each.dtype == "category")

    @cached_property
    def _numbers(self) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
        """All numbers of a row, in order."""
        names = [each.name for each in self.inputs if each.is_number]
        if len(names) > 1:
            return itemgetter(*names)
        return lambda row: tuple(row[name] for name in names)

    @cached_property
    def _defaults(self) -> npt.NDArray[np.float64] | None:
        """What each absent number becomes; None where that is NaN for all."""
        missing = np.array([each.missing for each in self.inputs if each.is_number])
        return None if np.isnan(missing).all() else missing

    @cached_property
    def _plan(self) -> tuple[tuple[str, Callable[[Any], float]], ...]:
        self.check_tensor()
        return tuple((each.name, _category(each) if each.dtype == "category" else _number(each)) for each in self.inputs)

    # -- the contract -----------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        written = {
            "inputs": [each.to_json() for each in self.inputs],
            "output": "score",
            "label": self.label,
            "schema": self.schema,
        }
        # A tensor is not mentioned, as ever: a signature is part of what an import is known by.
        return written if self.form == "tensor" else {**written, "form": self.form}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Raises DataError if the inputs do not match the schema digest beside them, or the form is none."""
        form = value.get("form", "tensor")
        if form not in ("tensor", "columns"):
            raise DataError("signature.json says a form of inputs that is not known here.", seen=form, hint="upgrade Slipstream.")
        encoder = cls(tuple(Input.from_json(each) for each in value["inputs"]), value["label"], form)
        if encoder.schema != value["schema"]:
            raise DataError("signature.json was edited: its inputs do not match its schema digest.", seen=value["schema"])
        return encoder


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
