"""Where a live rollout's evidence is kept: the control store, a row for its stage and rows for each source.

A source publishes what it has counted together with the place in its log, by compare-and-set: each record counts exactly once,
whoever is killed. A look locks the stage's row, so every publication is before it or after it; slices that it found complete are
judged, and a publication after it adds to later ones only. That is what the exact boundary needs: what was judged once stays
(include/rollout/alpha_spending.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from include.core import fault
from include.core.control import ControlStore, rollout_folds, rollout_parts, rollout_sources, rollout_stages, rollouts
from include.core.entity_key import CONNECTION
from include.core.errors import ConflictError
from include.core.time import timestamp
from include.core.versioned import FIELD, FIRST, Format
from include.rollout.evidence_accumulator import EvidenceAccumulator, StageAccumulator
from include.rollout.evidence_merge import Settled, SourceEvidence
from include.rollout.journal import (
    ANSWERS,
    LABELS,
    MARKS,
    PAST_ANSWERS,
    PAST_LABELS,
    SAMPLES,
    STAGE_KINDS,
    Journal,
    Table,
    pack_table,
    unpack_table,
)
from include.rollout.stage_terms import StageTerms

FORMAT = Format("the settled evidence of a live rollout", version=4)  # up to version 3: include/rollout/former.py
TERMS, HEAD = Format("the terms of a rollout's stage"), Format("what a gateway has counted of a rollout")
# Parts that a source keeps at the least: nobody settles what a judge does not look at, and its rows must not grow for ever.
MOST_PARTS = {SAMPLES: 4, ANSWERS: 100, PAST_ANSWERS: 100, LABELS: 100, PAST_LABELS: 100}


SILENT = "no gateway has published evidence of this stage: is a gateway of this release running, and does it reach the store?"
FORMER = "former"  # the source that the row of a release before became: no gateway has that name


@dataclass(frozen=True)
class Source:
    """A gateway: `name`, its number; `log`, the number that its home had first, which a home keeps where it is moved to; `key`
    tells under which key its log hides entities."""

    name: str
    log: str
    key: str = ""


@dataclass(frozen=True)
class StageRow:
    """The stage that sources count for. `judged`: slices that are over."""

    generation: int
    judged: int
    terms: StageTerms


@dataclass
class Published:
    """A source as it was last published: `seq` of its row, 0 before the first."""

    seq: int = 0
    accumulator: EvidenceAccumulator = field(default_factory=EvidenceAccumulator)


# -- the stage -----------------------------------------------------------------------------------------------------------------


def lock_stage(connection: sa.Connection, rollout: str, *, alone: bool) -> StageRow | None:
    """The stage's row, held to the end of the transaction: `alone`, or beside others that only read it. None: none has begun."""
    query = sa.select(rollout_stages).where(rollout_stages.c.rollout == rollout)
    if connection.dialect.name == "postgresql":  # on SQLite a transaction has the store to itself
        query = query.with_for_update(read=not alone)
    row = connection.execute(query).first()
    return StageRow(row.generation, row.judged, StageTerms.from_json(TERMS.read(row.terms, rollout))) if row else None


def set_stage(connection: sa.Connection, rollout: str, terms: StageTerms, judged: int = 0) -> bool:
    """Begin a stage, in place of the one before. Rows that belong to that one go. False: another one has begun it by now."""
    values = {"generation": terms.generation, "judged": judged, "terms": TERMS.stamp(terms.to_json()), "at": timestamp()}
    mine = rollout_stages.c.rollout == rollout
    if not connection.execute(rollout_stages.update().where(mine).values(**values)).rowcount:
        try:
            with connection.begin_nested():
                connection.execute(rollout_stages.insert().values(rollout=rollout, **values))
        except sa.exc.IntegrityError:
            return False
    stage_rows = sa.and_(rollout_parts.c.rollout == rollout, rollout_parts.c.kind.in_(STAGE_KINDS))
    connection.execute(rollout_parts.delete().where(stage_rows))
    return True


def set_judged(connection: sa.Connection, rollout: str, judged: int) -> None:
    connection.execute(rollout_stages.update().where(rollout_stages.c.rollout == rollout).values(judged=judged))


def is_live(connection: sa.Connection, rollout: str, stage: str | None = None) -> bool:
    """Whether the rollout is live, and in that stage."""
    row = connection.execute(sa.select(rollouts.c.stage, rollouts.c.live).where(rollouts.c.id == rollout)).first()
    return row is not None and row.live is not None and stage in (None, row.stage)


def delete_evidence(connection: sa.Connection, rollout: str) -> None:
    """The rollout is over: its verdicts hold the evidence. In the transaction that ends it."""
    for table in (rollout_stages, rollout_sources, rollout_parts, rollout_folds):
        connection.execute(table.delete().where(table.c.rollout == rollout))


# -- sources -------------------------------------------------------------------------------------------------------------------


