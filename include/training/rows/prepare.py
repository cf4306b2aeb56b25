"""A training set becomes blocks of encoded rows in random order: two passes over its Parquet file, a batch of rows in memory.

The first finds the split, checks the labels and fits the encoder (include/training/rows/scan.py). The second encodes. Every
training row is dealt to one of some piles on disk at random, and each pile is shuffled in memory and cut into blocks: together
that is a uniform permutation (Rao 1961; Sandelius 1962), whatever the size of the set. Validation rows stay in order of time.

The same file and seed give the same bytes, so an attempt that finds the blocks of an earlier one damaged makes them anew, and a
fit that was killed in the middle of an epoch goes on with them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.core.scratch import scratch_folder
from include.core.spec import Feature
from include.core.storage import Storage
from include.model_contract.encoder import Encoder, Form
from include.problems.label_counts import LabelCounts
from include.problems.problem import Problem
from include.training.checks import check_truth, encoded_rows, require_letters
from include.training.rows import scan
from include.training.rows.blocks import NEWEST, TRAIN, VALIDATION, Writer, prepared
from include.training.rows.layout import Layout
from include.training.rows.order import LANES
from include.training.rows.streamed import StreamedRows
from include.training.split import MINIMUM, SHARE, TIME, too_few

log = logging.getLogger(__name__)

BLOCK_BYTES = 2 << 20  # of a block: LANES of them and a few more are in memory of one worker
BLOCK_ROWS = 256, 1 << 16  # at least and at most
PILE_BYTES = 64 << 20  # of a pile, which is shuffled in memory
KEPT_NEWEST = 100_000  # rows of `StreamedRows.last`
_DEAL, _PILE = 3, 4  # what a random stream is for, beside the seed


@dataclass(frozen=True)
class Asked:
    """What is asked of a training set, however its rows are held."""

    label: str
    problem: Problem
    features: tuple[Feature, ...]
    form: Form
    seed: int

    def encoder_of(self, tables: Iterator[pa.Table]) -> Encoder:
        """Of the rows of the training part. Raises DataError for inputs that its form cannot hold."""
        encoder = Encoder.fit_batches(tables, self.features, self.label, self.form)
        if encoder.form == "tensor":
            encoder.check_tensor()
        return encoder


@dataclass(frozen=True)
class Place:
    """Where blocks are kept, and where piles are made on the way. `most`: rows of a part that may be read whole."""

    storage: Storage
    folder: str
    scratch: Path
    most: int = 0


def streamed_rows(path: Path, asked: Asked, place: Place) -> tuple[StreamedRows, StreamedRows, Encoder]:
    """The training and the validation rows, and the encoder, from the blocks at that place, which are made if need be.

    Raises DataError as the same training set does in memory, StorageFullError.
    """
    storage, folder = place.storage, place.folder
    found = prepared(storage, folder)
    if found is None:
        with scratch_folder(place.scratch) as local:
            _prepare(scan.in_order(path, local), asked, Writer(storage, folder), local)
        found = prepared(storage, folder)
    if found is None:
        raise RuntimeError(f"{folder} does not hold the blocks that were written there")
    parts, more = found
    train, validation = (StreamedRows(parts[name], storage, place.most) for name in (TRAIN, VALIDATION))
    return train.with_newest(parts[NEWEST]), validation.with_newest(parts[VALIDATION]), Encoder.from_json(more["encoder"])


def _prepare(path: Path, asked: Asked, writer: Writer, scratch: Path) -> None:
    rows = pq.read_metadata(path).num_rows
    older = _split(path, asked, rows)
    log.info("streaming %d rows: %d to train on, %d to validate with", rows, older, rows - older)
    encoder = asked.encoder_of(scan.tables(path, _names(path, asked), 0, older))
    texts = [each.name for each in encoder.inputs if each.dtype == "text"]
    require_letters(scan.tables(path, texts, 0, older), texts)

    def encoded(first: int, end: int) -> Iterator[pa.Table]:
        for table in scan.tables(path, None, first, end):
            yield layout.table(encoded_rows(encoder, table, asked.label, asked.problem))

    first = encoded_rows(encoder, next(scan.tables(path, None, 0, scan.BATCH)), asked.label, asked.problem)
    layout = Layout.of(first)
    size = _block_rows(layout.table(first), older)
    piles = -(-older * _row_bytes(layout.table(first)) // PILE_BYTES)
    for table in _blocks(_shuffled(encoded(0, older), piles, asked.seed, scratch), size):
        writer.write(TRAIN, table)
    for part, begin, end in ((NEWEST, max(0, older - KEPT_NEWEST), older), (VALIDATION, older, rows)):
        for table in _blocks(encoded(begin, end), size):
            writer.write(part, table)
    writer.finish(layout, {"encoder": encoder.to_json()})


def _split(path: Path, asked: Asked, rows: int) -> int:
    """How many of the rows are trained on. Raises DataError where either part is too small, or its labels tell nothing."""
    cut = int(rows * (1 - SHARE))
    older = scan.rows_before(path, cut)
    known, newer = (LabelCounts(asked.problem, asked.label) for _ in range(2))
    names = list(dict.fromkeys((asked.label, TIME, *asked.problem.value.columns)))
    for labels, first, end in ((known, 0, older), (newer, older, rows)):
        for table in scan.tables(path, [*names], first, end):
            labels.add(table)
    for labels in (known.with_those_of(newer), known):
        if asked.problem.too_few(labels.truth, 1) or asked.problem.absent(labels.truth):
            check_truth(labels.whole, asked.label, asked.problem)
        if min(older, rows - older) < MINIMUM:
            raise too_few(rows)
    return older


def _names(path: Path, asked: Asked) -> list[str] | None:
    """The columns that the vocabularies are of; all of the file's where it lacks one, so that the error shows what there is."""
    names = [each.name for each in asked.features if each.dtype == "category"]
    return names if set(names) <= set(pq.read_schema(path).names) else None


