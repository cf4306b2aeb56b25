"""The checksums that a Parquet file's writer stored with its pages, verified without decoding a page.

Neither DuckDB nor, unless asked, Arrow looks at them. A page is its header (Thrift, compact protocol) and the bytes
after it, whose CRC-32 the header may hold: https://github.com/apache/parquet-format#checksumming. A column chunk
whose first page has none is left at that, so a file without checksums costs a header a chunk.
"""

from __future__ import annotations

import mmap
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

SIGNATURE = 12 + 16  # bytes
ROWS_PER_BYTE = 10_000  # writers stay below a thousand: pages of at most 20,000 rows, or row groups of 122,880


@dataclass
class _Bytes:
    """A place in the file, which moves on."""

    data: mmap.mmap
    at: int

    def byte(self) -> int:
        if not 0 <= self.at < len(self.data):
            raise ValueError("a page lies outside the file")
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        """An unsigned number of variable length."""
        shift, found = 0, 0
        while shift < 70:
            byte = self.byte()
            found |= (byte & 0x7F) << shift
            if byte < 0x80:
                return found
            shift += 7
        raise ValueError("a page header holds no number where one must be")

    def signed(self) -> int:
        coded = self.number()
        return (coded >> 1) ^ -(coded & 1)


def damage(path: Path, metadata: pq.FileMetaData) -> str:
    """What the file itself says is wrong with it, in words; "" if nothing is. Reads headers, and pages with a checksum."""
    if _signed(path, metadata):  # first: to ask Arrow for an encrypted column ends the process
        return "its columns are encrypted, and we have no key"
    if wrong := _counts(path, metadata):
        return wrong
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for group in range(metadata.num_row_groups):
            for at in range(metadata.num_columns):
                chunk = metadata.row_group(group).column(at)
                try:
                    wrong = _chunk(data, chunk)
                except ValueError as error:
                    wrong = str(error)
                if wrong:
                    return f"column {chunk.path_in_schema!r}, row group {group}: {wrong}"
    return ""


def _signed(path: Path, metadata: pq.FileMetaData) -> bool:
    """Whether a plain footer is followed by a signature, as that of a file with encrypted columns is: a nonce and a tag."""
    with path.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
    return length - int(metadata.serialized_size) == SIGNATURE


def _counts(path: Path, metadata: pq.FileMetaData) -> str:
    groups = [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)]
    if metadata.num_rows < 0 or any(rows < 0 for rows in groups):
        return f"its footer counts {min([metadata.num_rows, *groups])} rows"
    if sum(groups) != metadata.num_rows:
        return f"its footer counts {metadata.num_rows} rows, its row groups {sum(groups)}"
    size = path.stat().st_size
    if metadata.num_rows > size * ROWS_PER_BYTE:
        return f"its footer counts {metadata.num_rows} rows in {size} bytes"
    return ""


def _chunk(data: mmap.mmap, chunk: Any) -> str:
    size, values = chunk.total_compressed_size, chunk.num_values
    first = min(at for at in (chunk.dictionary_page_offset, chunk.data_page_offset) if at is not None)
    if size < 0 or values < 0 or first < 0:
        return f"{values} values in {size} bytes at {first}"
    if first + size > len(data):
        return "its pages lie outside the file"
    page = _Bytes(data, first)
    while page.at < first + size:
        length, crc = _header(page)
        if crc is None:
            return ""
        if length < 0 or page.at + length > first + size:
            return "a page is longer than its column"
        if zlib.crc32(memoryview(data)[page.at : page.at + length]) != crc & 0xFFFFFFFF:
            return "the checksum of a page does not match its bytes"
        page.at += length
    return ""


def _header(page: _Bytes) -> tuple[int, int | None]:
    """(the length of the page after its header, its checksum if it has one); moves past the header."""
    length, crc, field = -1, None, 0
    while kind := page.byte():
        field = field + (kind >> 4) if kind >> 4 else page.signed()
        if field == 3 and kind & 15 == 5:
            length = page.signed()
        elif field == 4 and kind & 15 == 5:
            crc = page.signed()
        else:
            if field > 4 and crc is None:
                return length, None
            _skip(page, kind & 15, 0)
    return length, crc


def _skip(page: _Bytes, kind: int, depth: int) -> None:
    """Past one value of Thrift's compact protocol."""
    if depth > 8:
        raise ValueError("a page header is nested too deep")
    if kind in (3, 4, 5, 6):
        page.at += kind == 3
        if kind != 3:
            page.number()
    elif kind == 7:
        page.at += 8
    elif kind == 8:
        length = page.number()  # moves on itself
        page.at += length
    elif kind in (9, 10):
        head = page.byte()
        for _ in range(head >> 4 if head >> 4 < 15 else page.number()):
            _skip(page, head & 15, depth + 1)
    elif kind == 12:
        while inner := page.byte():
            if not inner >> 4:
                page.signed()
            _skip(page, inner & 15, depth + 1)
    elif kind not in (1, 2):
        raise ValueError("a page header cannot be read")