def others_clock(connection: sa.Connection, rollout: str, generation: int, source: str) -> int:
    """Requests that the other sources have counted in a stage."""
    table = rollout_sources.c
    mine = sa.and_(table.rollout == rollout, table.generation == generation, table.source != source)
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.sum(table.clock), 0)).where(mine)).scalar_one())


def read_source(connection: sa.Connection, rollout: str, source: Source, stage: StageRow) -> Published:
    """A source goes on from what it has published. A new one begins where another has read the same log: see `Source.log`.

    Raises ConflictError where the others hide entities under another key: an entity would be one of each gateway.
    """
    _require_one_key(connection, rollout, source)
    found = Published(accumulator=EvidenceAccumulator(since=stage.terms.since, problem=stage.terms.problem))
    row = connection.execute(_heads(rollout).where(rollout_sources.c.source == source.name)).first()
    if row is None:
        found.accumulator.cursor = _read_before(connection, rollout, source.log)
        return found
    found.seq, current = row.seq, row.generation == stage.generation
    found.accumulator.go_on(HEAD.read(row.head, rollout), stage.terms if current else None, row.clock)
    parts = _parts(connection, rollout, source.name).get(source.name, {})
    for journal in found.accumulator.journals:
        known = parts.get(journal.kind)
        if known:
            journal.go_on(max(known), known[max(known)])
    if found.accumulator.stage is not None:
        for _, table in sorted(parts.get(MARKS, {}).items()):
            found.accumulator.stage.marks.know(list(table.names), table.rows)
    return found


def _require_one_key(connection: sa.Connection, rollout: str, source: Source) -> None:
    for row in connection.execute(_heads(rollout)):
        key = HEAD.read(row.head, rollout)["key"]
        if row.source not in (FORMER, source.name) and key != source.key:
            raise ConflictError(
                f"This gateway ({source.name}) hides entities under another key than the gateway {row.source}: "
                "an entity that asks both would be two.",
                seen=f"keys {source.key} and {key}",
                safe="nothing of this gateway is counted; it answers requests, and the rollout goes on without it.",
                hint=f"give all gateways and Airflow the same AIRFLOW_CONN_{CONNECTION.upper()}, then restart this one.",
            )


def _read_before(connection: sa.Connection, rollout: str, log: str) -> dict[str, int]:
    """How far others have read this log: under another number of the gateway, or the release before."""
    found: dict[str, int] = {}
    for row in connection.execute(_heads(rollout)):
        head = HEAD.read(row.head, rollout)
        if row.source == FORMER or head["log"] == log:
            found = {name: max(place, found.get(name, 0)) for name, place in {**found, **head["cursor"]}.items()}
    return found


def write_source(connection: sa.Connection, rollout: str, source: Source, published: Published) -> bool:
    """Publish a source. False, and nothing may be committed, if another process has published it since it was read."""
    accumulator, seq = published.accumulator, published.seq
    stage = accumulator.stage
    values = {
        "seq": seq + 1,
        "generation": stage.terms.generation if stage else 0,
        "clock": stage.clock if stage else 0,
        "head": HEAD.stamp({**accumulator.head(), "log": source.log, "key": source.key}),
        "at": timestamp(),
    }
    if seq:
        own = sa.and_(rollout_sources.c.rollout == rollout, rollout_sources.c.source == source.name)
        mine = sa.and_(own, rollout_sources.c.seq == seq)
        if not connection.execute(rollout_sources.update().where(mine).values(**values)).rowcount:
            return False
    else:
        try:
            with connection.begin_nested():
                connection.execute(rollout_sources.insert().values(rollout=rollout, source=source.name, **values))
        except sa.exc.IntegrityError:
            return False
    fault.point("evidence.publish.head")
    for journal in accumulator.journals:
        _write_parts(connection, rollout, source.name, journal)
    return True


def _write_parts(connection: sa.Connection, rollout: str, source: str, journal: Journal) -> None:
    table = rollout_parts
    mine = sa.and_(table.c.rollout == rollout, table.c.source == source, table.c.kind == journal.kind)
    for number, rows in journal.unpublished():
        body = pack_table(rows)
        if not connection.execute(table.update().where(mine, table.c.number == number).values(body=body)).rowcount:
            key = {"rollout": rollout, "source": source, "kind": journal.kind, "number": number}
            connection.execute(table.insert().values(body=body, **key))
    oldest = journal.number - MOST_PARTS.get(journal.kind, journal.number)
    if oldest > 0:
        connection.execute(table.delete().where(mine, table.c.number <= oldest))


def _heads(rollout: str) -> sa.Select[Any]:
    return sa.select(rollout_sources).where(rollout_sources.c.rollout == rollout).order_by(rollout_sources.c.source)


