"""Films for visitors: members, and while a version is rolled out many of whom nothing is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from examples.models.recommend.raw_days import land
from include.core.spec import ModelSpec, Ranking
from include.core.storage import Storage
from tests.e2e.case_life import Case, change_outputs

if TYPE_CHECKING:
    from onnx import ModelProto

GUESTS = 20  # for each visit of a member: the arms of a canary need more visitors than the members are


def land_days(storage: Storage, first: date, last: date, model: str) -> None:
    land(storage, first, last, model)


def worst_first(model: ModelProto) -> None:
    """The ranker puts first what it should put last."""
    change_outputs(model, -1.0, 0.0)


def visits(spec: ModelSpec, rows: Sequence[dict[str, Any]]) -> list[tuple[datetime, dict[str, Any]]]:
    """One question a visit."""
    return _asked(spec, rows, 0)


def crowded_visits(spec: ModelSpec, rows: Sequence[dict[str, Any]]) -> list[tuple[datetime, dict[str, Any]]]:
    """And those of guests who come at the same time."""
    return _asked(spec, rows, GUESTS)


def _asked(spec: ModelSpec, rows: Sequence[dict[str, Any]], guests: int) -> list[tuple[datetime, dict[str, Any]]]:
    assert isinstance(spec.problem, Ranking)
    asked: dict[str, tuple[datetime, dict[str, Any]]] = {}
    for row in rows:
        at, visit = row["event_timestamp"], row[spec.problem.query]
        visitors = [(visit, row["user_id"]), *((f"{visit}-guest-{n}", f"{visit}-guest-{n}") for n in range(guests))]
        for name, user in visitors:
            entity = {"user_id": user, "market": row["market"]}
            body = {"id": name, "entity": entity, "event_time": at.isoformat() + "Z", "at": 2 * spec.problem.at}
            asked.setdefault(name, (at, body))
    return list(asked.values())


CASE = Case(
    name="recommend",
    land=land_days,
    history=(date(1997, 9, 20), date(1998, 1, 4)),
    weeks=6,
    break_version=worst_first,
    path="recommend",
    questions=visits,
    crowd=crowded_visits,
)
