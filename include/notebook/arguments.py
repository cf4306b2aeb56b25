"""What a person gives: moments in any form, and parameters that the model has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from include.core.digest import canonical_json
from include.core.errors import DataError
from include.core.nearest import did_you_mean
from include.core.partition import Cadence, Partition, named
from include.core.spec import ModelSpec
from include.core.time import start_of_day, utc
from include.data.window import moment
from include.notebook.fits import CHAMPION, Other
from include.notebook.results import Fit

Moment = str | date | datetime
SHOWN = 18  # characters of a key


def as_moment(given: Moment) -> datetime:
    """UTC, without zone; a day is its beginning. Raises DataError for a text that is no time."""
    if isinstance(given, str):
        return moment(given)
    return utc(given) if isinstance(given, datetime) else start_of_day(given)


def days_of(cadence: Cadence, given: Moment) -> list[Partition]:
    """The partition that is meant, by its name or by a moment that it holds; by a calendar day all that begin in it."""
    if isinstance(given, str):
        return [cadence.on(moment(given).date())] if cadence.is_daily else named(given, cadence)
    return [cadence.at(given)] if isinstance(given, datetime) else cadence.within_days(given, given) or [cadence.on(given)]


def known_params(spec: ModelSpec, params: Mapping[str, Any]) -> dict[str, Any]:
    """Raises DataError for a name that the spec does not have, or a value that no key can hold."""
    known = {*spec.training.params, *spec.training.search}
    unknown = [name for name in params if name not in known]
    if unknown:
        raise DataError(
            f"{spec.name} has no parameter {unknown[0]!r}: it would change the key of the fit, and nothing else.",
            seen=unknown,
            safe="nothing was fitted.",
            hint=f"{did_you_mean(unknown[0], known, 'parameters')} A new one belongs into training.params of the spec.",
        )
    try:
        canonical_json(dict(params))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"A parameter is no plain value: {error}.",
            seen={name: type(value).__name__ for name, value in params.items()},
            safe="nothing was fitted.",
            hint="give numbers, text, booleans, lists or dicts of them; of NumPy's numbers .item().",
        ) from error
    return dict(params)


def name_of(asked: Other, found: Fit) -> str:
    """What a comparison calls a fit."""
    if isinstance(asked, int):
        return f"version {asked}"
    return CHAMPION if asked == CHAMPION else found.key[:SHOWN]
