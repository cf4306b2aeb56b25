"""Jobs for trainers: rows with inputs of every type, and labels of every kind of problem."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from include.core.spec import AnyKind, Binary, Feature, MultiClass, Ranking, Regression
from include.core.storage import LocalStorage
from include.model_contract.encoder import Encoder, Form, Input
from include.training.checkpoint import CheckpointStore
from include.training.job import Rows, TrainingJob

ROWS = 400
WORDS = (
    "The", "dress", "fits", "well", "but", "its", "Colour's", "NOT", "what", "I", "saw;", "größe", "ÜBER", "☃", "perfect", "x2",
)  # fmt: skip
FEATURES = (
    Feature(name="review", dtype="text"), Feature(name="age"), Feature(name="colour", dtype="category"),
    Feature(name="embedding", dtype="vector[3]"), Feature(name="member", dtype="bool", default=False),
)  # fmt: skip
KINDS: dict[str, AnyKind] = {
    "binary": Binary(), "multiclass": MultiClass(classes=("a", "b", "c")), "regression": Regression(scale=10.0),
    "interval": Regression(scale=10.0, interval=0.9), "ranking": Ranking(query="q", item="i"),
}  # fmt: skip


def rows_of(seed: int = 3) -> pa.Table:
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(0, 12))) if draw.random() > 0.05 else None for _ in range(ROWS)]
    return pa.table(
        {
            "review": pa.array(texts, pa.string()),
            "age": [draw.random() * 80 if draw.random() > 0.1 else None for _ in range(ROWS)],
            "colour": [draw.choice(["red", "blue"]) for _ in range(ROWS)],
            "embedding": pa.array([[draw.random() for _ in range(3)] for _ in range(ROWS)], pa.list_(pa.float32())),
            "member": [draw.random() < 0.5 for _ in range(ROWS)],
        }
    )


def job_of(kind: str, folder: Path, form: Form = "tensor") -> TrainingJob:
    """Its validation rows are those that it is trained on."""
    problem, table = KINDS[kind], rows_of()
    features = [each for each in FEATURES if form == "columns" or each.dtype != "text"]
    encoder = Encoder.fit(table, features, "y", form)
    value = np.array(table["embedding"].to_pylist()).sum(axis=1)
    made: dict[str, Any] = {
        "binary": value > 1.5, "multiclass": np.digitize(value, [1.3, 1.7]), "ranking": np.digitize(value, [1, 2]),
    }  # fmt: skip
    queries = np.arange(ROWS) // 10 if kind == "ranking" else None
    columns = encoder.encode_columns(table) if form == "columns" else None
    labels = np.asarray(made.get(kind, value * 10), np.float32)
    rows = Rows(encoder.encode_matrix(table), labels, columns, None, queries)
    stated = {} if kind == "binary" else {"problem": problem.model_dump(mode="json")}
    store = CheckpointStore(LocalStorage(str(folder / "storage")), "checkpoints")
    return TrainingJob(rows, rows, {**encoder.to_json(), **stated}, {}, store, folder / "model.onnx")


def recorded_job(problem: AnyKind, rows: list[list[float | None]], folder: Path) -> TrainingJob:
    """Of four numbers, on rows that a library has predicted; their labels mean nothing."""
    features = np.array(rows, dtype=np.float32)
    encoder = Encoder(tuple(Input(name, "float") for name in ("heat", "wind", "size", "rain")), "y")
    queries = np.arange(len(rows)) // 5 if isinstance(problem, Ranking) else None
    made = Rows(features, (np.arange(len(rows)) % 3).astype(np.float32), None, None, queries)
    store = CheckpointStore(LocalStorage(str(folder / "storage")), "checkpoints")
    signature = {**encoder.to_json(), "problem": problem.model_dump(mode="json")}
    return TrainingJob(made, made, signature, {}, store, folder / "model.onnx")
