"""The section `training.search`: the spaces of parameters, who suggests points of them, who stops trials early, and the budget.

Search(space={"learning_rate": Float(low=1e-4, high=1e-2, log=True), "hidden": Choice(values=(64, 128))}, scheduler="asha")
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from include.core.spec.base import Frozen


class Float(Frozen):
    """A number between two bounds."""

    kind: Literal["float"] = "float"
    """That it is a Float, where the space is written as JSON."""

    low: float
    """The least value."""

    high: float
    """The largest value."""

    log: bool = False
    """Whether equal ratios count alike, and not equal differences: for learning rates and weights of penalties."""

    points: int = Field(0, ge=0)
    """How many values a grid takes of it, the bounds among them. Only `algorithm="grid"` reads it."""

    perturb: bool = True
    """Whether population based training may change it while a trial goes on."""

    def wrong(self) -> Iterator[str]:
        yield from _bounds(self.low, self.high, log=self.log)


class Integer(Frozen):
    """A whole number between two bounds, both of them possible."""

    kind: Literal["integer"] = "integer"
    """That it is an Integer, where the space is written as JSON."""

    low: int
    """The least value."""

    high: int
    """The largest value."""

    step: int = Field(1, ge=1)
    """The distance of two values next to each other, counted from `low`."""

    log: bool = False
    """Whether equal ratios count alike, and not equal differences. Not with a `step`."""

    perturb: bool = False
    """Whether population based training may change it while a trial goes on. Not what gives the weights their shape."""

    def wrong(self) -> Iterator[str]:
        yield from _bounds(self.low, self.high, log=self.log)
        if self.low < self.high < self.low + self.step:
            yield f"the range is empty: step {self.step} reaches beyond high ({self.high})"
        if self.log and self.step > 1:
            yield "log and step do not go together"


class Choice(Frozen):
    """One of a few values."""

    kind: Literal["choice"] = "choice"
    """That it is a Choice, where the space is written as JSON."""

    values: tuple[Any, ...]
    """What there is to choose from, in order where they have one: plain values of JSON."""

    perturb: bool = False
    """Whether population based training may go on to the value before or after it while a trial goes on."""

    def wrong(self) -> Iterator[str]:
        if not self.values:
            yield "the choice is empty"
        try:
            known = {json.dumps(value, allow_nan=False) for value in self.values}
        except (TypeError, ValueError):
            yield "a value is none of JSON"
            return
        if len(known) < len(self.values):
            yield "a value is there twice"


Space = Annotated[Float | Integer | Choice, Field(discriminator="kind")]


class Search(Frozen):
    """How a run that asks to tune looks for parameters: see docs/training.md."""

    space: dict[str, Space]
    """What is searched, by the name of the parameter. What is found replaces the `params` of the same names."""

    algorithm: Literal["tpe", "random", "grid"] = "tpe"
    """Who suggests the next point. `tpe`: a tree of Parzen estimators (Optuna's), which learns from the trials before; its first
    is the spec's own `params`, where they are a point of the space. `random`: points drawn alike. `grid`: all combinations, or
    as many of them as there are trials."""

    scheduler: Literal["none", "asha", "pbt"] = "none"
    """Who decides how long a trial goes on. `none`: each to its end. `asha`: asynchronous successive halving, in which one in
    `reduction` goes on at each rung. `pbt`: population based training, in which the worst go on with the weights of the best and
    other parameters. Both need a `fit` that is measured epoch by epoch, as `fit_lightning` is."""

    metric: str = ""
    """The metric that chooses, on the newest training rows (never the holdout). By default the log loss where the problem has
    one, else its default metric."""

    trials: int = Field(24, ge=1, le=10_000)
    """How many points are tried at most. Of population based training: how many there are in the population."""

    epochs: int = Field(0, ge=0)
    """How many epochs all trials together may train. 0: no limit but the trials."""

    seconds: float = Field(0, ge=0)
    """How long the search may take: the seconds of its trials, divided by how many run at once. 0: no limit. What runs when it
    is over is finished."""

    cost: float = Field(0, ge=0)
    """What all trials together may cost, at `hourly_rate`. 0: no limit. What runs when it is spent is finished."""

    hourly_rate: float = Field(0, ge=0)
    """What an hour of one trial costs, in any currency: its share of the machine."""

    concurrent: int = Field(1, ge=1, le=256)
    """How many trials run at once: in processes of the job's machine, or on the Ray cluster where there is one."""

    seed: int = 7
    """The seed of what is suggested and perturbed. Every fit has the seed of `training.seed`."""

    rows: int = Field(0, ge=0)
    """How many of the newest training rows a trial sees. 0: all."""

    startup: int = Field(10, ge=1)
    """How many points are drawn at random before `tpe` learns from them."""

    min_epochs: int = Field(1, ge=1)
    """Of `asha`: the epochs up to the first rung."""

    reduction: int = Field(3, ge=2, le=100)
    """Of `asha`: one in so many goes on at each rung, and a rung has so many times the epochs of the one before."""

    interval: int = Field(1, ge=1)
    """Of `pbt`: the epochs between two looks at the population."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        problems = [*self._of_space(), *self._of_scheduler()]
        if self.cost and not self.hourly_rate:
            problems.append("hourly_rate: is needed for a budget of cost")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _of_space(self) -> Iterator[str]:
        if not self.space:
            yield "space: there is nothing to search"
        for name, each in self.space.items():
            yield from (f"space.{name}: {wrong}" for wrong in each.wrong())
            if self.algorithm == "grid" and isinstance(each, Float) and each.points < 2:
                yield f"space.{name}: a grid needs to know how many points of it to take (points=3)"

    def _of_scheduler(self) -> Iterator[str]:
        if self.scheduler != "none" and "epochs" in self.space:
            yield f'space.epochs: is what scheduler="{self.scheduler}" itself decides on'
        if self.scheduler != "pbt":
            return
        if self.algorithm != "random":
            yield 'algorithm: a population is drawn at random; say algorithm="random" with scheduler="pbt"'
        if self.trials < 2:
            yield "trials: a population has at least 2"
        if not any(each.perturb for each in self.space.values()):
            yield "space: there is nothing that may be perturbed (perturb=True)"
        if "batch_size" in self.space and self.space["batch_size"].perturb:
            yield "space.batch_size: cannot be perturbed, for it says where a fit goes on (perturb=False)"


def _bounds(low: float, high: float, *, log: bool) -> Iterator[str]:
    if not (math.isfinite(low) and math.isfinite(high)):
        yield f"the bounds must be numbers, not {low} and {high}"
    elif low == high:
        yield f"the range is empty: low and high are both {low}"
    elif low > high:
        yield f"the range is inverted: low ({low}) is above high ({high})"
    elif log and low <= 0:
        yield f"a log range begins above 0, not at {low}"
