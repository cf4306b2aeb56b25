"""A fitted estimator in memory, written as a file that is read like one that was given: nothing is ever unpickled.

XGBoost and LightGBM write themselves, in their documented formats; scikit-learn's are converted to ONNX.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from include.core.adapters import adapter
from include.core.errors import DataError


def write_estimator(model: Any, inputs: Sequence[str], folder: Path) -> Path:
    """Write a fitted estimator into `folder`; the file's path. Raises DataError for what cannot be written."""
    if hasattr(model, "get_booster"):  # XGBClassifier
        return _xgboost(model.get_booster(), folder, getattr(model, "best_iteration", None) if _stopped(model) else None)
    if _library(model) == "xgboost" and hasattr(model, "save_raw"):
        return _xgboost(model, folder, None)
    booster = getattr(model, "booster_", model)  # of an LGBMClassifier
    if _library(model) == "lightgbm" and hasattr(booster, "model_to_string"):
        path = folder / "model.txt"
        path.write_text(booster.model_to_string())
        return path
    if hasattr(model, "predict_proba"):
        path = folder / "model.onnx"
        export: Callable[[Any, Sequence[str], Path], None] = adapter("convert.sklearn")
        export(model, inputs, path)
        return path
    raise DataError(
        "This is no estimator that can be converted.",
        seen=f"{type(model).__module__}.{type(model).__qualname__}",
        safe="nothing was registered.",
        hint="give a fitted binary classifier of scikit-learn, XGBoost or LightGBM, or the address of an ONNX file.",
    )


def _library(model: Any) -> str:
    """The package that the class, or one that it inherits from, is of: an author may have subclassed it."""
    packages = [kind.__module__.partition(".")[0] for kind in type(model).__mro__]
    return next((name for name in packages if name in ("xgboost", "lightgbm")), "")


def _stopped(model: Any) -> bool:
    """Whether the fit was stopped early: the attribute raises otherwise."""
    return bool(getattr(model, "early_stopping_rounds", None))


def _xgboost(booster: Any, folder: Path, best: int | None) -> Path:
    """The rounds that predict: of one that was stopped early those up to the best."""
    path = folder / "model.json"
    chosen = booster[: best + 1] if best is not None else booster
    path.write_bytes(bytes(chosen.save_raw("json")))
    return path
