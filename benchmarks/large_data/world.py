"""A generated training set of any size, as the step `training_set` writes it: sorted by time, row groups of 122,880 rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from include.core.ledger import Ledger
from include.core.request import Outcome, Request
from include.core.settings import Settings
from include.data.session import open_session
from include.data.sql import literal

YEAR = 365 * 86_400_000_000  # microseconds
LOW = 1 << 20  # a row's number in two parts, since a float32 holds whole numbers up to 2^24 alone
FEATURES: dict[str, Any] = {
    "build": "x:y", "entities": "x:y", "labels": "x:y", "views": [],
    "request": [
        {"name": "high", "dtype": "int"}, {"name": "low", "dtype": "int"}, {"name": "age"}, {"name": "wind"}, {"name": "heat"},
        {"name": "rain"}, {"name": "hour", "dtype": "int"}, {"name": "carrier", "dtype": "category"},
        {"name": "origin", "dtype": "category"}, {"name": "dest", "dtype": "category"},
    ],
}  # fmt: skip
FIT = "benchmarks.large_data.fit:fit"
PARAMS: dict[str, Any] = {"epochs": 1, "batch_size": 8192, "track_every": 1_000_000}


def generate(path: Path, rows: int) -> None:
    """`age` rises with time, so that rows out of order show in its means."""
    draw = "hash(i * {0} + 7) / 18446744073709551616.0"
    wind, heat, rain, luck = (draw.format(prime) for prime in (1_000_003, 2_000_003, 3_000_017, 4_000_037))
    query = f"""
        SELECT printf('r%d', i) AS request_id,
            TIMESTAMP '2024-01-01' + to_microseconds((i * {YEAR // rows})::BIGINT) AS event_timestamp,
            (i // {LOW})::BIGINT AS high, (i % {LOW})::BIGINT AS low, i / {rows}.0 AS age,
            CASE WHEN i % 10 = 3 THEN NULL ELSE {wind} END AS wind, {heat} AS heat, {rain} AS rain, (i % 24)::BIGINT AS hour,
            'C' || (hash(i) % 20)::VARCHAR AS carrier, 'O' || (hash(i + 1) % 3)::VARCHAR AS origin,
            'D' || (hash(i + 2) % 300)::VARCHAR AS dest,
            ({luck} < .2 + .4 * {heat})::TINYINT AS late
        FROM range({rows}) AS t(i)
    """
    with open_session(2, "2GB", spill=path.parent / "spill") as connection:
        connection.execute(f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION lz4)")


def committed(home: Path, rows: int) -> tuple[Settings, Request]:
    """A ledger with a training set of so many rows, and a request that trains on it, streamed."""
    settings = Settings.from_env({"SLIPSTREAM_HOME": str(home), "SLIPSTREAM_JOB_BACKEND": "process"})
    ledger, folder = Ledger(settings.storage()), home / "made"
    folder.mkdir(parents=True)
    generate(folder / "train.parquet", rows)
    request = Request("training_set", "x:y", "large", {"rows": rows})
    attempt = ledger.open_attempt(request.key, 0)
    made = ledger.commit(request, attempt, Outcome({"rows": rows}, {"train.parquet": folder / "train.parquet"}), 0.1)
    (folder / "train.parquet").unlink()
    params = {**PARAMS, "seen": str(home / "seen.npy"), "checkpoint_every": max(10, rows // PARAMS["batch_size"] // 20)}
    training = {"fit": FIT, "params": params, "memory_rows": 0, "seed": 7}
    asked = {"features": FEATURES, "training": training, "label": "late"}
    train = Request("train", "include.training.train_step:run", "large", asked, {"training_set": ledger.ref(made)})
    ledger.record(train)
    return settings, train


def numbers(features: np.ndarray) -> np.ndarray:
    """Which rows of the training set encoded rows are: int64 [n]."""
    found: np.ndarray = features[:, 0].astype(np.int64) * LOW + features[:, 1].astype(np.int64)
    return found
