"""A training set's rows as a model's `fit` gets them: checked, split by time, encoded; in memory, or streamed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from include.core.errors import SpecError
from include.core.request import Json
from include.core.spec import Features
from include.core.spec.dtypes import length_of
from include.core.task import Task
from include.model_contract.encoder import Encoder
from include.problems.of import of_params, signature_of
from include.request_features.definition import signature_part
from include.training.checks import check_labels, check_texts, encoded_rows
from include.training.job import Rows
from include.training.rows.prepare import Asked, Place, streamed_rows
from include.training.split import split_newest

MOST = Path("/sys/fs/cgroup/memory.max")  # bytes that a container may have


def read_rows(task: Task, path: Path) -> tuple[Rows, Rows, dict[str, Json]]:
    """The encoded training and validation rows of a training set, and the model's signature."""
    training: Mapping[str, Any] = task.params.get("training", {})
    problem, features = of_params(task.params), Features(**task.params["features"]).inputs
    form, seed = training.get("inputs", "tensor"), int(training.get("seed", 7))
    asked, known = Asked(str(task.params["label"]), problem, features, form, seed), pq.read_metadata(path).num_rows
    memory_rows = training.get("memory_rows")
    if memory_rows is not None and known > int(memory_rows):
        train, validation, encoder = _streamed(
            path, asked, Place(task.storage, rows_folder(task), task.workdir, int(memory_rows))
        )
    else:
        _require_memory(asked, known)
        train, validation, encoder = _in_memory(path, asked)
    # The model pins the versions of the views it was trained on, and brings their definitions: serving must give it those.
    pins = {name: task.input("training_set").value.get(name, {}) for name in ("views", "definitions")}
    computed = signature_part(Features(**task.params["features"]))  # and the expressions of what is computed of a request
    return train, validation, {**encoder.to_json(), **signature_of(task.params), **pins, **computed}


def rows_folder(task: Task) -> str:
    """Where the blocks of a streamed training set are: of the generation, so that its attempts share them."""
    return f"{task.attempt.folder}/rows"


def forget_rows(task: Task) -> None:
    """Remove the blocks, which nobody reads once the model is verified."""
    task.storage.delete(rows_folder(task))


def _in_memory(path: Path, asked: Asked) -> tuple[Rows, Rows, Encoder]:
    table, label, problem = pq.read_table(path), asked.label, asked.problem
    check_labels(table, label, problem)
    older, newer = split_newest(table, list_column=problem.query or "")
    check_labels(older, label, problem)
    encoder = asked.encoder_of(iter([older]))
    check_texts(older, encoder)
    return encoded_rows(encoder, older, label, problem), encoded_rows(encoder, newer, label, problem), encoder


def _streamed(path: Path, asked: Asked, place: Place) -> tuple[Rows, Rows, Encoder]:
    if asked.problem.query:
        raise SpecError(
            f"A ranking cannot be streamed: the rows of a list, which {asked.problem.query!r} names, must stay together.",
            seen={"training.memory_rows": place.most},
            safe="nothing was trained; the training set is kept as it is.",
            hint="leave training.memory_rows out, and give the training a machine that holds the rows.",
        )
    return streamed_rows(path, asked, place)


def _require_memory(asked: Asked, rows: int) -> None:
    """Raises SpecError where the encoded rows alone are more than this machine's memory: it would be killed for it."""
    numbers = sum(length_of(each.dtype) or 1 for each in asked.features if each.dtype != "text")
    needed, there = 4 * rows * numbers, _memory()
    if needed > there:
        raise SpecError(
            f"The training set does not fit into memory: {needed / 1e9:.1f} GB as arrays of float32, and this machine has "
            f"{there / 1e9:.1f} GB.",
            seen=f"{rows:,} rows of {numbers} numbers",
            safe="nothing was trained; the training set is kept as it is.",
            hint="set training.memory_rows, so that it is streamed from blocks on disk, or give the training a larger machine.",
        )


def _memory() -> int:
    """Bytes that this process may have: of the machine, or of its container."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        return min(machine, int(MOST.read_text()))
    except (OSError, ValueError):  # no container, or one without a bound ("max")
        return machine
