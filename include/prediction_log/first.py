"""Which of several records with one id counts: the one rule that every reader of the prediction log keeps.

A caller may send a request again under its id, and may guess another's id. Of the predictions of one id and one entity the
first written counts: the one with the earliest `at`; of those of one moment the one that comes first in the order of reading
(include/prediction_log/layout.py), which is that of the segments' names and then of the lines in them. Of what a shadow said
to a request, version by version, likewise. Neither the order in which files are listed nor rotation or redaction changes that.

An id that several entities were asked about is contested: nobody can tell from the log whose it is.

The rule stands twice, for Python and for SQL; tests/unit/prediction_log/test_first.py holds them to the same answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from include.prediction_log.record import Record

# SQL of what rows of one id and entity are sorted by: {at} is the text of `at`, {place} the number in the order of reading.
FIRST_SQL = "coalesce({at}, ''), {place}"


@dataclass(frozen=True)
class Requests:
    """The predictions that count, by request id and hash of the entity."""

    first: Mapping[tuple[str, str], Record]

    @classmethod
    def of(cls, records: Iterable[Record]) -> Self:
        """From predictions in the order of reading."""
        first: dict[tuple[str, str], Record] = {}
        for record in records:
            who = record.id, record.unit
            known = first.get(who)
            if known is None or record.at < known.at:
                first[who] = record
        return cls(first)

    @cached_property
    def entities(self) -> Counter[str]:
        """Of how many entities each id was asked."""
        return Counter(request for request, _ in self.first)

    @cached_property
    def contested(self) -> frozenset[str]:
        """The ids that several entities were asked about."""
        return frozenset(request for request, entities in self.entities.items() if entities > 1)

    @property
    def undisputed(self) -> list[Record]:
        """The records that count of the ids that are not contested."""
        return [record for (request, _), record in self.first.items() if request not in self.contested]

    @property
    def last_written(self) -> str:
        """The latest `at` of these records; empty where there are none. A reading up to it finds the same requests again."""
        return max((record.at for record in self.first.values()), default="")
