"""The section `fairness`: whom a model may not treat differently, and by how much it may.

Fairness(attributes=(Attribute(column="sex"), Attribute(column="age", bins=(25, 60))),
         limits=(Limit(measure="demographic_parity_ratio", limit=0.8),))

What the measures are, and what none of them can tell: docs/fairness.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from include.core.spec.base import Frozen, Name, OptionalName
from include.core.spec.problem import AnyKind, MultiClass

FLOOR = 5  # of fewer people nothing is published, not even how many they are

RATES = ("demographic_parity", "equal_opportunity", "equalized_odds", "false_positive_rate", "false_negative_rate",
         "predictive_parity", "accuracy")  # fmt: skip
OF_DECISIONS = tuple(f"{rate}_{kind}" for rate in RATES for kind in ("difference", "ratio"))
OF_ERRORS = ("error_difference", "error_ratio")
OF_NUMBERS = (*OF_ERRORS, "bias_difference")
OF_PROBABILITIES = ("calibration_bias",)
MEASURES = (*OF_DECISIONS, *OF_NUMBERS, *OF_PROBABILITIES)


def is_ratio(measure: str) -> bool:
    """Whether it is a ratio of two groups, which must be at least so much; else a difference, which must be at most so much."""
    return measure.endswith("_ratio")


class Attribute(Frozen):
    """Something about people by which they may not be treated differently."""

    column: Name
    """Its column: a feature or a key of the model, or a further column that the SQL of `features.entities` selects (text or
    whole numbers; with `bins` any number). A further column is carried to the holdout alone: no model is fitted on a file that
    has it."""

    bins: tuple[float, ...] = ()
    """Of a number: where one group ends and the next begins, ascending. (25, 60) makes three groups: below 25, from 25 to below
    60, from 60 on. Without bins each value is a group."""

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if not all(map(math.isfinite, self.bins)) or list(self.bins) != sorted(set(self.bins)):
            raise ValueError(f"bins: must be finite and ascending, each once (seen: {list(self.bins)})")
        return self


class Limit(Frozen):
    """How far apart groups may be treated. Missed, it closes the gate."""

    measure: Name
    """What is compared between groups. Of a decision: `demographic_parity` (who is selected), `equal_opportunity` (of those who
    deserve it), `false_positive_rate`, `false_negative_rate`, `equalized_odds` (the worse of opportunity and false positives),
    `predictive_parity` (how many of the selected deserve it), `accuracy`; each as `..._difference` or `..._ratio`. Of a number
    or of classes: `error_difference`, `error_ratio` of the mean loss; of a number `bias_difference` of the mean residual. Of
    probabilities: `calibration_bias`, by how much a group's mean probability lies off what came true."""

    limit: float | None = Field(None, ge=0)
    """Of a difference or a bias: the most it may be, in the measure's own unit. Of a ratio: the least, of the smallest to the
    largest; .8 is the rule of four fifths. None: only the champion is compared with."""

    than_champion: float | None = Field(None, ge=0)
    """Of a difference or a bias: by how much more than the champion's it may be, on the same rows. None: not compared."""

    attribute: OptionalName = ""
    """Which attribute it is of. By default of each."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.measure not in MEASURES:
            raise ValueError(f"measure: {self.measure!r} is none; there are {', '.join(MEASURES)}")
        if self.limit is None and self.than_champion is None:
            raise ValueError("limit: is needed, or than_champion")
        if is_ratio(self.measure) and self.limit is not None and not 0 < self.limit <= 1:
            raise ValueError(f"limit: of a ratio lies above 0 and at most at 1 (seen: {self.limit})")
        if is_ratio(self.measure) and self.than_champion is not None:
            other = self.measure.replace("_ratio", "_difference")
            raise ValueError(f"than_champion: is of a difference; say it of {other}")
        return self


class Fairness(Frozen):
    """Whose treatment is compared, by what, and how far apart it may be. See docs/fairness.md."""

    attributes: tuple[Attribute, ...] = ()
    """What about people is protected. By default nothing: no fairness is measured."""

    favourable: Literal[0, 1] | tuple[str, ...] = 1
    """Which decision is good for the person, and so what being selected means: of a yes or no 1, or 0 where a yes is what nobody
    wants (fraud, default); of classes their names; of a number 1 from `threshold` on, 0 below."""

    threshold: float | None = None
    """The output from which on the decision is yes. None: of a yes or no what the problem decides (`serving.threshold`, costs or
    its own decision); of a number nothing is decided, and errors alone are compared."""

    person: tuple[Name, ...] | None = None
    """The keys that say whose row it is: rows of one person are no independent witnesses, and groups are counted in people.
    None: the model's keys together. (): every row is another person."""

    minimum_group: int = Field(100, ge=FLOOR)
    """The number of people below which a group is not judged. Smaller ones are named, and judged together where they are enough;
    of fewer than 5 people not even their number is published."""

    limits: tuple[Limit, ...] = ()
    """What closes the gate. By default nothing: figures are reported only."""

    refuse: Literal["shown", "unless_shown"] = "shown"
    """Who has to show it. `shown`: a limit is missed where the rows show that it is: chance alone closes the gate of a fair model
    with probability `alpha` at most, all limits and groups together. `unless_shown`: where they do not show that it holds: an
    unfair model passes with probability `alpha` at most."""

    alpha: float = Field(0.05, gt=0, lt=0.5)
    """That probability, and that of all intervals."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Of its attributes, in their order."""
        return tuple(each.column for each in self.attributes)

    def limits_of(self, attribute: str) -> tuple[Limit, ...]:
        """Those of one attribute."""
        return tuple(each for each in self.limits if each.attribute in ("", attribute))

    def beside(self, keys: tuple[str, ...], inputs: tuple[str, ...]) -> tuple[str, ...]:
        """The attributes that are neither keys nor features: what the entities' SQL selects for this alone."""
        return tuple(name for name in self.columns if name not in keys and name not in inputs)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        columns = self.columns
        twice = sorted({name for name in columns if columns.count(name) > 1})
        unknown = sorted({each.attribute for each in self.limits if each.attribute} - set(columns))
        problems = [f"attributes: {twice} is there twice"] if twice else []
        problems += [f"limits: {unknown} is no attribute of this section ({', '.join(columns)})"] if unknown else []
        if self.limits and not columns:
            problems.append("limits: there are no attributes that they could be of")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def problems(self, kind: AnyKind, label: str, keys: tuple[str, ...], inputs: dict[str, str], managed: bool) -> Iterator[str]:
        """What does not go with the rest of a spec. `inputs`: the dtype of each of the model's features. `managed`: whether there
        is SQL that could select further columns."""
        if not self.attributes:
            return
        if kind.kind == "ranking":
            yield (
                "fairness: of a ranking no measure is offered, for who is selected depends on the list around them. Compare its "
                "metric between groups by evaluation.slices; fairness is measured of Binary, MultiClass and Regression"
            )
            return
        taken = {label, "request_id", "event_timestamp", "held_out"} & set(self.columns)
        if taken:
            yield f"fairness.attributes: {sorted(taken)} is what a row is known by, or its label, and no attribute of a person"
        if not managed and (beside := self.beside(keys, tuple(inputs))):
            yield f"fairness.attributes: {list(beside)} is no feature and no key, and without data.sources nothing selects it"
        unknown = sorted(set(self.person or ()) - set(keys))
        if unknown:
            yield f"fairness.person: {unknown} is no key of this model ({', '.join(keys) or 'it has none'})"
        for each in self.attributes:
            dtype = inputs.get(each.column, "")
            if each.bins and (dtype in ("category", "text", "bool") or each.column in keys):
                yield f"fairness.attributes: {each.column!r} is {dtype or 'a key'}, and bins are of numbers"
            elif dtype == "text" or dtype.startswith("vector") or (dtype == "float" and not each.bins):
                yield f"fairness.attributes: {each.column!r} is {dtype}, of which nearly each value is another: give it bins"
        yield from self._of_kind(kind)

    def _of_kind(self, kind: AnyKind) -> Iterator[str]:
        """What is not offered of this kind of problem."""
        if isinstance(kind, MultiClass):
            named = self.favourable if isinstance(self.favourable, tuple) else ()
            if unknown := sorted(set(named) - set(kind.outputs)):
                yield f"fairness.favourable: {unknown} is no class of this model ({', '.join(kind.outputs[:20])})"
            if self.threshold is not None:
                yield "fairness.threshold: of classes the problem decides, by its costs or its decision"
        elif isinstance(self.favourable, tuple):
            yield "fairness.favourable: here it is 0 or 1; names are of classes"
        offered = self.offered(kind)
        for measure in dict.fromkeys(each.measure for each in self.limits):
            if measure not in offered:
                why = {
                    "regression": "give fairness.threshold to compare decisions of a number",
                    "multiclass": "name the classes that are good for people in fairness.favourable to compare decisions",
                }.get(kind.kind, "an error of a yes or no is measured by accuracy and the rates")
                yield f"fairness.limits: {measure} is not offered here; {why}. There are {', '.join(offered)}"

    def offered(self, kind: AnyKind) -> tuple[str, ...]:
        """The measures of a kind of problem, as this section describes it."""
        if kind.kind == "binary":
            return (*OF_DECISIONS, *OF_PROBABILITIES)
        if kind.kind == "regression":
            return (*(OF_DECISIONS if self.threshold is not None else ()), *OF_NUMBERS)
        named = isinstance(self.favourable, tuple) and bool(self.favourable)
        return (*(OF_DECISIONS if named else ()), *OF_ERRORS, *OF_PROBABILITIES)
