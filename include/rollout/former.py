"""A live rollout whose evidence the release before had read: one row, of one reader of one log.

It becomes a source of its own, beside those of the gateways: its counts, the answers that wait for labels, and the champion's
newest answers. What its bitmaps know is what is settled: who was seen, and how many in which slice. So nothing of it is lost,
and a gateway goes on in the log where that release stopped.

The forms that it was stored in: version 3 as `evidence_accumulator.py` named the fields then; the first two are beside this file.
"""

from __future__ import annotations

from array import array
from base64 import b64decode
from collections.abc import Mapping
from math import nan
from typing import Any

import numpy as np
import sqlalchemy as sa

from include.core.spec import problem_from
from include.core.versioned import Body, Format
from include.rollout.accumulator_v1 import from_first
from include.rollout.accumulator_v2 import CONTESTED, from_second
from include.rollout.alpha_spending import slice_of
from include.rollout.entity_bitmap import EntityBitmap
from include.rollout.evidence import FAILURES, FIRST, REQUESTS
from include.rollout.evidence_merge import Settled, SourceEvidence
from include.rollout.evidence_store import FORMER, read_former, set_judged, set_stage, write_former, write_settled
from include.rollout.history import event_in, rollout_in
from include.rollout.journal import ANSWERS, DTYPES, PAST_ANSWERS, SAMPLES, Table
from include.rollout.stage_terms import StageTerms

FORMAT = Format("the evidence that a live rollout has read", version=3, upgrades={1: from_first, 2: from_second})
COUNTED = (REQUESTS, FAILURES)  # streams of requests; the others are of entities


def adopt_former(connection: sa.Connection, rollout: str) -> None:
    """Take over what a release before has stored of a live rollout, in the caller's transaction. Where there is none, nothing."""
    found = read_former(connection, rollout)
    if found is None:
        return
    seq, stored = found
    body = FORMAT.read(stored, rollout)
    stage, settled, generation, clock = body["stage"], Settled(), 0, 0
    if stage is not None:
        terms = _terms(connection, rollout, body)
        generation, clock = terms.generation, int(stage["clock"])
        judged = slice_of(clock, terms.planned)
        set_stage(connection, rollout, terms)
        set_judged(connection, rollout, judged)
        settled = _settled(stage, judged)
    settled.losses = list(body["baseline"]["losses"])
    write_settled(connection, rollout, seq, settled)
    baseline = {name: int(body["baseline"][name]) for name in ("requests", "errors", "labels")}
    former = SourceEvidence(
        FORMER, generation, clock, {name: stage["slices"][name] for name in COUNTED if stage and name in stage["slices"]},
        stage["gap"] if stage else 0.0, stage["gaps"] if stage else 0, baseline, _parts(body),
    )  # fmt: skip
    write_former(connection, rollout, former, body["cursor"])


def _terms(connection: sa.Connection, rollout: str, body: Body) -> StageTerms:
    names = (
        "stage", "generation", "planned", "shadow", "limits", "labelled", "threshold", "joined", "before", "before_errors",
        "first_labels",
    )  # fmt: skip
    stage = body["stage"]
    entered = event_in(connection, rollout, "entered", rollout_in(connection, rollout).stages[0].name)
    return StageTerms(
        **{name: stage[name] for name in names},
        problem=problem_from(stage["problem"]),
        first_known=FIRST in stage["slices"] or not stage["slices"],
        since=body["since"],
        since_at=str(entered["at"]) if entered else "",
    )


def _settled(stage: Mapping[str, Any], judged: int) -> Settled:
    slices = {name: (list(pair[0]), list(pair[1])) for name, pair in stage["slices"].items() if name not in COUNTED}
    seen = {name: EntityBitmap.unpack(stage["planned"], text) for name, text in stage["seen"].items()}
    return Settled(stage["generation"], judged, slices, seen)


def _parts(body: Body) -> dict[str, dict[int, Table]]:
    baseline, found = body["baseline"], {SAMPLES: _samples(body["baseline"])}
    found[PAST_ANSWERS] = _answers(PAST_ANSWERS, baseline["pending"])
    if body["stage"] is not None:
        found[ANSWERS] = _answers(ANSWERS, body["stage"]["pending"])
    return {kind: {1: table} for kind, table in found.items() if len(table.rows)}


def _samples(baseline: Body) -> Table:
    """Older than any answer that has a moment; the order is what counts."""
    latencies = [int(each) for each in baseline["latencies"]]
    scores = [nan] * (len(latencies) - len(baseline["scores"])) + [float(each) for each in baseline["scores"]]
    return Table((), np.array(list(zip(range(len(latencies)), latencies, scores, strict=True)), DTYPES[SAMPLES]))


def _answers(kind: str, pending: Body) -> Table:
    """Of a contested id there are two answers, of two entities: all its labels are nobody's."""
    codes = {"ids": "Q", "units": "Q", "arms": "B", "said": "d"}
    columns = [array(code, b64decode(pending[name])) for name, code in codes.items()]
    rows = []
    for number, unit, arm, said in zip(*columns, strict=True):
        rows.append((number, unit, arm if arm != CONTESTED else 0, said, 0, 0))
        if arm == CONTESTED:
            rows.append((number, unit ^ 1, 0, said, 0, 0))
    return Table((), np.array(rows, DTYPES[kind]))
