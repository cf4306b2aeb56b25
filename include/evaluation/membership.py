"""Membership inference: an attack that guesses, from a model's answers, which rows it was trained on.

`loss` (Yeom et al. 2018) says "member" where the label costs little by the model's answer; `confidence` (Salem et al. 2019) where
the answer is sure of itself, whatever the label; `calibrated` (Watson et al. 2022) where the label costs less than by a reference
model that never saw the row, so that easy rows are not taken for members.

The holdout is later than the training rows, so an attack may find time and not membership. Each is therefore made a second time,
in the same way, on a control: a model that saw neither. What counts is the `excess` of the first advantage over the second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from include.metrics.arrays import Bools, Floats, Groups
from include.metrics.errors import Influence, influence
from include.step_values.privacy import AttackValue

LEVEL = 0.05  # of an interval
FALSE_ALARMS = 0.01  # the rate at which the share of members that are found is told
FEW_GROUPS = 10  # tell no spread by being drawn anew
DRAWS = 200  # of the bootstrap of that share
CHOOSING = 0.25  # of the rows choose an attack's threshold; it is measured on the others alone


@dataclass(frozen=True)
class Guess:
    """How like a member each row [n] looks, by the model and by the control; without a control, time may be what is found."""

    name: str
    model: Floats
    control: Floats | None = None


def attack(guess: Guess, member: Bools, groups: Sequence[Groups], seed: int, tests: int = 1) -> AttackValue:
    """The figures of one attack on rows [n]. `groups`: rows that share something (a day, an entity), each [n].

    `tests`: how many attacks are made; the interval of the excess is as wide as that asks for.
    """
    chooses = np.random.default_rng(seed).random(len(member)) < CHOOSING
    width, left, shared = -float(ndtri(LEVEL / 2)), member[~chooses], [each[~chooses] for each in groups]
    found = _advantage(_guessed(guess.model, member, chooses), left)
    ranked = influence("auc", member.astype(np.float64), guess.model, 0.5)
    error, spread = width * _error(found, shared), width * _error(ranked, groups)
    share, low, high = _share_found(guess.model, member, groups, seed)
    value: AttackValue = {
        "attack": guess.name,
        "advantage": _number(found.value), "low": _number(found.value - error), "high": _number(found.value + error),
        "auc": _number(ranked.value), "auc_low": _number(ranked.value - spread), "auc_high": _number(ranked.value + spread),
        "found": _number(share), "found_low": _number(low), "found_high": _number(high),
        "control": None, "excess": 0.0, "excess_low": 0.0, "excess_high": 0.0,
    }  # fmt: skip
    beyond = found
    if guess.control is not None:
        control = _advantage(_guessed(guess.control, member, chooses), left)
        value["control"] = _number(control.value)
        if control.value > 0:  # time that leads an attack astray is nothing to give a model credit for
            beyond = found - control
    wider = -float(ndtri(LEVEL / 2 / tests)) * _error(beyond, shared)
    value["excess"] = _number(beyond.value)
    value["excess_low"], value["excess_high"] = _number(beyond.value - wider), _number(beyond.value + wider)
    return value


def _guessed(looks: Floats, member: Bools, chooses: Bools) -> Bools:
    """Which of the rows that are left are said to be members. The threshold is the one that does best on the rows that choose: on
    its own rows it would do too well, and rows that swapped their parts would no longer err by themselves."""
    guessed: Bools = looks[~chooses] >= _best(looks[chooses], member[chooses])
    return guessed


def _best(looks: Floats, member: Bools) -> float:
    """The threshold from which on most more members than others are."""
    values, place = np.unique(looks, return_inverse=True)
    inside, outside = (np.bincount(place, each, len(values)) for each in (member, ~member))
    above = [np.cumsum(each[::-1])[::-1] / max(each.sum(), 1.0) for each in (inside, outside)]
    ahead = (above[0] - above[1])[1:]  # the first takes all rows for members, which tells nothing, nor how sure that is
    return float(values[int(np.argmax(ahead)) + 1]) if len(ahead) else np.inf


def _advantage(said: Bools, member: Bools) -> Influence:
    """The share of members that are said to be some, less that of the others; and by how much each row moves it."""
    guessed = said.astype(np.float64)
    rates = [float(guessed[side].mean()) for side in (member, ~member)]
    moved = np.where(member, (guessed - rates[0]) / member.sum(), -(guessed - rates[1]) / (~member).sum())
    return Influence(rates[0] - rates[1], moved, member)


def _error(found: Influence, groups: Sequence[Groups]) -> float:
    """The largest standard error that rows or their groups tell."""
    return max((found.row_error(), *(found.group_error(each)[0] for each in groups)))


def _share_found(looks: Floats, member: Bools, groups: Sequence[Groups], seed: int) -> tuple[float, float, float]:
    """The share of members found where one in a hundred others is taken for one; its interval, by drawing groups anew."""
    draw = np.random.default_rng(seed)
    sides = [np.flatnonzero(member), np.flatnonzero(~member)]
    sides = [side[np.argsort(looks[side], kind="stable")] for side in sides]
    units = [_units(groups[0][side]) if groups else np.arange(len(side)) for side in sides]
    drawn = []
    for _ in range(DRAWS):
        times = [np.bincount(draw.integers(0, most, most), minlength=most)[unit] for unit in units for most in [unit.max() + 1]]
        drawn.append(_above(looks[sides[0]], looks[sides[1]], times[0], times[1]))
    low, high = np.quantile(drawn, [LEVEL / 2, 1 - LEVEL / 2])
    once = [np.ones(len(side)) for side in sides]
    return _above(looks[sides[0]], looks[sides[1]], once[0], once[1]), float(low), float(high)


def _units(groups: Groups) -> Groups:
    """What is drawn anew: the groups by number; each row by itself where they are too few."""
    known, place = np.unique(groups, return_inverse=True)
    return np.arange(len(groups)) if len(known) < FEW_GROUPS else place


def _above(members: Floats, others: Floats, member_times: Floats | Groups, other_times: Floats | Groups) -> float:
    """The share of the members above all but one in a hundred others; both in order, each row counted so many times."""
    counted = np.cumsum(other_times)
    place = int(np.searchsorted(counted, (1 - FALSE_ALARMS) * counted[-1]))
    above = np.searchsorted(members, others[min(place, len(others) - 1)], "right")
    return float(member_times[above:].sum() / max(member_times.sum(), 1))


def _number(value: float) -> float:
    return round(float(value), 6)


def guesses(surprise: Mapping[str, Floats], doubt: Mapping[str, Floats | None]) -> list[Guess]:
    """The attacks that can be made, from what each row's label costs (`surprise`) and how unsure the answers are (`doubt`), by
    `model`, and by `reference` and `control` where there are such models."""
    control = surprise.get("control")
    made = [Guess("loss", -surprise["model"], None if control is None else -control)]
    ours, theirs = doubt.get("model"), doubt.get("control")
    if ours is not None:
        made.append(Guess("confidence", -ours, None if theirs is None else -theirs))
    if "reference" in surprise and control is not None:
        known = surprise["reference"]
        made.append(Guess("calibrated", known - surprise["model"], known - control))
    return made
