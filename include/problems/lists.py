"""Lists of candidates by their scores, and what the order of each is worth.

Equal scores are no order: what a place is worth is shared among the candidates that tie for it (McSherry, Najork 2008), so a
model that gives all candidates one score gains nothing from the order of the rows.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from include.metrics.arrays import Bools, Floats, Groups


class Lists:
    """`query`, `relevance` and `score` [n]: rows of one query are one list. `at`: so many first places count.

    Figures are [lists], by the number of the query; 0 for a list that tells no order.
    """

    def __init__(self, query: Groups, relevance: Floats, score: Floats, at: int) -> None:
        _, self._first, self._list = np.unique(query, return_index=True, return_inverse=True)
        self.count, self._at, self._relevance = len(self._first), at, relevance
        self._rows = len(query)
        self._order = np.lexsort((-score, self._list))
        self._place(score)

    def _place(self, score: Floats) -> None:
        """Of each row in order: the places [start, stop) within its list that it shares with equal scores."""
        lists, ranked = self._list[self._order], score[self._order]
        new = np.ones(self._rows, dtype=np.bool_)
        new[1:] = (lists[1:] != lists[:-1]) | (ranked[1:] != ranked[:-1])
        starts = np.flatnonzero(new)
        lengths = np.diff(np.append(starts, self._rows))
        begin = np.zeros(self.count, dtype=np.int64)
        np.add.at(begin, lists, 1)
        self._sizes = begin
        offset = np.concatenate([[0], np.cumsum(begin)[:-1]])
        self._start = np.repeat(starts, lengths) - offset[lists]
        self._stop = self._start + np.repeat(lengths, lengths)

    @cached_property
    def _tells(self) -> Bools:
        relevant = np.bincount(self._list, self._relevance > 0, self.count)
        found: Bools = (self._sizes > 1) & (relevant > 0)
        return found

    @property
    def telling(self) -> int:
        """How many lists tell an order: of two candidates at least, one of them relevant."""
        return int(self._tells.sum())

    @property
    def alone(self) -> int:
        """How many lists have one candidate."""
        return int((self._sizes < 2).sum())

    @property
    def irrelevant(self) -> int:
        """How many lists of several candidates have none that is relevant."""
        return int(((self._sizes > 1) & ~self._tells).sum())

    def at_first(self, values: Floats) -> Floats:
        """Figures of lists as a column of rows [n]: at the first row of each list that tells an order, and 0 elsewhere."""
        rows = np.zeros(self._rows)
        rows[self._first[self._tells]] = values[self._tells]
        return rows

    @cached_property
    def ndcg(self) -> Floats:
        """Gains of 2^relevance - 1, discounted by log2 of the place + 1 (Järvelin, Kekäläinen 2002; Burges et al. 2005)."""
        gain = np.exp2(self._relevance[self._order]) - 1
        found = self._sum(gain * self._mean_discount(self._start, self._stop))
        best = np.lexsort((-self._relevance, self._list))
        place = np.arange(self._rows) - np.concatenate([[0], np.cumsum(self._sizes)[:-1]])[self._list[best]]
        ideal = (np.exp2(self._relevance[best]) - 1) * self._mean_discount(place, place + 1)
        return _divided(found, np.bincount(self._list[best], ideal, self.count).astype(np.float64))

    def _mean_discount(self, start: Groups, stop: Groups) -> Floats:
        """The mean discount of the places [start, stop); none beyond the first ones."""
        places = np.arange(1, int(self._sizes.max(initial=0)) + 1)
        discounts = np.where(places <= self._at, 1 / np.log2(places + 1), 0.0)
        sums = np.concatenate([[0.0], np.cumsum(discounts)])
        found: Floats = (sums[stop] - sums[start]) / (stop - start)
        return found

    @cached_property
    def recall(self) -> Floats:
        """The share of the relevant candidates that are among the first places."""
        relevant = self._relevant
        inside = (np.minimum(self._stop, self._at) - np.minimum(self._start, self._at)) / (self._stop - self._start)
        return _divided(self._sum(relevant * inside), self._sum(relevant))

    @cached_property
    def reciprocal_rank(self) -> Floats:
        """1 / the place of the first relevant candidate, after all it ties with; 0 where it is not among the first places."""
        places = np.where((self._relevant > 0) & (self._stop <= self._at), 1 / self._stop, 0.0)
        found = np.zeros(self.count)
        np.maximum.at(found, self._list[self._order], places)
        return found

    @cached_property
    def average_precision(self) -> Floats:
        """The mean, over the relevant candidates, of the precision down to their place; 0 for those beyond the first places."""
        lists, relevant = self._list[self._order], self._relevant
        hits = np.cumsum(relevant)
        before = np.concatenate([[0.0], hits])[np.concatenate([[0], np.cumsum(self._sizes)[:-1]])]
        offset = np.concatenate([[0], np.cumsum(self._sizes)[:-1]])[lists]
        down_to = hits[offset + self._stop - 1] - before[lists]
        gained = np.where(self._stop <= self._at, relevant * down_to / self._stop, 0.0)
        most = np.minimum(self._sum(relevant), self._at)
        return _divided(self._sum(gained), most)

    @property
    def _relevant(self) -> Floats:
        found: Floats = (self._relevance[self._order] > 0).astype(np.float64)
        return found

    def _sum(self, values: Floats) -> Floats:
        found: Floats = np.bincount(self._list[self._order], values, self.count).astype(np.float64)
        return found


def _divided(above: Floats, below: Floats) -> Floats:
    found: Floats = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return found
