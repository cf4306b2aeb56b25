"""Parity of every trainer: what the served file gives, against the trained model's own predictions of 10,000 rows.

    python -m benchmarks.trainers [--environment FOLDER]

LightGBM and XGBoost are in no lock: they run in an environment of their own, made in FOLDER (by default a temporary one, which
downloads them). No pickle lies between a trained model and the file that serves.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.table import Table
from benchmarks.trainers import boosted, pipelines
from benchmarks.trainers.environment import interpreter
from include.backends.lightgbm.convert import convert as of_lightgbm
from include.backends.onnx.model import open_model
from include.backends.xgboost.convert import convert as of_xgboost
from include.training.train_step import verify

MOST = 10.0  # millionths: of a probability, or of a value (of the values' standard deviation, where one is smaller)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", type=Path, help="where LightGBM and XGBoost are, or are to be installed")
    options = parser.parse_args()
    table = Table()
    with TemporaryDirectory() as scratch:
        table.head(f"largest difference over {pipelines.ROWS:,} rows, scikit-learn and torch through a training job")
        for trainer, kind, problem, form, fit in pipelines.cases():
            job = pipelines.job_of(problem, form)
            with threadpool_limits(1):  # threads of OpenMP spin: on a busy machine two are many times slower than one
                fit(job)
            verify(job)
            model = open_model(job.model_path)
            _row(table, f"{trainer}: {kind}", job.expected[-1], model.score(job.validation.given))
        _boosted(table, Path(scratch), options.environment or Path(scratch) / "environment")
    print(f"\n{len(table.missed)} goals missed")
    return 1 if table.missed else 0


def _boosted(table: Table, folder: Path, environment: Path) -> None:
    python = interpreter(environment)
    started = time.perf_counter()
    subprocess.run([str(python), str(Path(boosted.__file__)), str(folder)], check=True)
    table.head(f"LightGBM and XGBoost, trained in their own environment in {time.perf_counter() - started:.0f} s")
    rows = np.load(folder / "rows.npy")
    names = [f"x{place}" for place in range(rows.shape[1])]
    for found in json.loads((folder / "found.json").read_text()):
        source, target = folder / f"{found['name']}.model", folder / "model.onnx"
        expected = np.load(folder / f"{found['name']}.npy")
        outputs = [f"class_{place}" for place in range(expected.shape[1])] if expected.ndim == 2 else _output(found["kind"])
        if found["library"] == "lightgbm":
            of_lightgbm(source, names, target, outputs)
        else:  # columns without names
            of_xgboost(source, names, target, outputs)
        _row(table, f"{found['library']}: {found['kind']}", expected, open_model(target).score(rows))


def _output(kind: str) -> list[str]:
    return ["value"] if kind.startswith("regression") else ["score"]


def _row(table: Table, name: str, expected: np.ndarray, found: np.ndarray) -> None:
    if found.shape != expected.shape:
        table.line(name, f"{list(found.shape)} of {list(expected.shape)}", "the same shape", met=False)
        return
    gaps = np.abs(found - expected)
    if bool((expected >= 0).all() and (expected <= 1).all()):
        table.row(name, float(gaps.max()) * 1e6, "millionths", most=MOST)
        return
    sizes = np.maximum(np.abs(expected), expected.std())
    table.row(name, float((gaps / sizes).max()) * 1e6, "millionths", most=MOST)


if __name__ == "__main__":
    sys.exit(main())
