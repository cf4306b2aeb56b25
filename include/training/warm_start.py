"""A fit that begins from the champion's weights: which champion it may begin from, and what it is handed.

A champion's weights are the file `weights.pt` of its trained result: kept where the spec asks for warm starts, verified by its
digest as every file of the ledger. Whether its places fit the new model is for the fit to see.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.core.ledger import Ledger
from include.core.request import Ref
from include.core.spec import ModelSpec
from include.core.task import Task
from include.problems.of import of_params, params_of

WEIGHTS = "weights.pt"
INPUT = "champion"  # of a train request that begins warm
SHOWN_PLACES = 20  # that a result names


@dataclass(frozen=True)
class Champion:
    """What a fit may begin from: the weights as its own fit has kept them, and the contract of its inputs (`signature.json`)."""

    weights: bytes
    signature: Mapping[str, Any]

    @classmethod
    def of(cls, task: Task) -> Champion | None:
        """Of a training's inputs; None where it begins cold."""
        if INPUT not in task.request.inputs:
            return None
        signature = json.loads(task.file(INPUT, "signature.json").read_text())
        return cls(task.file(INPUT, WEIGHTS).read_bytes(), signature)


@dataclass(frozen=True)
class Begun:
    """How a fit has begun. `why`: what kept it from beginning warm; `fresh`: what began anew in one that did."""

    warm: bool
    why: str = ""
    fresh: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Begun:
        return cls(bool(value["warm"]), str(value.get("why", "")), tuple(value.get("fresh", ())))

    def to_json(self, most: int | None = None) -> dict[str, Any]:
        """`most`: names of `fresh` to show, and how many more there are."""
        shown = list(self.fresh[:most])
        if len(shown) < len(self.fresh):
            shown.append(f"and {len(self.fresh) - len(shown)} more")
        return {"warm": self.warm, **({"why": self.why} if self.why else {}), **({"fresh": shown} if shown else {})}


NOT_TAKEN = Begun(False, "the fit does not take the champion's weights (job.champion)")


def cold_because(spec: ModelSpec, champion: Ref, ledger: Ledger) -> str:
    """Why a fit may not begin from that trained result, in words for a person; empty where it may."""
    result = ledger.resolve(champion)
    made = ledger.request(result.key)
    if made.step != "train":
        return f"the version in production was not trained here: it is a result of the step {made.step!r}"
    if (other := made.params["training"].get("fit")) != spec.training.fit:
        return f"the version in production is of another fit: {other}"
    if WEIGHTS not in result.files:
        return "no weights are kept with the version in production: it was trained before training.warm_start was set"
    if (outputs := of_params(made.params).outputs) != of_params(params_of(spec)).outputs:
        return f"the version in production answers another question: {', '.join(outputs[:5])}"
    return ""
