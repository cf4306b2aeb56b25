"""The spec of a model whose rollout has two canary steps, and which nobody trains."""

from __future__ import annotations

from datetime import date
from typing import Any

from include.core.spec import Data, Feature, Features, ModelSpec, Rollout, Training


def rollout_spec(name: str, rollout: dict[str, Any] | None = None, **more: Any) -> ModelSpec:
    """`rollout`: what differs in it; `more`: other sections."""
    usual: dict[str, Any] = {
        "data": Data(sources=("things",), first=date(2020, 1, 1)),
        "features": Features(build="x:a", entities="x:b", labels="x:c", views=(), request=(Feature(name="size"),)),
        "expectations": "x:d",
        "training": Training(fit="x:e"),
        "rollout": Rollout(steps=(5, 20, 100), shadow_requests=20, step_requests=50, **(rollout or {})),
    }
    return ModelSpec(name=name, owner="tests", description="a toy", label="late", **{**usual, **more})
