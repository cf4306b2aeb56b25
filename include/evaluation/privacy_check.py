"""The membership-inference attack on a candidate: which rows it is made on, and with which reference models.

Members are of the newest rows that the fit saw, for they are nearest in time to the holdout. The references are boosted forests,
each fitted on another half of the training rows that are left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from include.core.spec import MembershipCheck
from include.evaluation.baselines import boosted
from include.evaluation.membership import attack, guesses
from include.evaluation.privacy_words import words
from include.explanations.layout import Score
from include.metrics.arrays import Floats, Groups, Values
from include.model_contract.batch import Encoded
from include.model_contract.encoder import Encoder
from include.problems.problem import TIME, Problem
from include.problems.truth import Outputs, Truth
from include.step_values.privacy import PrivacyValue

ENOUGH = 200  # observations of a side, below which no attack is worth its name
OF_A_REFERENCE = 50_000  # rows that one is fitted on, at most
NEWEST = 0.5  # of the rows that the fit saw: what members are drawn of, where the holdout is not as long


@dataclass(frozen=True)
class Side:
    """Rows of the training set or the holdout: with what is known of them, as the model takes them, and as numbers."""

    table: pa.Table
    truth: Truth
    rows: Encoded
    numbers: Values


@dataclass(frozen=True)
class Known:
    """`trained`: the share of the training rows, by time, that the fit saw; None where nobody here knows."""

    trained: float | None
    keys: tuple[str, ...] = ()


Drawn = tuple[Side, Groups, Groups]
"""Rows of a side, by their places; and which of those are observations."""


def privacy(
    score: Score, encoder: Encoder, train: Side, holdout: Side, known: Known, asked: MembershipCheck, problem: Problem
) -> PrivacyValue:
    """The value's `privacy`."""
    if known.trained is None:
        return _unmeasured("it was trained elsewhere, so its training rows are not known here")
    members, rest = _members(train, holdout, known.trained, asked)
    others = _others(holdout.truth, asked)
    counts = [_observations(side.truth.take(chosen)) for side, chosen in ((train, members), (holdout, others))]
    if min(counts) < ENOUGH:
        sides = f"{counts[0]:,} training rows and {counts[1]:,} of the holdout"
        return _unmeasured(f"there are {sides}, and each must be {ENOUGH}", counts)
    first = [_first(side.truth.take(chosen)) for side, chosen in ((train, members), (holdout, others))]
    both = [(train, members, first[0]), (holdout, others, first[1])]
    answers: dict[str, list[Outputs]] = {"model": [np.asarray(score(side.rows[chosen])) for side, chosen, _ in both]}
    answers |= _references(encoder, train, rest, both, asked, problem)
    surprise, doubt = {}, {}
    for name, outputs in answers.items():
        surprise[name] = np.concatenate(
            [problem.surprise(side.truth.take(at), said)[one] for (side, at, one), said in zip(both, outputs, strict=True)]
        )
        unsure = [problem.doubt(said) for said in outputs]
        doubt[name] = _joined(unsure, [one for _, _, one in both])
    member = np.repeat([True, False], [len(each) for each in first])
    groups = _groups([(side, at[one]) for side, at, one in both], known.keys)
    made = guesses(surprise, doubt)
    found = [attack(each, member, groups, asked.seed, len(made)) for each in made]
    found.sort(key=lambda each: -each["excess_low"])
    return {"members": len(first[0]), "others": len(first[1]), "attacks": found, "words": words(found)}


