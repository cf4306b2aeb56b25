"""Answers that wait for their label or outcome, and labels that wait for their answer: joined when sources are merged.

A label may be posted to another gateway than the one that answered, and reach the control store before the answer. So both
are kept as rows, and which pair counts follows from all of them, in whatever order they came:

- of one id the first answer counts;
- an id that two entities were asked about is contested: from the second one's moment on its labels are nobody's;
- a pair's moment is the later one of its two;
- a label that was written before the answer is of an earlier request under that id, and nobody's, but for what the clocks of two
  machines may differ by.

Moments are (slice, time of writing). Of an answer one number is remembered; which one, the kind of problem says
(`Problem.remembered`): a decision, a value, a place in a list.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from include.prediction_log.record import LABEL, Record
from include.rollout.guardrails import business_metric_stream
from include.rollout.journal import Rows, Table

if TYPE_CHECKING:
    from include.problems.problem import Problem

PENDING = 20_000  # newest answers that a label may still find, at the least
SKEW = 5_000_000  # microseconds that the clocks of two gateways may differ by
LABEL_NAME = "label"  # the first name of labels' tables


@dataclass(frozen=True)
class Pairs:
    """Labels that found their answer, as columns of one length. `of_answer`, `of_label`: the rows they are made of."""

    of_answer: NDArray[np.intp]
    of_label: NDArray[np.intp]
    slots: NDArray[np.int64]
    at: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.slots)


def request_number(request: str) -> int:
    """64 bits of a request's id."""
    return int.from_bytes(blake2b(request.encode(), digest_size=8).digest())


def answer_row(record: Record, unit: int, arm: int, said: float | None, slot: int, at: int) -> tuple[Any, ...]:
    """`said`: None if no label could judge the answer; an outcome may still find it."""
    return request_number(record.id), unit, arm, nan if said is None else said, slot, at


def label_row(record: Record, name: int, value: float, slot: int, at: int) -> tuple[Any, ...]:
    return request_number(record.id), name, value, slot, at


def label_name_and_value(record: Record, problem: Problem) -> tuple[str, float] | None:
    """Under which name a label or an outcome is kept, and its value; None where it says nothing."""
    if record.kind == LABEL:
        label = problem.logged_label(record.label, record.label_class)
        return None if label is None else (LABEL_NAME, label)
    happened = record.label is not None and record.label > 0
    return (business_metric_stream(record.metric), 1.0) if happened else None


def join(answers: Table, labels: Table) -> Pairs:
    """The pairs that count, in the order of labels' rows."""
    wanted = np.flatnonzero(np.isin(answers.rows["id"], labels.rows["id"]))
    rows = answers.rows[wanted]
    order = np.lexsort((rows["at"], rows["slice"], rows["id"]))
    rows, wanted = rows[order], wanted[order]
    ids, first = np.unique(rows["id"], return_index=True)
    contested_slot, contested_at = _contested(rows, first)
    place = np.searchsorted(ids, labels.rows["id"])
    found = np.flatnonzero(place < len(ids))
    found = found[ids[place[found]] == labels.rows["id"][found]]
    place, told = place[found], labels.rows[found]
    owner = rows[first[place]]
    later = _before(owner["slice"], owner["at"], told["slice"], told["at"])
    slots = np.where(later, told["slice"], owner["slice"]).astype(np.int64)
    at = np.where(later, told["at"], owner["at"])
    counts = _before(slots, at, contested_slot[place], contested_at[place]) & (told["at"] >= owner["at"] - SKEW)
    return Pairs(wanted[first[place]][counts], found[counts], slots[counts], at[counts])


def _contested(rows: Rows, first: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each id, at (slice, at) another entity than the first was asked about. `rows` sorted by id and moment."""
    never = np.iinfo(np.int64).max
    slots, at = np.full(len(first), never), np.full(len(first), never)
    which = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(rows))))
    others = np.flatnonzero(rows["unit"] != rows["unit"][first[which]])[::-1]  # the earliest is written last
    slots[which[others]], at[which[others]] = rows["slice"][others], rows["at"][others]
    return slots, at


def _before(slots: Any, at: Any, others: Any, others_at: Any) -> NDArray[np.bool_]:
    """Whether a moment is before another."""
    earlier: NDArray[np.bool_] = (slots < others) | ((slots == others) & (at < others_at))
    return earlier
