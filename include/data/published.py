"""Published partitions: which `features` result stands for each day, or stretch of another length. Rows of the control store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, partitions
from include.core.errors import ConflictError, DataError
from include.core.partition import Partition
from include.core.request import Json, Ref
from include.core.time import timestamp

ACTOR = "features"
_EXTENT = (partitions.c.day, partitions.c.starts, partitions.c.ends)


def publish(
    control: ControlStore,
    model: str,
    day: Partition | date,
    ref: Ref,
    rows: Mapping[str, int],
    epoch: int,
    minimum_share: float = 0.0,
) -> bool:
    """Make `ref` the partition's result, in one transaction. Returns whether anything changed.

    `epoch` is the caller's hold of `partition/{model}/{day}`: a late attempt gets FencedError and changes
    nothing. Publishing the same result again changes nothing; replacing another one leaves an audit row.
    Raises DataError if a dataset would keep less than `minimum_share` of its rows, ConflictError if another partition that is
    published has moments in common with it.
    """
    partition = Partition.of(day)

    def effect(connection: sa.Connection) -> dict[str, Json]:
        here = (partitions.c.model == model) & (partitions.c.day == partition.name)
        present = connection.execute(sa.select(partitions.c.digest, partitions.c.rows).where(here)).first()
        known = present.digest if present else None
        _refuse_overlap(connection, model, partition)
        if known == ref.digest:
            return {"changed": False}
        if present:
            _refuse_shrunk(model, partition, present.rows, rows, minimum_share)
        values = {"ref": ref.to_json(), "digest": ref.digest, "rows": dict(rows), "at": timestamp()}
        if known is None:
            extent = {"day": partition.name, "starts": _text(partition.start), "ends": _text(partition.end)}
            connection.execute(partitions.insert().values(model=model, **extent, **values))
        else:
            connection.execute(partitions.update().where(here).values(**values))
            detail = {"from": known, "to": ref.digest}
            control.append_audit(connection, ACTOR, "replace_partition", f"{model}/{partition}", detail)
        return {"changed": True}

    # The epoch is part of the key: a result that was replaced may be published again by a later run.
    key = f"publish/{model}/{partition}/{epoch}/{ref.digest[:32]}"
    result, happened = control.once(key, resource(model, partition), epoch, effect)
    return happened and bool(result["changed"])


def _refuse_overlap(connection: sa.Connection, model: str, partition: Partition) -> None:
    """A moment is in one partition: an hour within a published day would be counted twice by whoever reads both."""
    others = sa.or_(
        partitions.c.day != partition.name,
        partitions.c.starts != _text(partition.start),
        partitions.c.ends != _text(partition.end),
    )
    query = sa.select(*_EXTENT).where(partitions.c.model == model, _touching(partition.start, partition.end), others)
    found = connection.execute(query.order_by(partitions.c.starts).limit(1)).first()
    if found is not None:
        raise ConflictError(
            f"The partition {partition} of {model} overlaps {found.day}, which is published: {found.starts} to {found.ends}.",
            seen=f"{_text(partition.start)} to {_text(partition.end)}",
            safe="nothing was published; the published partition stays.",
            hint="data.every or data.zone has changed under published partitions. Put it back, or give the other cadence a model "
            "of its own name (docs/operating.md).",
        )


def _refuse_shrunk(model: str, day: Partition, before: Mapping[str, int], after: Mapping[str, int], minimum_share: float) -> None:
    shrunk = {name: [count, after.get(name, 0)] for name, count in before.items() if after.get(name, 0) < minimum_share * count}
    if shrunk:
        raise DataError(
            f"The features of {model} for {day} would shrink to less than {minimum_share:g} of the published rows.",
            seen=shrunk,
            safe="the published partition stays.",
            hint="land the raw partition whole; if fewer rows are right, lower data.minimum_share and clear the task.",
        )


def resource(model: str, day: Partition | date) -> str:
    """What a publisher takes before it publishes."""
    return f"partition/{model}/{day}"


def published(control: ControlStore, model: str, first: Partition | date, last: Partition | date) -> dict[Partition, Ref]:
    """The published partitions that have a moment from the start of one to the end of the other, oldest first.

    Of a daily model: the days from one to the other, both included.
    """
    return published_within(control, model, Partition.of(first).start, Partition.of(last).end)


def published_within(control: ControlStore, model: str, start: datetime, end: datetime) -> dict[Partition, Ref]:
    """The published partitions that have a moment of `start` <= t < `end`, oldest first."""
    query = sa.select(*_EXTENT, partitions.c.ref).where(partitions.c.model == model, _touching(start, end))
    with control.transaction() as connection:
        rows = connection.execute(query.order_by(partitions.c.starts)).all()
    return {_partition(row): Ref.from_json(row.ref) for row in rows}


def refs(control: ControlStore, model: str) -> list[Ref]:
    """The results of all published partitions, oldest first. It asks for no column that an earlier schema lacks."""
    query = sa.select(partitions.c.ref).where(partitions.c.model == model).order_by(partitions.c.day)
    with control.transaction() as connection:
        return [Ref.from_json(row.ref) for row in connection.execute(query)]


def newest(control: ControlStore, model: str) -> Partition | None:
    """The newest published partition, or None."""
    return extent(control, model)[0]


def extent(control: ControlStore, model: str) -> tuple[Partition | None, int]:
    """The newest published partition, and how many are published."""
    mine = partitions.c.model == model
    with control.transaction() as connection:
        row = connection.execute(sa.select(*_EXTENT).where(mine).order_by(partitions.c.starts.desc()).limit(1)).first()
        if row is None:
            return None, 0
        return _partition(row), int(connection.execute(sa.select(sa.func.count()).where(mine)).scalar_one())


def rows_in(
    connection: sa.Connection, model: str, first: Partition | date = date.min, last: Partition | date = date.max
) -> dict[Partition, Mapping[str, int]]:
    """How many rows each published partition has, from the start of one to the end of the other, by dataset."""
    between = _touching(Partition.of(first).start, Partition.of(last).end)
    query = sa.select(*_EXTENT, partitions.c.rows).where(partitions.c.model == model, between)
    return {_partition(row): row.rows for row in connection.execute(query.order_by(partitions.c.starts))}


def published_lately(control: ControlStore, around: timedelta) -> dict[str, frozenset[Partition]]:
    """By model: its newest published partition and those that begin so long before it."""
    with control.transaction() as connection:
        newest = sa.select(partitions.c.model, sa.func.max(partitions.c.starts).label("starts")).group_by(partitions.c.model)
        since = {row.model: _text(datetime.fromisoformat(row.starts) - around) for row in connection.execute(newest)}
        if not since:
            return {}
        mine = (sa.and_(partitions.c.model == model, partitions.c.starts >= start) for model, start in since.items())
        found: dict[str, set[Partition]] = {}
        for row in connection.execute(sa.select(partitions.c.model, *_EXTENT).where(sa.or_(*mine))):
            found.setdefault(row.model, set()).add(_partition(row))
    return {model: frozenset(days) for model, days in found.items()}


def references(control: ControlStore) -> Iterator[tuple[str, str, Ref]]:
    """(model, partition's name, result) of every published partition of any model."""
    with control.transaction() as connection:
        rows = connection.execute(sa.select(partitions.c.model, partitions.c.day, partitions.c.ref)).all()
    for row in rows:
        yield row.model, row.day, Ref.from_json(row.ref)


def models_in(connection: sa.Connection) -> set[str]:
    """The models that have a published day."""
    return set(connection.execute(sa.select(partitions.c.model).distinct()).scalars())


def _touching(start: datetime, end: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(partitions.c.starts < _text(end), partitions.c.ends > _text(start))


def _text(moment: datetime) -> str:
    """As the columns hold it: it sorts as the moments do, fractions of a second or not."""
    return moment.isoformat()


def _partition(row: Any) -> Partition:
    return Partition(row.day, datetime.fromisoformat(row.starts), datetime.fromisoformat(row.ends))
