"""Answers that wait for their label or outcome, in bounded memory: of each request one number, and whose it was.

Which number that is, the kind of problem says (`Problem.remembered`): a decision, a value, a place in a list.
"""

from __future__ import annotations

from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from math import nan
from typing import Any, Self

from include.core.request import Json

PENDING = 20_000  # newest answers that a label may still find
CONTESTED = 2  # in the place of an arm: several entities were asked about under one id, so a label is nobody's
COLUMNS = {"ids": "Q", "units": "Q", "arms": "B", "said": "d"}  # as they are stored


Pending = tuple[int, int, float]
"""The entity's number, its arm, and what is remembered: NaN if no label could judge the answer; an outcome may still find it."""


@dataclass
class PendingAnswers:
    answers: dict[int, Pending] = field(default_factory=dict)  # by the number of the request

    def add(self, request: str, unit: int, arm: int, said: float | None) -> None:
        """Of one id the first answer counts."""
        number = request_number(request)
        known = self.answers.setdefault(number, (unit, arm, nan if said is None else said))[0]
        if known != unit:
            self.answers[number] = (known, CONTESTED, 0.0)
        if len(self.answers) > 2 * PENDING:
            self.answers = dict(list(self.answers.items())[-PENDING:])

    def find(self, request: str) -> Pending | None:
        return self.answers.get(request_number(request))

    def take(self, request: str) -> Pending | None:
        """The same, and it waits no longer."""
        return self.answers.pop(request_number(request), None)

    def to_json(self) -> dict[str, Json]:
        newest = [(key, *answer) for key, answer in list(self.answers.items())[-PENDING:]]
        columns = zip(*newest, strict=True) if newest else ((),) * len(COLUMNS)
        return {name: _pack(array(code, column)) for (name, code), column in zip(COLUMNS.items(), columns, strict=True)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        columns = [_unpack(code, value[name]) for name, code in COLUMNS.items()]
        return cls({key: (unit, arm, said) for key, unit, arm, said in zip(*columns, strict=True)})


def request_number(request: str) -> int:
    """64 bits of a request's id."""
    return int.from_bytes(blake2b(request.encode(), digest_size=8).digest())


def _pack(values: array[Any]) -> str:
    return b64encode(values.tobytes()).decode()


def _unpack(code: str, text: str) -> array[Any]:
    values: array[Any] = array(code)
    values.frombytes(b64decode(text))
    return values
