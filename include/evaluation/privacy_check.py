"""The membership-inference attack on a candidate: which rows it is made on, and with which reference models.

Members are the last rows that the fit saw, the others the first that it did not: the validation rows and then the holdout, by
whole weeks on either side. So little of what tells them apart is time. The references are boosted forests, each fitted on another
half of the training rows that are left.
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
from include.model_contract.batch import Encoded, join
from include.model_contract.encoder import Encoder
from include.problems.problem import TIME, Problem
from include.problems.truth import Outputs, Truth
from include.step_values.privacy import PrivacyValue

ENOUGH = 200  # observations of a side, below which no attack is worth its name
OF_A_REFERENCE = 50_000  # rows that one is fitted on, at most
WEEK = 7 * 86_400_000_000  # microseconds


@dataclass(frozen=True)
class Side:
    """Rows of the training set or the holdout: with what is known of them, as the model takes them, and as numbers."""

    table: pa.Table
    truth: Truth
    rows: Encoded
    numbers: Values

    def take(self, places: Groups) -> Side:
        return Side(self.table.take(pa.array(places)), self.truth.take(places), self.rows[places], self.numbers[places])

    def joined(self, other: Side) -> Side:
        """These rows, and then the other's, whose lists are others than these."""
        columns = [name for name in self.table.column_names if name in other.table.column_names]
        table = pa.concat_tables([self.table.select(columns), other.table.select(columns)], promote_options="permissive")
        numbers = np.concatenate([self.numbers, other.numbers])
        return Side(table, self.truth.joined(other.truth), join([self.rows, other.rows]), numbers)


@dataclass(frozen=True)
class Known:
    """`trained`: the share of the training rows, by time, that the fit saw; None where nobody here knows."""

    trained: float | None
    keys: tuple[str, ...] = ()


def privacy(
    score: Score, encoder: Encoder, train: Side, holdout: Side, known: Known, asked: MembershipCheck, problem: Problem
) -> PrivacyValue:
    """The value's `privacy`."""
    if known.trained is None:
        return _unmeasured("it was trained elsewhere, so its training rows are not known here")
    seen, others, rest = _around_the_end(train, holdout, known.trained, asked)
    counts = [len(_first(each.truth)) for each in (seen, others)]
    if min(counts) < ENOUGH:
        sides = f"{counts[0]:,} rows that it saw and {counts[1]:,} that it did not"
        return _unmeasured(f"there are {sides}, and each must be {ENOUGH}", counts)
    both = [(seen, _first(seen.truth)), (others, _first(others.truth))]
    answers: dict[str, list[Outputs]] = {"model": [np.asarray(score(side.rows)) for side, _ in both]}
    answers |= _references(encoder, train, rest, [seen, others], asked, problem)
    surprise, doubt = {}, {}
    for name, outputs in answers.items():
        surprise[name] = np.concatenate(
            [problem.surprise(side.truth, said)[one] for (side, one), said in zip(both, outputs, strict=True)]
        )
        doubt[name] = _joined([problem.doubt(said) for said in outputs], [one for _, one in both])
    member = np.repeat([True, False], counts)
    made = guesses(surprise, doubt)
    found = [attack(each, member, _groups(both, known.keys), asked.seed, len(made)) for each in made]
    found.sort(key=lambda each: -each["excess_low"])
    return {"members": counts[0], "others": counts[1], "attacks": found, "words": words(found)}


def _around_the_end(train: Side, holdout: Side, trained: float, asked: MembershipCheck) -> tuple[Side, Side, Groups]:
    """The last rows that the fit saw, the first that it did not, and the places of what else it saw."""
    moments = _moments(train.table)
    order = np.argsort(moments, kind="stable")
    seen, unseen = np.split(order, [int(len(order) * trained)])
    end = moments[seen[-1]] if len(seen) else 0
    before, after = end - moments[seen], np.concatenate([moments[unseen], _moments(holdout.table)]) - end
    each, half = _rows_each(train.truth), len(seen) // 2
    span = max(_span(before, min(asked.rows * each, half)), _span(after, asked.rows * each))
    draw = np.random.default_rng(asked.seed)
    chosen = _drawn(seen[before <= span], train.truth, min(asked.rows, half), draw)
    near, late = np.split(np.flatnonzero(after <= span), [np.searchsorted(np.flatnonzero(after <= span), len(unseen))])
    total, parts = len(near) + len(late), []
    for side, places in ((train, unseen[near]), (holdout, late - len(unseen))):
        share = -(-asked.rows * len(places) // max(total, 1))
        parts.append(side.take(_drawn(places, side.truth, share, draw)))
    return train.take(chosen), parts[0].joined(parts[1]), np.setdiff1d(seen, chosen)


def _rows_each(truth: Truth) -> int:
    """Of an observation: of a ranking the mean list's."""
    return 1 if truth.query is None else -(-len(truth) // max(len(np.unique(truth.query)), 1))


def _span(distances: Groups, rows: int) -> int:
    """So many whole weeks that they hold so many rows; all that there are, where those are fewer."""
    if not len(distances) or not rows:
        return 0
    furthest = np.sort(distances)[min(rows, len(distances)) - 1]
    return int(-(-max(furthest, 1) // WEEK) * WEEK)


def _drawn(rows: Groups, truth: Truth, most: int, draw: np.random.Generator) -> Groups:
    """At most so many of the rows; of a ranking whole lists, of which one is an observation."""
    if truth.query is None:
        return np.sort(rows if len(rows) <= most else draw.choice(rows, most, replace=False))
    lists = np.unique(truth.query[rows])
    taken = lists if len(lists) <= most else draw.choice(lists, most, replace=False)
    return np.sort(rows[np.isin(truth.query[rows], taken)])


def _first(truth: Truth) -> Groups:
    """Places of the observations: all rows, or the first of each list, where its loss stands."""
    return np.arange(len(truth)) if truth.query is None else np.sort(np.unique(truth.query, return_index=True)[1])


def _references(
    encoder: Encoder, train: Side, rest: Groups, both: Sequence[Side], asked: MembershipCheck, problem: Problem
) -> dict[str, list[Outputs]]:
    """Answers of two models that saw neither side, where such can be fitted."""
    if not encoder.width or len(rest) < 2 * ENOUGH:
        return {}
    draw = np.random.default_rng(asked.seed + 2)
    halves = np.array_split(draw.permutation(rest)[: 2 * OF_A_REFERENCE], 2)
    wanted, cut = np.concatenate([side.numbers for side in both]), len(both[0].truth)
    found = {}
    for name, half in zip(("reference", "control"), halves, strict=True):
        known = train.take(np.sort(half))
        if problem.too_few(known.truth, 2):
            return {}
        said = boosted(problem, known.numbers, known.truth, wanted, encoder.code_places, asked.seed)
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
