"""What an evaluation tells of whether its model gives away what it was trained on."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class AttackValue(TypedDict):
    """One attack. `advantage`: its share of true alarms less that of false ones, 0 of a coin, 1 of one that is always right.

    `found`: the share of the members that it finds at one false alarm in a hundred. `control`: its advantage on a model that saw
    neither side, which is what time gives away; `excess`: the advantage beyond that. Intervals are of 95 %, those of the excess
    for all attacks together.
    """

    attack: str
    advantage: float
    low: float
    high: float
    auc: float
    auc_low: float
    auc_high: float
    found: float
    found_low: float
    found_high: float
    control: float | None
    excess: float
    excess_low: float
    excess_high: float


class PrivacyValue(TypedDict):
    """Attacks on `members`, rows that the fit saw, among `others` that it did not, the worst first;
    none where they could not be made (`why`).

    `words`: one sentence of it.
    """

    members: int
    others: int
    attacks: list[AttackValue]
    why: NotRequired[str]
    words: str
