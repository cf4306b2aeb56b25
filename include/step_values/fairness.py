"""How groups of people are treated, as evaluation and monitoring tell it."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from include.step_values.calibration import CalibrationBin


class RateValue(TypedDict):
    """A figure of a group, and from `low` to `high` what is believable of it. `rows`: of how many, where that may be told."""

    value: float
    low: float
    high: float
    rows: int | None


class GroupValue(TypedDict):
    """A group that is large enough. `of`: the groups that it was put together of, if it was. `compared`: whether limits are of
    it. `calibration`: of probabilities, by bins; `calibration_error`: the mean gap between score and rate over them."""

    group: str
    people: int
    rows: int
    compared: bool
    of: NotRequired[list[str]]
    rates: dict[str, RateValue]
    calibration: NotRequired[list[CalibrationBin]]
    calibration_error: NotRequired[float | None]


class SmallGroup(TypedDict):
    """A group that is too small to be judged. `people` is None where their number is not published."""

    group: str
    people: int | None


class MeasureValue(TypedDict):
    """How far apart groups are: the widest gap there is, between which groups, and what is believable of it."""

    value: float
    low: float
    high: float | None
    between: list[str]


class AttributeValue(TypedDict):
    """One attribute. `rounded`: whether counts are rounded to tens, and figures to three digits, so that they do not tell how
    many are in a group that is withheld. `too_few`: why nothing is compared, if so."""

    attribute: str
    rounded: bool
    too_few: str
    groups: list[GroupValue]
    small: list[SmallGroup]
    measures: dict[str, MeasureValue]


class LimitValue(TypedDict):
    """A limit of the spec on these rows. `limit`: what it must keep to; `against`: a fixed one, or the champion's gap and this
    much more. `holds`: within, or not shown to be missed; `missed`; `unshown`: not shown to hold, which is refused;
    `unjudged`: there is nothing to compare."""

    measure: str
    attribute: str
    limit: float
    against: Literal["limit", "champion"]
    verdict: Literal["holds", "missed", "unshown", "unjudged"]
    found: MeasureValue | None
    words: str


class FairnessValue(TypedDict):
    """`words`: the verdict as a sentence. `selected`: what being selected means. `unscored`: rows without an output, left out."""

    words: str
    selected: str
    alpha: float
    refuse: Literal["shown", "unless_shown"]
    minimum_group: int
    unscored: int
    attributes: list[AttributeValue]
    limits: list[LimitValue]
