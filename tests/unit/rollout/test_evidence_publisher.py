"""A gateway's part in live rollouts: which it follows, and what holds it up. Several gateways at once are
tests/contract/test_evidence_store.py's."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.entity_key import entity_key, pseudonym
from include.core.errors import ConflictError
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.time import precise
from include.prediction_log.record import Record
from include.prediction_log.writer import PredictionLog
from include.rollout import evidence_publisher
from include.rollout.evidence_look import begin_stage, look
from include.rollout.evidence_publisher import EvidencePublisher, source_of
from include.rollout.evidence_store import Source
from include.rollout.history import Rollout, entered
from include.rollout.live_stages import live_stages
from include.rollout.machine import enter_stage, open_rollout, record_verdict
from include.rollout.moments import microseconds
from include.rollout.pause import abort
from include.routing.route import Route, set_route
from tests.support.error_message import assert_says


@pytest.fixture
def rollout(control: ControlStore, spec: ModelSpec) -> Rollout:
    """In its shadow, which has not begun."""
    with control.transaction() as connection:
        set_route(connection, "toy", Route(champion=1))
    opened = open_rollout(control, spec, 2, request="r", actor="t", epoch=1)
    enter_stage(control, opened, "smoke", 1)
    record_verdict(control, opened, "smoke", {"answer": "promote"}, 1)
    enter_stage(control, opened, "shadow", 1)
    return opened


@pytest.fixture
def agent(control: ControlStore, tmp_path: Path) -> EvidencePublisher:
    return EvidencePublisher(lambda: control, tmp_path, lambda: Source("one", "one"))


def mirrored(control: ControlStore, rollout: Rollout, home: Path, n: int) -> None:
    generation = entered(control, rollout, "shadow")[1]
    log = PredictionLog(home, "toy")
    log.write([
        Record("shadow", f"{home.name}{k}", precise(), unit=str(k), generation=generation, score=0.5, against=0.4)
        for k in range(n)
    ])  # fmt: skip
    log.close()


def test_only_a_stage_that_has_begun_is_followed(
    control: ControlStore, spec: ModelSpec, rollout: Rollout, agent: EvidencePublisher, tmp_path: Path
) -> None:
    mirrored(control, rollout, tmp_path, 3)
    assert live_stages(control) == []
    agent.run()
    begin_stage(control, spec, rollout, "shadow")
    (live,) = live_stages(control)
    assert (live.rollout, live.model, live.ahead) == (rollout.id, "toy", False)
    agent.run()
    assert look(control, rollout.id).merge.clock == 3
    record_verdict(control, rollout, "shadow", {"answer": "promote"}, 1)
    enter_stage(control, rollout, "canary_5", 1)
    assert live_stages(control)[0].ahead
    abort(control, "toy", actor="ada", reason="test")
    assert live_stages(control) == []


def test_a_long_log_is_counted_in_portions(
    control: ControlStore, spec: ModelSpec, rollout: Rollout, agent: EvidencePublisher, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(evidence_publisher, "PORTION", 2000)
    mirrored(control, rollout, tmp_path, 100)
    begin_stage(control, spec, rollout, "shadow")
    agent.run()
    seen = look(control, rollout.id)
    assert seen.merge.clock == 100
    assert seen.merge.evidence().challenger.requests == 100


def test_one_models_broken_log_holds_up_no_other_rollout(
    control: ControlStore, spec: ModelSpec, rollout: Rollout, agent: EvidencePublisher, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    begin_stage(control, spec, rollout, "shadow")
    mirrored(control, rollout, tmp_path, 3)
    real, asked = evidence_publisher.live_stages, list[str]()

    def two(control: ControlStore) -> list[evidence_publisher.LiveStage]:
        (live,) = real(control)
        return [evidence_publisher.LiveStage("another", "broken", 1, False), live]

    def broken(self: EvidencePublisher, control: ControlStore, live: evidence_publisher.LiveStage) -> None:
        asked.append(live.model)
        if live.model == "broken":
            raise OSError("the disk")
        follow(self, control, live)

    follow = EvidencePublisher._follow
    monkeypatch.setattr(evidence_publisher, "live_stages", two)
    monkeypatch.setattr(EvidencePublisher, "_follow", broken)
    with pytest.raises(OSError, match="the disk"):
        agent.run()
    assert asked == ["broken", "toy"]
    assert look(control, rollout.id).merge.clock == 3


def test_a_gateway_is_known_by_its_homes_number_and_its_key_by_a_fingerprint(tmp_path: Path) -> None:
    one = Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path / "one")})
    found, key = source_of(one), entity_key(one.home, one.environ)
    assert source_of(one) == found
    assert (len(found.name), len(found.key)) == (16, 16)
    assert source_of(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path / "two")})).key != found.key
    assert found.key != pseudonym(key, 0)


def test_a_gateway_with_another_key_is_refused_in_words(
    control: ControlStore, spec: ModelSpec, rollout: Rollout, tmp_path: Path
) -> None:
    begin_stage(control, spec, rollout, "shadow")
    for name, key in (("one", "same"), ("two", "same")):
        EvidencePublisher(lambda: control, tmp_path / name, lambda name=name, key=key: Source(name, name, key)).run()  # type: ignore[misc]
    stranger = EvidencePublisher(lambda: control, tmp_path / "three", lambda: Source("three", "three", "another"))
    with pytest.raises(ConflictError) as refused:
        stranger.run()
    assert_says(refused.value, "hides entities under another key", "keys another and same", "AIRFLOW_CONN_SLIPSTREAM_ENTITIES")
    assert {source.name for source in look(control, rollout.id).merge.own} == {"one", "two"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01.000002+00:00", 1_000_002),
        ("1970-01-01T00:00:01", 1_000_000),
        ("1970-01-01T01:00:01+01:00", 1_000_000),
        ("", 0),
        ("never", 0),
    ],
)
def test_moments_are_microseconds_of_utc(text: str, expected: int) -> None:
    assert microseconds(text) == expected
