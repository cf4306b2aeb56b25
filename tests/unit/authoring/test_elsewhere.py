"""Names of a spec that a setting or a connection resolves: judged where it is set, said where it is not."""

from __future__ import annotations

from typing import Any

import pytest

from include.authoring.elsewhere import checks
from include.authoring.findings import Report
from include.core.spec import Approval, ModelSpec, Triggers
from tests.support.rollout_spec import rollout_spec


def found(spec: ModelSpec, **environ: str) -> Report:
    report = Report(spec.name)
    for name, look in checks(spec, environ):
        report.run(name, lambda finding, look=look: finding.say(look()))  # type: ignore[misc]
    return report


def asks(**approval: Any) -> ModelSpec:
    return rollout_spec("toy", {"approval": Approval(**approval)})


def test_a_spec_that_names_nothing_of_the_kind_is_asked_nothing() -> None:
    assert found(rollout_spec("toy")).findings == []
    assert found(asks(before="none")).findings == []


@pytest.mark.parametrize(
    ("approvers", "status", "words"),
    [
        (None, "skipped", "which is not set here. It has to name 2 users of it, or more, where the rollout's tasks run"),
        ("", "failed", "the role 'risk', which nobody has"),
        ("legal=carol", "failed", "the role 'risk', which nobody has"),
        ("risk=", "failed", "the role 'risk', which nobody has"),
        ("risk=ann", "failed", "asks 2 persons, and names fewer who may approve"),
        ("risk=ann, Ann", "failed", "asks 2 persons, and names fewer who may approve"),
        ("risk=ann,bob", "ok", "each of them is needed, so none may trigger a training: name one more"),
        ("risk=ann,bob,carol", "ok", "2 persons of the role risk, before 100 percent: ann, bob, carol"),
    ],
)
def test_a_role_is_looked_up_where_the_setting_is(approvers: str | None, status: str, words: str) -> None:
    environ = {} if approvers is None else {"SLIPSTREAM_APPROVERS": approvers}
    report = found(asks(persons=2, role="risk"), **environ)
    (finding,) = report.findings
    assert (finding.check, finding.status, words in finding.detail) == ("approval", status, True), finding.detail
    assert report.passed is (status != "failed")
    if finding.error is not None:
        assert "SLIPSTREAM_APPROVERS" in finding.error.hint


def test_names_beside_the_role_count_with_it() -> None:
    (finding,) = found(asks(persons=2, role="risk", users=("dora",)), SLIPSTREAM_APPROVERS="risk=ann").findings
    assert (finding.status, "dora, ann" in finding.detail) == ("ok", True)


def test_without_names_it_is_whoever_airflow_lets() -> None:
    (finding,) = found(asks()).findings
    assert (finding.status, finding.detail) == (
        "ok", "one person, before 100 percent, of whoever Airflow lets answer requests of toy_rollout",
    )  # fmt: skip


@pytest.mark.parametrize(("setting", "status"), [(None, "skipped"), ("true", "ok"), ("false", "failed")])
def test_a_registry_that_approves_is_switched_on(setting: str | None, status: str) -> None:
    environ = {} if setting is None else {"SLIPSTREAM_SAGEMAKER_REGISTRY": setting}
    (finding,) = found(rollout_spec("toy", {"approval": "required"}), **environ).findings
    assert (finding.status, "SLIPSTREAM_SAGEMAKER_REGISTRY" in f"{finding.detail}{finding.error}") == (status, True)


def test_a_connection_is_in_the_environment_or_airflows() -> None:
    spec = rollout_spec("toy", triggers=Triggers(queue="https://sqs.eu-central-1.amazonaws.com/1/q", queue_connection="theirs"))
    assert [each.status for each in found(spec).findings] == ["skipped"]
    assert [each.status for each in found(spec, AIRFLOW_CONN_THEIRS="aws://").findings] == ["ok"]
