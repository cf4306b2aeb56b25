"""A rollout's evidence in tests: of one source in memory, and published from a log that a test has written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from include.core.control import ControlStore, rollout_folds
from include.core.spec import ModelSpec
from include.core.time import timestamp
from include.rollout.baseline import Baseline
from include.rollout.evidence import Evidence
from include.rollout.evidence_accumulator import EvidenceAccumulator, StageAccumulator
from include.rollout.evidence_look import begin_stage
from include.rollout.evidence_merge import Settled, SourceEvidence, StageMerge, merged_baseline
from include.rollout.evidence_publisher import EvidencePublisher
from include.rollout.evidence_store import Published, Source, StageRow, read_source, read_sources, write_source
from include.rollout.history import read_rollout
from include.rollout.stage_terms import StageTerms, asked


def evidence_of(stage: StageAccumulator) -> Evidence:
    """Of the one source that there is."""
    return StageMerge(stage.terms, [SourceEvidence.of_stage(stage)]).evidence()


def slices_of(stage: StageAccumulator) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    return dict(evidence_of(stage).slices)


def baseline_of(accumulator: EvidenceAccumulator) -> Baseline:
    return merged_baseline([SourceEvidence.of(accumulator)], Settled(), accumulator.problem)


def limits_of(accumulator: EvidenceAccumulator, floor_us: float) -> dict[str, float]:
    """Of a stage that begins now."""
    return baseline_of(accumulator).limits(floor_us, asked(accumulator.problem))


def publish(control: ControlStore, home: Path, name: str = "gateway") -> None:
    """What the agent of a gateway does about once a second, once."""
    EvidencePublisher(lambda: control, home, lambda: Source(name, name)).run()


def begun_and_published(control: ControlStore, spec: ModelSpec, rollout: str, stage: str, home: Path) -> None:
    """The stage is begun, as its task does when it has set the route, and the gateway's log is published."""
    begin_stage(control, spec, read_rollout(control, rollout), stage)
    publish(control, home)


class Shelf:
    """One source in a control store, read back after every publication."""

    def __init__(self, control: ControlStore, terms: StageTerms | None = None) -> None:
        self._control, self._source, self.terms = control, Source("gateway", "gateway"), terms

    def publish(self, accumulator: EvidenceAccumulator) -> EvidenceAccumulator:
        """Returns what another process goes on from."""
        stage = accumulator.stage
        self.terms = stage.terms if stage else self.terms
        row = StageRow(self.terms.generation if self.terms else -1, 0, self.terms or NO_STAGE)
        with self._control.transaction() as connection:
            seq = read_source(connection, "r", self._source, row).seq
            assert write_source(connection, "r", self._source, Published(seq, accumulator))
            return read_source(connection, "r", self._source, row).accumulator

    def merge(self) -> StageMerge:
        assert self.terms is not None
        with self._control.transaction() as connection:
            return StageMerge(self.terms, read_sources(connection, "r"))

    def baseline(self, accumulator: EvidenceAccumulator) -> Baseline:
        with self._control.transaction() as connection:
            return merged_baseline(read_sources(connection, "r"), Settled(), accumulator.problem)


NO_STAGE = StageTerms("", 0, 1, False, {}, False, 0.5, False, since=1)


def store_former(control: ControlStore, rollout: str, fold: dict[str, Any]) -> None:
    """The row of a release that had one reader, as that release stored it."""
    with control.transaction() as connection:
        connection.execute(rollout_folds.insert().values(rollout=rollout, seq=3, fold=fold, at=timestamp()))
