"""Beginning from a champion's weights: each place of a tensor is carried over to the place that means the same.

Where the inputs are the same, with the same categories, all of the module's state is the champion's, and its first step begins
where the champion's last one ended. Where they are not, a position in a tensor says nothing: the module must say what its places
are, and those of the same name are carried over:

    class Network(pl.LightningModule):
        def places(self) -> dict[str, Places | None]:
            return {"embeddings.0.weight": Places((["carrier=?", "carrier=B6", ...], None), name="carrier")}

An axis without names must be as long as the champion's. What is not mentioned must have its shape. None: it is the new module's
own, such as an index of columns. What has no counterpart stays as it was initialised.
"""

from __future__ import annotations

import io
import json
import logging
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from include.backends.lightning.plan import BEGUN, CHAMPION, Plan
from include.training.checkpoint import CheckpointStore
from include.training.warm_start import Begun

log = logging.getLogger(__name__)

FORMAT = 1


@dataclass(frozen=True)
class Places:
    """What each place along each axis of a tensor means; None: an axis whose places have no meaning of their own, such as hidden
    units. `name`: what the tensor is called in every model, where its own name has a number in it that may move."""

    axes: Sequence[Sequence[str] | None]
    name: str = ""


class Unlike(Exception):
    """The champion's weights are of another shape of model. Says why."""


def weights_of(module: pl.LightningModule, plan: Plan) -> bytes:
    """The trained state, the places of it, and the inputs that it was trained on: tensors, numbers and text, no code."""
    places = {
        name: None if each is None else [each.name, [_listed(axis) for axis in each.axes]] for name, each in _of(module).items()
    }
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "state": _state(module), "places": places, "inputs": _inputs(plan)}, buffer)
    return buffer.getvalue()


def begin(module: pl.LightningModule, plan: Plan, store: CheckpointStore, first: bool) -> None:
    """Where the fit was handed a champion's weights, begin from them; the `first` worker writes down how it went.

    Every worker does the same with the same bytes. What cannot be carried over leaves the whole module as it was initialised.
    """
    data = store.load(CHAMPION)
    if data is None:
        return
    try:
        begun = Begun(True, fresh=tuple(carry(module, plan, data)))
    except Unlike as error:
        begun = Begun(False, str(error))
    if first:
        log.info("began %s", "from the champion's weights" if begun.warm else f"cold: {begun.why}")
        store.save(BEGUN, json.dumps(begun.to_json()).encode())


def carry(module: pl.LightningModule, plan: Plan, data: bytes) -> list[str]:
    """Carry the champion's state over, and return the names of the places that have no counterpart in it. Raises Unlike, and has
    changed nothing then."""
    theirs = _read(data)
    if any(each.is_meta for each in module.state_dict().values()):
        raise Unlike("the module's state is spread over the workers")
    same, known = theirs["inputs"] == _inputs(plan), _of(module)
    if not same and not known:
        raise Unlike("the inputs or their categories are others, and the module does not say what its places are (places)")
    old, places = theirs["state"], theirs["places"]
    named = {(place[0] or name): name for name, place in places.items() if place is not None}
    made: dict[str, Tensor] = {}
    fresh: list[str] = []
    for name, tensor in _state(module).items():
        mine = known.get(name)
        if name in known and mine is None:
            continue
        if same or mine is None:
            made[name] = _whole(name, tensor, old.get(name))
            continue
        source = named.get(mine.name or name)
        if source is None:
            fresh.append(mine.name or name)
            continue
        made[name], without = _placed(name, tensor, mine.axes, old[source], places[source][1])
        fresh += without
    module.load_state_dict(made, strict=False)
    return list(dict.fromkeys(fresh))


def _whole(name: str, tensor: Tensor, old: Tensor | None) -> Tensor:
    if old is None or old.shape != tensor.shape:
        seen = "it has none" if old is None else f"{list(old.shape)}"
        raise Unlike(f"{name} has the shape {list(tensor.shape)} here, and the champion's: {seen}")
    return old.to(tensor.dtype)


def _placed(
    name: str, tensor: Tensor, axes: Sequence[Sequence[str] | None], old: Tensor, theirs: Sequence[Sequence[str] | None]
) -> tuple[Tensor, list[str]]:
    """The new tensor with the champion's values at the places of the same names, and the names that it lacks."""
    if len(axes) != tensor.dim() or len(theirs) != old.dim() or len(axes) != len(theirs):
        raise Unlike(f"the places of {name} are not those of its {tensor.dim()} axes")
    to, of, fresh = [], [], []
    for number, (mine, others) in enumerate(zip(axes, theirs, strict=True)):
        if mine is None or others is None:
            if tensor.shape[number] != old.shape[number]:
                raise Unlike(f"{name} has {tensor.shape[number]} along its axis {number}, and the champion's {old.shape[number]}")
            mine = others = [str(each) for each in range(tensor.shape[number])]
        if len(mine) != tensor.shape[number] or len(others) != old.shape[number]:
            raise Unlike(f"{name} has {tensor.shape[number]} places along its axis {number}, and names {len(mine)}")
        found = {place: index for index, place in enumerate(others)}
        to.append(torch.tensor([index for index, place in enumerate(mine) if place in found], dtype=torch.long))
        of.append(torch.tensor([found[place] for place in mine if place in found], dtype=torch.long))
        fresh += [place for place in mine if place not in found]
    made = tensor.clone()
    made[torch.meshgrid(*to, indexing="ij")] = old.to(tensor.dtype)[torch.meshgrid(*of, indexing="ij")]
    return made, fresh


def _read(data: bytes) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise Unlike(f"the champion's weights are no file of this fit's: {error}") from error
    if found.get("format") != FORMAT:
        raise Unlike(f"the champion's weights have the format {found.get('format')}, and {FORMAT} is known here")
    return found


def _state(module: pl.LightningModule) -> dict[str, Tensor]:
    return {name: value.detach().cpu() for name, value in module.state_dict().items() if isinstance(value, Tensor)}


def _of(module: pl.LightningModule) -> Mapping[str, Places | None]:
    says = getattr(module, "places", None)
    return dict(says()) if callable(says) else {}


def _inputs(plan: Plan) -> list[Any]:
    """The inputs as text and numbers: in which order, and which category has which code."""
    return [[each.name, each.size, list(plan.categories.get(each.name, ()))] for each in plan.inputs]


def _listed(axis: Sequence[str] | None) -> list[str] | None:
    return None if axis is None else list(axis)
