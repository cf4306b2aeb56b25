"""The newest skew finding where the metrics page finds it: a row of the control store a finding. Imports no data library."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from include.core.control import ControlStore, effects
from include.core.request import Json, Result
from include.core.spec import ModelSpec


def record(control: ControlStore, model: str, result: Result) -> None:
    """Keep the shares of a `skew` result, once a result."""

    def effect(_: sa.Connection) -> dict[str, Json]:
        shares = {row["feature"]: row["share"] for row in result.value["features"]}
        return {"level": result.value["level"], "shares": shares}

    control.once(f"skew/{result.key}/{result.generation}", resource(model), 0, effect)


def resource(model: str) -> str:
    return f"skew/{model}"


def last_shares(control: ControlStore, model: str) -> dict[str, float]:
    """Feature to the share of differing values, of the newest finding; empty before the first."""
    query = sa.select(effects.c.result).where(effects.c.resource == resource(model)).order_by(effects.c.at.desc()).limit(1)
    with control.transaction() as connection:
        found = connection.execute(query).scalar()
    return dict(found["shares"]) if found else {}


def samples(control: ControlStore, spec: ModelSpec) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """For the metrics page: the newest finding's shares, and what is too much."""
    yield "slipstream_skew_limit", (spec.name,), spec.monitoring.skew_error
    for feature, share in last_shares(control, spec.name).items():
        yield "slipstream_skew_share", (spec.name, feature), share
