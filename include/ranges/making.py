"""One day of a range: its verdict and its features, found in the ledger or computed, as the daily DAG's tasks would."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from include.core.errors import SlipstreamError, fields_of, of_fields
from include.core.ledger import Ledger
from include.core.request import Ref, Request, Result
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.task import perform
from include.features.request import features_request
from include.step_values.validation import ValidateValue
from include.validation.request import verdict_request
from include.validation.verdict import raise_if_failed


@dataclass(frozen=True)
class Made:
    """A day's two results. `computed`: how many of them were computed now; 0 where both were there."""

    day: date
    verdict: Ref
    features: Ref
    computed: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        refs = {"verdict": self.verdict.to_json(), "features": self.features.to_json()}
        return {"day": self.day.isoformat(), **refs, "computed": self.computed, "seconds": self.seconds}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        refs = (Ref.from_json(value[name]) for name in ("verdict", "features"))
        return cls(date.fromisoformat(value["day"]), *refs, value["computed"], value["seconds"])


@dataclass(frozen=True)
class Failed:
    """Why a day has no features."""

    day: date
    error: SlipstreamError

    def to_json(self) -> dict[str, Any]:
        return {"day": self.day.isoformat(), "error": fields_of(self.error)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(date.fromisoformat(value["day"]), of_fields(value["error"]))


class Maker:
    """Makes days of one model, one after the other. Pure but for the ledger: it publishes nothing."""

    def __init__(self, spec: ModelSpec, ledger: Ledger, settings: Settings, fresh: str = "") -> None:
        """`fresh`: the run's token where everything is to be computed anew, else empty."""
        self.spec, self.ledger, self.settings, self.fresh = spec, ledger, settings, fresh

    def make(self, day: date) -> Made | Failed:
        """Whatever is wrong with the day comes back as its error."""
        try:
            return self._make(day)
        except SlipstreamError as error:
            return Failed(day, error)

    def _make(self, day: date) -> Made:
        started = time.monotonic()
        verdict, judged = self._result(verdict_request(self.spec, day, self.ledger.storage))
        files = {name: self.ledger.storage.uri(file.path) for name, file in verdict.files.items()}
        raise_if_failed(verdict.read(ValidateValue), files)
        ref = self.ledger.ref(verdict)
        features, made = self._result(features_request(self.spec, day, self.ledger.storage, ref))
        seconds = round(time.monotonic() - started, 3)
        return Made(day, ref, self.ledger.ref(features), judged + made, seconds)

    def _result(self, request: Request) -> tuple[Result, bool]:
        """The request's result, and whether it was computed now."""
        self.ledger.record(request)
        generation = self._generation(request.key)
        known = self.ledger.result(request.key, generation)
        if known is not None:
            return known, False
        attempt = self.ledger.open_attempt(request.key, generation)
        return perform(request, attempt, self.ledger, self.settings), True

    def _generation(self, key: str) -> int:
        """A committed result whose bytes changed is computed again, under a generation of its own."""
        if self.fresh:
            return self.ledger.open_generation(key, self.fresh, "fresh")
        generation = self.ledger.generation(key)
        known = self.ledger.result(key, generation)
        if known is not None and (broken := self.ledger.verify(known)):
            return self.ledger.open_generation(key, f"repair:g{generation}", f"damaged: {', '.join(broken)}")
        return generation