def _parts(connection: sa.Connection, rollout: str, source: str | None = None) -> Mapping[str, dict[str, dict[int, Table]]]:
    """By source, kind and number."""
    query = sa.select(rollout_parts).where(rollout_parts.c.rollout == rollout)
    query = query if source is None else query.where(rollout_parts.c.source == source)
    found: dict[str, dict[str, dict[int, Table]]] = defaultdict(lambda: defaultdict(dict))
    order = (rollout_parts.c.source, rollout_parts.c.kind, rollout_parts.c.number)
    for row in connection.execute(query.order_by(*order)):
        found[row.source][row.kind][row.number] = unpack_table(row.kind, row.body, rollout)
    return found


def read_sources(connection: sa.Connection, rollout: str) -> list[SourceEvidence]:
    """Everything that is published."""
    parts = _parts(connection, rollout)
    found = []
    for row in connection.execute(_heads(rollout)):
        head = HEAD.read(row.head, rollout)
        found.append(
            SourceEvidence(
                row.source, row.generation, row.clock, head["counts"], head["gap"], head["gaps"], head["baseline"],
                parts.get(row.source, {}),
            )
        )  # fmt: skip
    return found


def write_former(connection: sa.Connection, rollout: str, former: SourceEvidence, cursor: Mapping[str, int]) -> None:
    """What the release before had counted, as a source of its own. `cursor`: the place up to which it had read the log."""
    head = {
        "cursor": dict(cursor), "counts": former.counts, "gap": former.gap, "gaps": former.gaps,
        "baseline": former.baseline, "log": FORMER, "key": "",
    }  # fmt: skip
    values = {"seq": 1, "generation": former.generation, "clock": former.clock, "head": HEAD.stamp(head), "at": timestamp()}
    connection.execute(rollout_sources.insert().values(rollout=rollout, source=FORMER, **values))
    for kind, tables in former.parts.items():
        for number, table in tables.items():
            key = {"rollout": rollout, "source": FORMER, "kind": kind, "number": number}
            connection.execute(rollout_parts.insert().values(body=pack_table(table), **key))


@dataclass(frozen=True)
class Reporting:
    """A source of a live rollout, for people: how many requests of the present stage it has counted, and when it last said so."""

    source: str
    requests: int
    at: str


def reporting(control: ControlStore, rollout: str, generation: int) -> list[Reporting]:
    """The gateways that have taken up a stage."""
    table = rollout_sources.c
    query = _heads(rollout).where(table.generation == generation, table.source != FORMER)
    with control.transaction() as connection:
        return [Reporting(row.source, row.clock, row.at) for row in connection.execute(query)]


# -- what is settled -------------------------------------------------------------------------------------------------------------


def read_settled(connection: sa.Connection, rollout: str, terms: StageTerms | None) -> tuple[int, Settled]:
    """What is settled, and the sequence number of its row; 0 where nothing is."""
    query = sa.select(rollout_folds.c.seq, rollout_folds.c.fold).where(rollout_folds.c.rollout == rollout)
    row = connection.execute(query).first()
    if row is None:
        return 0, Settled()
    return row.seq, Settled.from_json(FORMAT.read(row.fold, rollout), terms.planned if terms else 1)


def write_settled(connection: sa.Connection, rollout: str, seq: int, settled: Settled) -> bool:
    """Store what was read with `seq`. False, and nothing changes, if another look has stored since."""
    values = {"fold": FORMAT.stamp(settled.to_json()), "at": timestamp()}
    if seq:
        mine = sa.and_(rollout_folds.c.rollout == rollout, rollout_folds.c.seq == seq)
        return bool(connection.execute(rollout_folds.update().where(mine).values(seq=seq + 1, **values)).rowcount)
    try:
        with connection.begin_nested():
            connection.execute(rollout_folds.insert().values(rollout=rollout, seq=1, **values))
    except sa.exc.IntegrityError:
        return False
    return True


def delete_parts(connection: sa.Connection, rollout: str, keys: Iterable[tuple[str, str, int]]) -> None:
    """Parts that are settled, by source, kind and number."""
    table = rollout_parts.c
    for source, kind, number in keys:
        key = sa.and_(table.rollout == rollout, table.source == source, table.kind == kind, table.number == number)
        connection.execute(rollout_parts.delete().where(key))


def read_former(connection: sa.Connection, rollout: str) -> tuple[int, dict[str, Any]] | None:
    """The row of a release that had one reader, as it is stored, with its sequence number; None where there is none."""
    query = sa.select(rollout_folds.c.seq, rollout_folds.c.fold).where(rollout_folds.c.rollout == rollout)
    if connection.dialect.name == "postgresql":  # of two who find it, the second finds it taken over
        query = query.with_for_update()
    row = connection.execute(query).first()
    if row is None or int(row.fold.get(FIELD, FIRST)) >= FORMAT.version:
        return None
    return row.seq, dict(row.fold)


def fresh_stage(published: Published, stage: StageRow, others: int) -> StageAccumulator:
    """The accumulator's stage, begun if it is another one; with what its slices depend on as it is now."""
    accumulator = published.accumulator
    accumulator.begin(StageAccumulator(stage.terms))
    assert accumulator.stage is not None
    accumulator.stage.others, accumulator.stage.judged = others, stage.judged
    return accumulator.stage