def _row_bytes(table: pa.Table) -> int:
    return max(1, int(table.nbytes) // len(table))


def _block_rows(table: pa.Table, rows: int) -> int:
    """Small enough that each lane reads many blocks, and that a block for each lane fits into memory."""
    least, most = BLOCK_ROWS
    by_size, by_number = BLOCK_BYTES // _row_bytes(table), rows // (LANES * LANES)
    return min(most, max(least, min(by_size, by_number)))


def _shuffled(tables: Iterator[pa.Table], piles: int, seed: int, folder: Path) -> Iterator[pa.Table]:
    """All rows in random order, a pile at a time."""
    deal = np.random.default_rng([seed % 2**32, _DEAL])
    paths = [folder / f"pile-{number}.arrow" for number in range(piles)]
    with ExitStack() as stack:
        writers: list[pa.ipc.RecordBatchStreamWriter] = []
        for table in tables:
            if not writers:
                files = [stack.enter_context(pa.OSFile(str(path), "wb")) for path in paths]
                writers = [stack.enter_context(pa.ipc.new_stream(file, table.schema)) for file in files]
            places = deal.integers(0, piles, len(table))
            dealt, ends = table.take(pa.array(np.argsort(places, kind="stable"))), np.cumsum(np.bincount(places, minlength=piles))
            for writer, begin, end in zip(writers, [0, *ends[:-1]], ends, strict=True):
                writer.write_table(dealt.slice(begin, end - begin))
    for number, path in enumerate(paths):
        with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as stream:
            pile = stream.read_all()
        path.unlink()
        draw = np.random.default_rng([seed % 2**32, _PILE, number])
        yield pile.take(pa.array(draw.permutation(len(pile))))


def _blocks(tables: Iterator[pa.Table], size: int) -> Iterator[pa.Table]:
    """The same rows in the same order, `size` at a time; the last may be fewer."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        whole = sum(map(len, held)) // size * size
        if whole:
            joined = pa.concat_tables(held)
            for start in range(0, whole, size):
                yield joined.slice(start, size).combine_chunks()
            held = [joined.slice(whole)]
    if sum(map(len, held)):
        yield pa.concat_tables(held).combine_chunks()
