"""Records, keys, semantic versions."""

import json
from dataclasses import replace

import pytest

from include.core.request import Ref
from include.governance.semver import next_version
from include.versions.record import Gate, Stage, VersionRecord
from tests.support.toy_ledger import record


def test_a_record_survives_json_and_shows_the_gateway_its_train_ref() -> None:
    made = record(3, "1.2.0", stage=Stage.PRODUCTION)
    value = json.loads(json.dumps(made.to_json()))
    assert VersionRecord.from_json(value) == made
    assert Ref.from_json(value["train"]) == made.entry.lineage.train
    assert value["stage"] == "Production"
    assert value["gate"] == {"passed": True, "reasons": []}


def test_a_record_of_before_was_measured_at_a_half() -> None:
    made = record(3, "1.2.0")
    lower = replace(made, entry=replace(made.entry, threshold=0.3))
    assert VersionRecord.from_json(lower.to_json()).entry.threshold == 0.3
    older = {name: value for name, value in lower.to_json().items() if name != "threshold"}
    assert VersionRecord.from_json(older).entry.threshold == 0.5


def test_the_key_depends_on_the_model_and_what_was_trained_alone() -> None:
    entry = record(1, "1.0.0").entry
    assert replace(entry, as_of="2014-01-01", run_type="backfill").key == entry.key
    assert replace(entry, lineage=replace(entry.lineage, evaluation=Ref("/e", "other", "evaluate"))).key == entry.key
    assert replace(entry, lineage=replace(entry.lineage, train=Ref("/t", "other", "train"))).key != entry.key


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (record(8, "0.0.0"), "1.4.3"),
        (record(8, "0.0.0", code="new"), "1.5.0"),
        (record(8, "0.0.0", params="new"), "1.5.0"),
        (record(8, "0.0.0", schema="new", code="new"), "2.0.0"),
    ],
)
def test_schema_is_major_code_and_parameters_minor_fresh_data_patch(made: VersionRecord, expected: str) -> None:
    assert next_version(record(7, "1.4.2"), made.entry.lineage) == expected


def test_the_first_version_is_1_0_0() -> None:
    assert next_version(None, record(1, "9.9.9").entry.lineage) == "1.0.0"


@pytest.mark.parametrize(
    ("passed", "run_type", "stage"),
    [(True, "scheduled", Stage.CANDIDATE), (False, "scheduled", Stage.STAGING), (True, "backfill", Stage.STAGING)],
)
def test_only_an_open_gate_outside_a_backfill_makes_a_candidate(passed: bool, run_type: str, stage: Stage) -> None:
    assert replace(record(1, "1.0.0").entry, gate=Gate(passed), run_type=run_type).first_stage is stage
