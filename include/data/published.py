"""Published partitions: which `features` result stands for each day. Rows of the control store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

import sqlalchemy as sa

from include.core.control import ControlStore, partitions
from include.core.errors import DataError
from include.core.request import Json, Ref
from include.core.time import timestamp

ACTOR = "features"


def publish(
    control: ControlStore, model: str, day: date, ref: Ref, rows: Mapping[str, int], epoch: int, minimum_share: float = 0.0
) -> bool:
    """Make `ref` the day's partition, in one transaction. Returns whether anything changed.

    `epoch` is the caller's hold of `partition/{model}/{day}`: a late attempt gets FencedError and changes
    nothing. Publishing the same result again changes nothing; replacing another one leaves an audit row.
    Raises DataError if a dataset would keep less than `minimum_share` of its rows.
    """

    def effect(connection: sa.Connection) -> dict[str, Json]:
        here = (partitions.c.model == model) & (partitions.c.day == day.isoformat())
        present = connection.execute(sa.select(partitions.c.digest, partitions.c.rows).where(here)).first()
        known = present.digest if present else None
        if known == ref.digest:
            return {"changed": False}
        if present:
            _refuse_shrunk(model, day, present.rows, rows, minimum_share)
        values = {"ref": ref.to_json(), "digest": ref.digest, "rows": dict(rows), "at": timestamp()}
        if known is None:
            connection.execute(partitions.insert().values(model=model, day=day.isoformat(), **values))
        else:
            connection.execute(partitions.update().where(here).values(**values))
            detail = {"from": known, "to": ref.digest}
            control.append_audit(connection, ACTOR, "replace_partition", f"{model}/{day}", detail)
        return {"changed": True}

    # The epoch is part of the key: a result that was replaced may be published again by a later run.
    result, happened = control.once(f"publish/{model}/{day}/{epoch}/{ref.digest[:32]}", resource(model, day), epoch, effect)
    return happened and bool(result["changed"])


def _refuse_shrunk(model: str, day: date, before: Mapping[str, int], after: Mapping[str, int], minimum_share: float) -> None:
    shrunk = {name: [count, after.get(name, 0)] for name, count in before.items() if after.get(name, 0) < minimum_share * count}
    if shrunk:
        raise DataError(
            f"The features of {model} for {day} would shrink to less than {minimum_share:g} of the published rows.",
            seen=shrunk,
            safe="the published partition stays.",
            hint="land the raw partition whole; if fewer rows are right, lower data.minimum_share and clear the task.",
        )


def resource(model: str, day: date) -> str:
    """What a publisher takes before it publishes."""
    return f"partition/{model}/{day}"


def published(control: ControlStore, model: str, first: date, last: date) -> dict[date, Ref]:
    """The published days between two days, both included, oldest first."""
    between = partitions.c.day.between(first.isoformat(), last.isoformat())
    query = sa.select(partitions.c.day, partitions.c.ref).where(partitions.c.model == model, between)
    with control.transaction() as connection:
        rows = connection.execute(query.order_by(partitions.c.day)).all()
    return {date.fromisoformat(row.day): Ref.from_json(row.ref) for row in rows}


def newest(control: ControlStore, model: str) -> date | None:
    """The newest published day, or None."""
    with control.transaction() as connection:
        day = connection.execute(sa.select(sa.func.max(partitions.c.day)).where(partitions.c.model == model)).scalar()
    return date.fromisoformat(day) if day else None


def extent(control: ControlStore, model: str) -> tuple[date | None, int]:
    """The newest published day, and how many days are published."""
    counted = sa.select(sa.func.max(partitions.c.day).label("newest"), sa.func.count().label("days"))
    with control.transaction() as connection:
        row = connection.execute(counted.where(partitions.c.model == model)).one()
    return date.fromisoformat(row.newest) if row.newest else None, int(row.days)


def rows_in(
    connection: sa.Connection, model: str, first: date = date.min, last: date = date.max
) -> dict[date, Mapping[str, int]]:
    """How many rows each published day has between two days, both included, by dataset."""
    between = partitions.c.day.between(first.isoformat(), last.isoformat())
    query = sa.select(partitions.c.day, partitions.c.rows).where(partitions.c.model == model, between)
    return {date.fromisoformat(row.day): row.rows for row in connection.execute(query)}


def published_lately(control: ControlStore, around: timedelta) -> dict[str, frozenset[date]]:
    """By model: its newest published day and those of so long before it."""
    with control.transaction() as connection:
        newest = sa.select(partitions.c.model, sa.func.max(partitions.c.day).label("day")).group_by(partitions.c.model)
        last = {row.model: date.fromisoformat(row.day) for row in connection.execute(newest)}
        if not last:
            return {}
        mine = (sa.and_(partitions.c.model == model, partitions.c.day >= str(day - around)) for model, day in last.items())
        found: dict[str, set[date]] = {}
        for row in connection.execute(sa.select(partitions.c.model, partitions.c.day).where(sa.or_(*mine))):
            found.setdefault(row.model, set()).add(date.fromisoformat(row.day))
    return {model: frozenset(days) for model, days in found.items()}


def references(control: ControlStore) -> Iterator[tuple[str, str, Ref]]:
    """(model, day as YYYY-MM-DD, result) of every published day of any model."""
    with control.transaction() as connection:
        rows = connection.execute(sa.select(partitions.c.model, partitions.c.day, partitions.c.ref)).all()
    for row in rows:
        yield row.model, row.day, Ref.from_json(row.ref)


def models_in(connection: sa.Connection) -> set[str]:
    """The models that have a published day."""
    return set(connection.execute(sa.select(partitions.c.model).distinct()).scalars())
