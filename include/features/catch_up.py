"""Which published days are not online as they stand: re-published since, or lacking a version that a routed model pins.

Every materialization leaves a row in the control store: the day, the result and the versions it brought online. A day whose
row is missing is materialized again, which changes nothing where everything is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time

import sqlalchemy as sa

from include.core.control import ControlStore, effects
from include.core.digest import digest_json
from include.core.request import Json, Ref, Result
from include.core.spec import ModelSpec
from include.data.published import newest, published
from include.features.definition import Pins
from include.features.known import first_day


def record(control: ControlStore, model: str, result: Result, pins: Pins) -> None:
    """Note that a `features` result is online with what is pinned; once, however often it is repeated."""
    day = result.value["day"]
    detail: dict[str, Json] = {"day": day, "pinned": _pinned(pins)}
    control.once(_key(model, day, result.key, result.generation, pins), _resource(model), 0, lambda _: detail)


def pending(control: ControlStore, model: str, days: Mapping[date, Ref], results: Mapping[str, Result], pins: Pins) -> list[date]:
    """The days whose published result is not online, or not with all that is pinned; oldest first."""
    with control.transaction() as connection:
        query = sa.select(effects.c.key).where(effects.c.resource == _resource(model))
        done = set(connection.execute(query).scalars())
    wanted = {day: results[day.isoformat()] for day in days}
    return [
        day for day, each in sorted(wanted.items()) if _key(model, day.isoformat(), each.key, each.generation, pins) not in done
    ]


def recent(control: ControlStore, spec: ModelSpec, *, everything: bool = False) -> dict[date, Ref]:
    """The published days whose values may still be served: within the longest time to live of the newest, all where a view
    has none; or all of them anyhow."""
    last = newest(control, spec.name)
    if last is None:
        return {}
    first = date.min if everything else first_day(spec.features.views, datetime.combine(last, time()))
    return published(control, spec.name, first, last)


def _key(model: str, day: str, result: str, generation: int, pins: Pins) -> str:
    return f"online/{model}/{day}/{digest_json([result, generation, _pinned(pins)])[:32]}"


def _pinned(pins: Pins) -> list[str]:
    names = [f"{each.view.name}@{each.view.version}" for each in pins.definitions]
    return sorted([*names, *(["@"] if pins.unpinned else [])])


def _resource(model: str) -> str:
    return f"online/{model}"
