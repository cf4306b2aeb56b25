"""Where a rollout keeps what it has read of the log: one row, place and counts together, by compare-and-set.

Two evaluations at once (the trigger's and the task's) may both read on; the first to store wins, the other's work
is dropped and read again. So each record counts exactly once, whoever is killed.
"""

from __future__ import annotations

import sqlalchemy as sa

from include.core.control import ControlStore, rollout_folds, rollouts
from include.core.time import timestamp
from include.core.versioned import Format
from include.rollout.accumulator_v1 import from_first
from include.rollout.accumulator_v2 import from_second
from include.rollout.evidence_accumulator import EvidenceAccumulator

FORMAT = Format("the evidence that a live rollout has read", version=3, upgrades={1: from_first, 2: from_second})


def load_accumulator(control: ControlStore, rollout: str) -> tuple[int, EvidenceAccumulator]:
    """The stored accumulator and its sequence number; an empty one and 0 at first."""
    with control.transaction() as connection:
        query = sa.select(rollout_folds.c.seq, rollout_folds.c.fold).where(rollout_folds.c.rollout == rollout)
        row = connection.execute(query).first()
    return (row.seq, EvidenceAccumulator.from_json(FORMAT.read(row.fold, rollout))) if row else (0, EvidenceAccumulator())


def save_accumulator(control: ControlStore, rollout: str, stage: str, seq: int, accumulator: EvidenceAccumulator) -> bool:
    """Store an accumulator that was read with `seq`. False, and nothing changes, if another one was stored since.

    Nor is it stored if the rollout is over, or has gone on to another stage: the log may hold records of that
    stage by now, and this accumulator would have passed them by.
    """
    values = {"fold": FORMAT.stamp(accumulator.to_json()), "at": timestamp()}
    with control.transaction() as connection:
        current = connection.execute(sa.select(rollouts.c.stage, rollouts.c.live).where(rollouts.c.id == rollout)).first()
        if current is None or current.stage != stage or current.live is None:
            return False
        if seq:
            mine = sa.and_(rollout_folds.c.rollout == rollout, rollout_folds.c.seq == seq)
            return bool(connection.execute(rollout_folds.update().where(mine).values(seq=seq + 1, **values)).rowcount)
        try:
            with connection.begin_nested():
                connection.execute(rollout_folds.insert().values(rollout=rollout, seq=1, **values))
        except sa.exc.IntegrityError:
            return False
    return True


def delete_accumulator(connection: sa.Connection, rollout: str) -> None:
    """The rollout is over: its verdicts hold the evidence. In the transaction that ends it."""
    connection.execute(rollout_folds.delete().where(rollout_folds.c.rollout == rollout))
