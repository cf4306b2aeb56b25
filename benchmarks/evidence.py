"""What a stage's evidence costs in the control store: bytes and milliseconds of a publication and of a look, and what it keeps.

    python -m benchmarks.evidence [--requests 100000 1000000] [--gateways 2] [--rate 5000]

Gateways count `rate` requests a second between them and publish once a second, the judge looks once a second, on SQLite. Every
request is of another entity, half of the answers are slower than the champion's p50, one of a hundred fails: the most that
entities can cost. `--labels` has answers wait for labels, too, half of which come.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from benchmarks.table import Table
from include.core.control import ControlStore, rollout_folds, rollout_parts, rollout_sources, rollouts
from include.core.time import precise, timestamp
from include.prediction_log.record import Record
from include.rollout.evidence_look import look, settle
from include.rollout.evidence_store import (
    Published,
    Source,
    StageRow,
    fresh_stage,
    lock_stage,
    others_clock,
    set_stage,
    write_source,
)
from include.rollout.stage_terms import StageTerms

LIMITS = {"latency_p50": 300.0, "latency_p90": 1000.0, "latency_p99": 2000.0, "score_low": 0.1, "score_high": 0.9}
TERMS = StageTerms("canary_5", 3, 0, False, LIMITS, False, 0.5, False)
PUBLICATION_KIB, PUBLICATION_MS, LOOK_MS, KEPT_MIB = 256.0, 500.0, 500.0, 8.0  # goals, on a busy machine


class Gateways:
    """Gateways without their logs: what an agent does with the records of a second."""

    def __init__(self, control: ControlStore, gateways: int, terms: StageTerms) -> None:
        self.control, self.known = control, {Source(f"gateway-{n}", str(n)): Published() for n in range(gateways)}
        self.rng, self.number, self.terms = np.random.default_rng(1), 0, terms

    def second(self, requests: int) -> tuple[float, float]:
        """(milliseconds of processor time, bytes written), of a gateway."""
        spent, size = 0.0, 0
        for source, published in self.known.items():
            records = [record for _ in range(requests // len(self.known)) for record in self._asked()]
            started = time.process_time()
            with self.control.transaction() as connection:
                row = lock_stage(connection, "r", alone=False)
                assert isinstance(row, StageRow)
                fresh_stage(published, row, others_clock(connection, "r", row.generation, source.name))
                published.accumulator.add(records)
                write_source(connection, "r", source, published)
            spent += time.process_time() - started
            size += written(self.control, source, published)
            published.seq += 1
            for journal in published.accumulator.journals:
                journal.published()
        return 1e3 * spent / len(self.known), size / len(self.known)

    def _asked(self) -> list[Record]:
        self.number += 1
        rng, at = self.rng, precise()
        answer = Record(
            "prediction", f"r{self.number}", at, unit=f"{rng.integers(1 << 62):016x}", generation=3, score=float(rng.random()),
            arm="challenger" if rng.random() < 0.05 else "champion", latency_us=float(rng.exponential(432.0)),
            error="x" if rng.random() < 0.01 else None,
        )  # fmt: skip
        if not self.terms.joined or rng.random() < 0.5:
            return [answer]
        return [answer, Record("label", f"r{self.number}", at, label=1.0)]


def written(control: ControlStore, source: Source, published: Published) -> int:
    """Bytes of the rows that the publication has just written."""
    with control.transaction() as connection:
        mine = rollout_sources.c.source == source.name
        size = connection.execute(sa.select(sa.func.length(sa.cast(rollout_sources.c.head, sa.Text))).where(mine)).scalar_one()
        for journal in published.accumulator.journals:
            numbers = [number for number, _ in journal.unpublished()]
            part = sa.and_(rollout_parts.c.source == source.name, rollout_parts.c.kind == journal.kind)
            query = sa.select(sa.func.sum(sa.func.length(sa.cast(rollout_parts.c.body, sa.Text))))
            size += connection.execute(query.where(part, rollout_parts.c.number.in_(numbers))).scalar() or 0
    return int(size)


def kept(control: ControlStore) -> int:
    """Bytes of all rows of the stage."""
    columns = (rollout_parts.c.body, rollout_folds.c.fold, rollout_sources.c.head)
    with control.transaction() as connection:
        sums = [connection.execute(sa.select(sa.func.sum(sa.func.length(sa.cast(each, sa.Text))))).scalar() for each in columns]
    return sum(int(each or 0) for each in sums)


def measure(table: Table, home: Path, requests: int, gateways: int, rate: int, labels: bool) -> None:
    control = ControlStore(f"sqlite:///{home / 'control.db'}")
    control.create_tables()
    terms = replace(TERMS, planned=requests, labelled=labels, joined=labels)
    with control.transaction() as connection:
        row = {"id": "r", "model": "m", "live": "m", "challenger": 2, "champion": 1, "stage": "canary_5", "state": "running"}
        connection.execute(rollouts.insert().values(reason="", created_at=timestamp(), updated_at=timestamp(), **row))
        set_stage(connection, "r", terms)
    work, costs, looks, most = Gateways(control, gateways, terms), [], [], 0
    for _ in range(0, requests, rate):
        costs.append(work.second(rate))
        started = time.process_time()
        seen = look(control, "r")
        evidence = seen.merge.evidence()
        settle(control, "r", seen)
        looks.append(1e3 * (time.process_time() - started))
        most = max(most, kept(control))
    table.head(f"{requests:,} requests at {rate:,} a second on {gateways} gateways{', labels' if labels else ''}")
    milliseconds, sizes = zip(*costs, strict=True)
    table.row("a publication, a gateway: bytes, at the middle", float(np.median(sizes)) / 1024, "KiB", most=PUBLICATION_KIB)
    table.row("a publication, a gateway: processor time, 99 %", float(np.quantile(milliseconds, 0.99)), "ms", most=PUBLICATION_MS)
    table.row("a look: processor time, at the middle", float(np.median(looks)), "ms")
    table.row("a look: processor time, 99 %", float(np.quantile(looks, 0.99)), "ms", most=LOOK_MS)
    table.row("all rows of the stage, at most", most / 2**20, "MiB", most=KEPT_MIB)
    table.row("all rows of the stage, at its end", kept(control) / 2**20, "MiB")
    table.row(
        "requests that the evidence counts",
        float(evidence.clock),
        "",
        least=float(requests // rate * (rate // gateways * gateways)),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--gateways", type=int, default=2)
    parser.add_argument("--rate", type=int, default=5000)
    parser.add_argument("--labels", action="store_true")
    options, table = parser.parse_args(), Table()
    for requests in options.requests:
        with tempfile.TemporaryDirectory() as home:
            measure(table, Path(home), requests, options.gateways, options.rate, options.labels)
    print(f"\nMissed: {', '.join(table.missed) or 'none'}.")
    return 1 if table.missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
