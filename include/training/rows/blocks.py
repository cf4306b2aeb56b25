"""Blocks of encoded rows in the storage: what a streamed training set is read from, by any number of workers.

    {folder}/{part}-{number}.{digest}.parquet    one row group; the digest of its bytes is in its name
             manifest.{digest}                   the blocks of each part in their order; written last

A block is a file of its own: a worker reads those of its share and nothing else, with one request each from S3, and
checks every one of them against its name. Nothing here knows what the order of a fit is (include/training/rows/order.py).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from include.core.digest import digest_bytes
from include.core.errors import JobFailedError
from include.core.storage import Storage
from include.core.versioned import Format
from include.training.checkpoint import CheckpointStore
from include.training.rows.layout import Layout

MANIFEST = Format("the manifest of a streamed training set")
TRAIN, VALIDATION, NEWEST = "train", "validation", "newest"  # parts; the last of them is the newest rows of the first, again


@dataclass(frozen=True)
class Block:
    """One file. `name` is below the folder."""

    name: str
    rows: int
    digest: str


@dataclass(frozen=True)
class Part:
    """The blocks of one part of a training set, in their order. It is small, and can be handed to another process."""

    folder: str
    layout: Layout
    blocks: tuple[Block, ...]

    @property
    def rows(self) -> int:
        return sum(block.rows for block in self.blocks)

    def read(self, storage: Storage, number: int, columns: Sequence[str] | None = None) -> pa.Table:
        """One block, whole or some of its columns. Raises JobFailedError for a file that is gone or damaged.

        A damaged one is removed: the next attempt finds it missing, and prepares the rows anew, which gives the same bytes.
        """
        block = self.blocks[number]
        path = f"{self.folder}/{block.name}"
        try:
            data = storage.read(path)
        except FileNotFoundError as error:
            raise _lost(storage.uri(path), "is not there") from error
        if digest_bytes(data) != block.digest:
            storage.delete(path)
            raise _lost(storage.uri(path), "does not match its digest")
        return pq.ParquetFile(pa.BufferReader(data)).read_row_group(0, columns=columns, use_threads=False)

    def tables(self, storage: Storage, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """All blocks in their order, one at a time."""
        for number in range(len(self.blocks)):
            yield self.read(storage, number, columns)


def _lost(path: str, what: str) -> JobFailedError:
    return JobFailedError(
        f"A block of the streamed training set {what}: {path}.",
        safe="the training set itself and the checkpoints are kept.",
        hint="the next attempt prepares the rows anew and resumes at the same batch.",
    )


@dataclass
class Writer:
    """Writes blocks in the order in which they come."""

    storage: Storage
    folder: str
    parts: dict[str, list[Block]] = field(default_factory=dict)

    def write(self, part: str, table: pa.Table) -> None:
        """One block. Raises StorageFullError."""
        sink = io.BytesIO()
        # Values of one size, written plainly, are read as they lie; LZ4 costs a tenth of what reading from a disk does.
        options: dict[str, Any] = {"use_dictionary": False, "write_statistics": False, "compression": "lz4"}
        pq.write_table(table, sink, row_group_size=max(1, len(table)), **options)
        data, blocks = sink.getvalue(), self.parts.setdefault(part, [])
        digest = digest_bytes(data)
        block = Block(f"{part}-{len(blocks):06d}.{digest}.parquet", len(table), digest)
        if not self.storage.exists(f"{self.folder}/{block.name}"):
            self.storage.write(f"{self.folder}/{block.name}", data)
        blocks.append(block)

    def finish(self, layout: Layout, more: Mapping[str, Any]) -> None:
        """Write the manifest: from now on another attempt finds the rows prepared. `more`: what else it is to remember."""
        parts = {name: [[block.name, block.rows, block.digest] for block in blocks] for name, blocks in self.parts.items()}
        value = MANIFEST.stamp({"layout": layout.to_json(), "parts": parts, **more})
        CheckpointStore(self.storage, self.folder).save("manifest", json.dumps(value).encode())


def prepared(storage: Storage, folder: str) -> tuple[dict[str, Part], dict[str, Any]] | None:
    """The parts that lie there by name, and what the manifest remembers; None unless every block is there."""
    data = CheckpointStore(storage, folder).load("manifest")
    if data is None:
        return None
    value = MANIFEST.read(json.loads(data), folder)
    layout, there = Layout.from_json(value["layout"]), set(storage.list(folder))
    parts = {name: Part(folder, layout, tuple(Block(*each) for each in blocks)) for name, blocks in value["parts"].items()}
    if any(f"{folder}/{block.name}" not in there for part in parts.values() for block in part.blocks):
        return None
    return parts, value
