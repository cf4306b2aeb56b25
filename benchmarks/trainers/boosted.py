"""Runs in an environment of its own, with LightGBM and XGBoost: trains, and writes models, rows and the library's predictions.

python benchmarks/trainers/boosted.py FOLDER
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROWS, TRAIN, ROUNDS, LIST = 10_000, 6_000, 120, 10
LIGHTGBM: dict[str, dict[str, Any]] = {
    "binary": {"objective": "binary"},
    "regression": {"objective": "regression"},
    "regression (absolute error)": {"objective": "regression_l1"},
    "regression (quantile .9)": {"objective": "quantile", "alpha": 0.9},
    "regression (poisson)": {"objective": "poisson"},
    "regression (root)": {"objective": "regression", "reg_sqrt": True},
    "multiclass": {"objective": "multiclass", "num_class": 5},
    "ranking": {"objective": "lambdarank"},
}
XGBOOST: dict[str, dict[str, Any]] = {
    "binary": {"objective": "binary:logistic"},
    "regression": {"objective": "reg:squarederror"},
    "regression (absolute error)": {"objective": "reg:absoluteerror"},
    "regression (quantile .9)": {"objective": "reg:quantileerror", "quantile_alpha": 0.9},
    "regression (poisson)": {"objective": "count:poisson"},
    "regression (gamma)": {"objective": "reg:gamma"},
    "multiclass": {"objective": "multi:softprob", "num_class": 5},
    "ranking": {"objective": "rank:ndcg"},
}


def rows(seed: int, count: int) -> Any:
    """float32 [n, 12]: numbers of several sizes, whole numbers, codes, and a tenth of them missing."""
    rng = np.random.default_rng(seed)
    made = rng.normal(size=(count, 12)) * np.logspace(-3, 3, 12)
    made[:, 6:9] = np.round(made[:, 6:9])
    made[:, 9:] = rng.integers(0, 30, (count, 3))
    return np.where(rng.random(made.shape) < 0.1, np.nan, made).astype(np.float32)


def labels(kind: str, given: Any, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    known = np.nan_to_num(given)
    value = known[:, 0] * 1000 + np.sin(known[:, 5]) + (known[:, 9] % 7) / 3 + rng.normal(size=len(given)) * 0.3
    if kind == "binary":
        return (value > np.median(value)).astype(int)
    if kind == "multiclass":
        return np.digitize(value, np.quantile(value, [0.2, 0.4, 0.6, 0.8]))
    if kind == "ranking":
        return np.clip(np.digitize(value, np.quantile(value, [0.5, 0.8, 0.95])), 0, 3)
    if "poisson" in kind or "gamma" in kind or "root" in kind:
        return np.exp(np.clip(value, -3, 3)) + 0.01
    return value * 40


def lightgbm_models() -> Iterator[tuple[str, str, Callable[[Any, Any], tuple[bytes, Any]]]]:
    import lightgbm  # type: ignore[import-not-found]

    def fit(params: dict[str, Any], kind: str) -> Callable[[Any, Any], tuple[bytes, Any]]:
        def run(given: Any, wanted: Any) -> tuple[bytes, Any]:
            group = [LIST] * (TRAIN // LIST) if kind == "ranking" else None
            data = lightgbm.Dataset(given, labels(kind, given, 2), group=group)
            booster = lightgbm.train({**params, "verbosity": -1, "num_threads": 1, "seed": 7}, data, ROUNDS)
            return booster.model_to_string().encode(), booster.predict(wanted)

        return run

    for kind, params in LIGHTGBM.items():
        yield "lightgbm", kind, fit(params, kind)


def xgboost_models() -> Iterator[tuple[str, str, Callable[[Any, Any], tuple[bytes, Any]]]]:
    import xgboost  # type: ignore[import-not-found]

    def fit(params: dict[str, Any], kind: str) -> Callable[[Any, Any], tuple[bytes, Any]]:
        def run(given: Any, wanted: Any) -> tuple[bytes, Any]:
            query = np.repeat(np.arange(TRAIN // LIST), LIST) if kind == "ranking" else None
            data = xgboost.DMatrix(given, labels(kind, given, 2), qid=query)
            booster = xgboost.train({**params, "nthread": 1, "seed": 7}, data, ROUNDS)
            return bytes(booster.save_raw("json")), booster.inplace_predict(wanted)

        return run

    for kind, params in XGBOOST.items():
        yield "xgboost", kind, fit(params, kind)


def main() -> None:
    folder = Path(sys.argv[1])
    given, wanted = rows(1, TRAIN), rows(3, ROWS)
    np.save(folder / "rows.npy", wanted)
    found: list[dict[str, str]] = []
    for library, kind, run in (*lightgbm_models(), *xgboost_models()):
        model, predictions = run(given, wanted)
        name = f"{library}-{len(found)}"
        (folder / f"{name}.model").write_bytes(model)
        np.save(folder / f"{name}.npy", np.asarray(predictions, np.float64))
        found.append({"library": library, "kind": kind, "name": name})
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
