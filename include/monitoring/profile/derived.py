"""What is watched of texts and vectors: a few numbers of each, which the drift test judges as any other column.

    review.length     characters
    review.known      the share of its words that are among the champion's commonest; missing where it has no word
    review.distance   1 - the cosine between its hashed words and the mean of the champion's; missing where it has no word
    review.empty      1 where it has no letter, else 0
    embedding.norm      its length
    embedding.distance  from the mean of the champion's
    embedding.zero      1 where it is zero throughout, or not finite, else 0

Words are counted into 256 places by a hash (Weinberger et al. 2009, feature hashing), so no vocabulary need be kept to compare
two texts by what they are about. The basis (the mean, the hashes of the commonest words) lies with the axis of the champion.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]

PLACES = 256  # that words are hashed into
KNOWN = 2000  # so many of the champion's commonest words
# Of a word that few texts have it is chance whether it was among the champion's: more of those are known in its own past windows
# than in any later one, which would be taken for drift.
TEXTS, SHARE = 20, 200  # a known word is in so many texts at least, and in one of so many
LETTERS = re.compile(r"[^\W\d_]")
WORDS = re.compile(r"\w+")
TEXT = ("length", "known", "distance", "empty")
VECTOR = ("norm", "distance", "zero")


def basis_of(column: pa.ChunkedArray, measure: str, *, text: bool) -> tuple[float, ...]:
    """What a measure compares with, from the champion's rows; empty for one that compares with nothing."""
    if text and measure == "known":
        counts = Counter(chain.from_iterable(map(set, _words(column))))
        least = max(TEXTS, len(column) // SHARE)
        ranked = sorted(((word, n) for word, n in counts.items() if n >= least), key=lambda pair: (-pair[1], pair[0]))
        return tuple(sorted({float(_hash(word)) for word, _ in ranked[:KNOWN]}))
    if measure != "distance":
        return ()
    rows = _embedded(_words(column)) if text else _matrix(column)
    known = rows[np.isfinite(rows).all(axis=1)]
    return tuple(known.mean(axis=0).tolist()) if len(known) else ()


def derived(column: pa.ChunkedArray, measures: Sequence[tuple[str, tuple[float, ...]]], *, text: bool) -> list[Floats]:
    """Each measure, with its basis, of each value: float64 [rows], NaN where the value is missing."""
    missing = np.asarray(column.is_null().to_numpy(), bool)
    found = _of_texts(column, measures) if text else _of_vectors(column, measures)
    return [np.where(missing, np.nan, values) for values in found]


def _of_texts(column: pa.ChunkedArray, measures: Sequence[tuple[str, tuple[float, ...]]]) -> list[Floats]:
    texts = [text or "" for text in column.cast(pa.string()).to_pylist()]
    words = _words(column)
    made: dict[str, Any] = {
        "length": lambda _: np.array([len(text) for text in texts], np.float64),
        "empty": lambda _: np.array([LETTERS.search(text) is None for text in texts], np.float64),
        "known": lambda basis: _known(words, basis),
        "distance": lambda basis: _cosine_distance(_embedded(words), basis),
    }
    return [made[measure](basis) for measure, basis in measures]


def _of_vectors(column: pa.ChunkedArray, measures: Sequence[tuple[str, tuple[float, ...]]]) -> list[Floats]:
    rows = _matrix(column)
    norm: Floats = np.sqrt(np.square(rows).sum(axis=1)) if rows.shape[1] else np.full(len(rows), np.nan)
    found = []
    for measure, basis in measures:
        if measure == "norm":
            found.append(norm)
        elif measure == "zero":
            found.append((~np.isfinite(norm) | (norm == 0)).astype(np.float64))
        else:
            found.append(_euclidean_distance(rows, basis))
    return found


def _words(column: pa.ChunkedArray) -> list[list[str]]:
    return [WORDS.findall((text or "").lower()) for text in column.cast(pa.string()).to_pylist()]


def _hash(word: str) -> int:
    return zlib.crc32(word.encode(errors="replace"))


def _hashes(words: Iterable[Iterable[str]]) -> dict[str, int]:
    return {word: _hash(word) for word in set(chain.from_iterable(words))}


def _embedded(words: list[list[str]]) -> Floats:
    """[rows, PLACES]: counts of hashed words, each row of length 1; NaN where there is no word."""
    places = {word: code % PLACES for word, code in _hashes(words).items()}
    rows = np.repeat(np.arange(len(words)), [len(each) for each in words])
    flat = np.fromiter((places[word] for each in words for word in each), np.int64, count=len(rows))
    counts = np.bincount(rows * PLACES + flat, minlength=len(words) * PLACES).reshape(len(words), PLACES).astype(np.float64)
    lengths = np.sqrt(np.square(counts).sum(axis=1, keepdims=True))
    with np.errstate(invalid="ignore"):
        embedded: Floats = counts / lengths
    return embedded


def _known(words: list[list[str]], basis: tuple[float, ...]) -> Floats:
    common = set(basis)
    known = {word: float(code) in common for word, code in _hashes(words).items()}
    return np.array([sum(known[word] for word in each) / len(each) if each else np.nan for each in words])


def _cosine_distance(rows: Floats, basis: tuple[float, ...]) -> Floats:
    mean = np.array(basis)
    length = np.sqrt(np.square(mean).sum()) if len(basis) else 0.0
    if not length:
        return np.full(len(rows), np.nan)
    distance: Floats = 1 - rows @ (mean / length)
    return distance


def _euclidean_distance(rows: Floats, basis: tuple[float, ...]) -> Floats:
    if len(basis) != rows.shape[1]:
        return np.full(len(rows), np.nan)
    distance: Floats = np.sqrt(np.square(rows - np.array(basis)).sum(axis=1))
    return distance


def _matrix(column: pa.ChunkedArray) -> Floats:
    """[rows, n] of a column of lists, NaN where one is missing, or of another length than the longest."""
    lists = column.combine_chunks()
    if pa.types.is_null(lists.type):
        return np.empty((len(lists), 0))
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    length = int(lengths.max(initial=0))
    whole = lengths == length
    found = np.full((len(lists), length), np.nan)
    if length:
        numbers = pc.list_flatten(lists.filter(pa.array(whole))).cast(pa.float64()).to_numpy(zero_copy_only=False)
        found[whole] = numbers.reshape(-1, length)
    return found
