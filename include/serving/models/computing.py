"""What a version computes of a request, as the gateway does it: by a compiled function that was held against DuckDB when the
version was loaded, and by DuckDB itself where the two did not agree."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from include.core.spec import Features
from include.request_features.compiled import Derive, compiled
from include.request_features.definition import RequestFeatures, of_version
from include.request_features.interpreted import Interpreted
from include.request_features.parity import difference, generated

log = logging.getLogger(__name__)
CHECKED_ROWS = 256  # of generated requests, in some milliseconds
FAILED = "request_features"  # in `degraded`: what is computed of the request counts as unknown


@dataclass(frozen=True)
class Computing:
    digest: str  # of the expressions and what they read
    names: tuple[str, ...]
    derive: Derive = field(repr=False)
    differed: str = ""  # in which value the compiled function did, so that DuckDB computes

    def __call__(self, row: dict[str, Any], moment: datetime) -> bool:
        """Fill in what is computed of a row by name, None where it has no value; whether that could be done."""
        try:
            self.derive(row, moment)
        except Exception as error:  # noqa: BLE001 - a row that holds what no column of its type does: the others have their answers
            log.warning("the request features of a row were not computed: %r", error)
            row.update(dict.fromkeys(self.names))
            return False
        return True


def open_computing(signature: Mapping[str, Any], features: Features) -> Computing | None:
    """Of a version; None where it computes nothing. Raises DataError for expressions that this release cannot read."""
    wanted = of_version(signature, features)
    return None if wanted is None else checked_computing(wanted)


def checked_computing(wanted: RequestFeatures) -> Computing:
    """The compiled function, if it gives DuckDB's bits on generated rows; else DuckDB."""
    derive = compiled(wanted.expressions, wanted.features)
    differed = difference(wanted, derive, generated(wanted.given, CHECKED_ROWS))
    if differed:
        log.error("request features are computed by DuckDB, at some hundreds of microseconds each: compiled, %s", differed)
        return Computing(wanted.digest, wanted.names, Interpreted(wanted), differed)
    return Computing(wanted.digest, wanted.names, derive)
