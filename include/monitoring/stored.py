"""How results and decisions keep what the monitoring found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def stored(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields by the names that results have: a `summary` is kept as `words`."""
    return {"words" if name == "summary" else name: value for name, value in fields.items()}


def rounded(value: Any) -> Any:
    """Every float in it to six significant digits."""
    if isinstance(value, Mapping):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
