"""The rows that all trials share, written once and mapped into the memory of each process that fits."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from include.training.job import Rows
from include.training.rows.streamed import StreamedRows
from include.training.search.leg import Material


@dataclass(frozen=True)
class Shared:
    """`material` without its rows, and the folder that holds them: an array a file, and one file of what is no plain array."""

    material: Material
    folder: str

    @classmethod
    def write(cls, material: Material, folder: Path) -> Shared:
        folder.mkdir(parents=True, exist_ok=True)
        train, validation = _laid_down(material.train, folder, "train"), _laid_down(material.validation, folder, "validation")
        return cls(replace(material, train=train, validation=validation), str(folder))

    def read(self) -> Material:
        folder, held = Path(self.folder), self.material
        train, validation = _mapped(held.train, folder, "train"), _mapped(held.validation, folder, "validation")
        return replace(held, train=train, validation=validation)


def _laid_down(rows: Rows, folder: Path, part: str) -> Rows:
    """What stands for the rows once they are files: none. Streamed ones stay, for each process reads their blocks itself."""
    if isinstance(rows, StreamedRows):
        return rows
    given = {name: value for name, value in _arrays(rows).items() if value is not None}
    mapped = {name: value for name, value in given.items() if isinstance(value, np.ndarray)}
    for name, array in mapped.items():
        np.save(folder / f"{part}-{name}.npy", array)
    (folder / f"{part}.pickle").write_bytes(pickle.dumps({n: v for n, v in given.items() if n not in mapped}))
    return Rows(np.empty((0, 0), np.float32), np.empty(0, np.float32))


def _mapped(rows: Rows, folder: Path, part: str) -> Rows:
    if isinstance(rows, StreamedRows):
        return rows
    # Of this process's own parent, in a folder that nobody else may enter.
    held: dict[str, Any] = pickle.loads((folder / f"{part}.pickle").read_bytes())
    prefix = f"{part}-"
    for path in folder.glob(f"{prefix}*.npy"):
        held[path.stem.removeprefix(prefix)] = np.load(path, mmap_mode="r", allow_pickle=False)
    return Rows(**held)


def _arrays(rows: Rows) -> Mapping[str, Any]:
    return {each.name: getattr(rows, each.name) for each in fields(rows)}