def _members(train: Side, holdout: Side, trained: float, asked: MembershipCheck) -> tuple[Groups, Groups]:
    """Places of the rows that the attack is to recognise; and of the others that the fit saw."""
    order = np.argsort(_moments(train.table), kind="stable")
    seen = order[: int(len(order) * trained)]
    newest = seen[-max(min(len(holdout.truth), int(len(seen) * NEWEST)), min(asked.rows, len(seen) // 2)) :]
    draw = np.random.default_rng(asked.seed)
    chosen = _drawn(newest, train.truth, asked.rows, draw)
    return chosen, np.setdiff1d(seen, chosen)


def _others(truth: Truth, asked: MembershipCheck) -> Groups:
    return _drawn(np.arange(len(truth)), truth, asked.rows, np.random.default_rng(asked.seed + 1))


def _drawn(rows: Groups, truth: Truth, most: int, draw: np.random.Generator) -> Groups:
    """At most so many of the rows; of a ranking whole lists, of which one is an observation."""
    if truth.query is None:
        return np.sort(rows if len(rows) <= most else draw.choice(rows, most, replace=False))
    lists = np.unique(truth.query[rows])
    taken = lists if len(lists) <= most else draw.choice(lists, most, replace=False)
    return np.flatnonzero(np.isin(truth.query, taken))


def _first(truth: Truth) -> Groups:
    """Places of the observations: all rows, or the first of each list, where its loss stands."""
    return np.arange(len(truth)) if truth.query is None else np.sort(np.unique(truth.query, return_index=True)[1])


def _observations(truth: Truth) -> int:
    return len(_first(truth))


def _references(
    encoder: Encoder, train: Side, rest: Groups, both: Sequence[Drawn], asked: MembershipCheck, problem: Problem
) -> dict[str, list[Outputs]]:
    """Answers of two models that saw neither side, where such can be fitted."""
    if not encoder.width or len(rest) < 2 * ENOUGH:
        return {}
    draw = np.random.default_rng(asked.seed + 2)
    halves = np.array_split(draw.permutation(rest)[: 2 * OF_A_REFERENCE], 2)
    wanted = np.concatenate([side.numbers[chosen] for side, chosen, _ in both])
    cut, found = len(both[0][1]), {}
    for name, half in zip(("reference", "control"), halves, strict=True):
        truth = train.truth.take(np.sort(half))
        if problem.too_few(truth, 2):
            return {}
        said = boosted(problem, train.numbers[np.sort(half)], truth, wanted, encoder.code_places, asked.seed)
        if said is None:
            return {}
        found[name] = [said[:cut], said[cut:]]
    return found


def _joined(parts: Sequence[Floats | None], places: Sequence[Groups]) -> Floats | None:
    known = [part[at] for part, at in zip(parts, places, strict=True) if part is not None]
    return np.concatenate(known) if len(known) == len(parts) else None


def _groups(both: Sequence[tuple[Side, Groups]], keys: Sequence[str]) -> list[Groups]:
    """Rows of a day, and rows of an entity, by number."""
    found = []
    if all(side.truth.day is not None for side, _ in both):
        found.append(np.concatenate([np.asarray(side.truth.day)[at] for side, at in both]))
    if keys and all(set(keys) <= set(side.table.column_names) for side, _ in both):
        named = [zip(*(side.table[key].to_pylist() for key in keys), strict=True) for side, _ in both]
        texts = [[str(entity) for entity in each] for each in named]
        every = np.concatenate([np.array(each, object)[at] for each, (_, at) in zip(texts, both, strict=True)])
        found.append(np.unique(every.astype(str), return_inverse=True)[1])
    return found


def _moments(table: pa.Table) -> Groups:
    moments: Groups = table[TIME].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    return moments


def _unmeasured(why: str, counts: Sequence[int] = (0, 0)) -> PrivacyValue:
    words = f"Whether it gives away its training rows was not measured: {why}."
    return {"members": counts[0], "others": counts[1], "attacks": [], "why": why, "words": words}


def trained_share(value: Mapping[str, Any], rows: int) -> float | None:
    """Which part of the training rows the fit saw: the older ones, as many as it says. None of what was trained elsewhere."""
    if "source" in value or not rows:
        return None
    return min(float(value["rows"]) / rows, 1.0)
