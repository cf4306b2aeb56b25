"""What an endpoint's containers have shipped is counted by request, once, from the moment the weights are in force."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.spec import ModelSpec, Serving
from include.core.storage import LocalStorage
from include.core.time import now, precise
from include.prediction_log.record import Record
from include.prediction_log.shared import SharedLog
from include.prediction_log.shipping import LogShipper
from include.prediction_log.writer import PredictionLog
from include.rollout.endpoint_evidence import EndpointLog, Pace, publish_endpoint
from include.rollout.evidence import CHALLENGER, CHAMPION, ENTITIES, ERRORS, FAILURES, Evidence
from include.rollout.evidence_look import begin_stage, look
from include.rollout.history import Rollout, read_rollout
from include.rollout.machine import enter_stage
from include.rollout.stage_evaluation import judge_merged
from include.routing.applied import note_applied
from tests.support.aged import Killed
from tests.support.shipped_log import AT_ONCE
from tests.unit.rollout.walks import crowned, opened, walk


@dataclass
class Counters:
    """The endpoint's own, as CloudWatch has them."""

    failed: dict[int, dict[datetime, int]] = field(default_factory=dict)
    latency: dict[int, float] = field(default_factory=dict)

    def failures(self, version: int, since: datetime, until: datetime) -> Mapping[datetime, int]:
        return {minute: count for minute, count in self.failed.get(version, {}).items() if since <= minute < until}

    def latency_ms(self, version: int, since: datetime, until: datetime) -> float | None:
        del since, until
        return self.latency.get(version)


class Place:
    """A rollout of version 2 beside version 1, on an endpoint whose containers ship to a folder."""

    def __init__(self, control: ControlStore, spec: ModelSpec, folder: Path) -> None:
        self.control, self.folder = control, folder
        self.spec = spec.model_copy(update={"serving": Serving(target="sagemaker")})
        self.storage, self.counters = LocalStorage(folder / "root"), Counters()
        self.evidence = EndpointLog(SharedLog(folder / "judge", self.storage), lambda: self.counters)
        crowned(control, self.spec, 1)
        self.rollout, self.epoch = opened(control, self.spec, 2, "run of 2")

    def enter(self, stage: str, in_force: bool = True) -> Rollout:
        walk(self.control, self.rollout, self.epoch, stage)
        generation = enter_stage(self.control, self.rollout, stage, self.epoch)
        begin_stage(self.control, self.spec, read_rollout(self.control, self.rollout.id), stage)
        if in_force:
            self.generation = generation
            note_applied(self.control, "toy", generation, "config")
        return read_rollout(self.control, self.rollout.id)

    def ship(self, container: int, ids: Sequence[str], *, ago: float = -0.01, **more: object) -> None:
        """A container of a version has answered those requests, and shipped its log. `ago`: seconds before now."""
        log = SharedLog(self.folder / f"container-{container}", self.storage)
        at = precise(now() - timedelta(seconds=ago))
        values: dict[str, object] = {"version": container, "score": 0.5, "arm": "champion", "unit": "one entity", **more}
        records = [Record("prediction", each, at, at[:19], generation=container, **values) for each in ids]  # type: ignore[arg-type]
        PredictionLog(log.home, "toy").write(records)
        LogShipper(log, AT_ONCE).run()

    def publish(self, at: datetime | None = None) -> bool:
        return publish_endpoint(self.control, self.evidence, read_rollout(self.control, self.rollout.id), at or now())

    def seen(self) -> Evidence:
        return look(self.control, self.rollout.id).merge.evidence()


@pytest.fixture
def place(control: ControlStore, spec: ModelSpec, tmp_path: Path) -> Place:
    return Place(control, spec, tmp_path)


def ids(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def test_requests_count_by_the_version_that_answered_each_of_them_once(place: Place) -> None:
    place.ship(1, ids("old", 5), ago=3600)
    place.enter("canary_20")
    place.ship(1, ids("a", 40), latency_us=10.0)
    place.ship(2, ids("b", 9))
    place.ship(2, ["bad"], version=None, score=0.25, error="the model broke", degraded=["challenger"])
    place.ship(3, ids("c", 7))
    assert place.publish()
    place.ship(2, ids("d", 3))
    assert [place.publish(), place.publish()] == [True, True]
    seen = place.seen()
    assert (seen.champion.requests, seen.champion.entities) == (40, 40), "one entity asked, in forty requests"
    assert (seen.challenger.requests, seen.challenger.entities, seen.challenger.errors) == (13, 13, 1)
    place.enter("full_100")
    assert place.seen().baseline.requests == 40, "what the champion answered in this rollout, and not an hour before"


def test_what_came_before_the_weights_were_in_force_is_no_evidence_of_the_stage(place: Place) -> None:
    place.enter("canary_5", in_force=False)
    place.ship(2, ids("early", 5))
    assert not place.publish(), "nobody has seen the weights in force"
    time.sleep(0.02)  # a shipped line is of ten milliseconds from its now
    note_applied(place.control, "toy", place.seen().generation, "config")
    place.ship(2, ids("late", 4))
    assert place.publish()
    assert place.seen().challenger.requests == 4


def test_of_two_who_publish_at_once_one_counts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.enter("canary_5")
    place.ship(2, ids("a", 5))
    tried: list[bool] = []

    def meanwhile(name: str) -> None:
        if name == "evidence.endpoint.read" and not tried:
            tried.append(True)
            tried.append(place.publish())

    monkeypatch.setattr("include.core.fault._passed", meanwhile)
    assert not place.publish()
    assert tried == [True, True]
    assert place.seen().challenger.requests == 5


def test_who_is_killed_before_the_commit_has_counted_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.enter("canary_5")
    place.ship(2, ids("a", 5))

    def die(name: str) -> None:
        if name == "evidence.endpoint.written":
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("include.core.fault._passed", die)
        with pytest.raises(Killed):
            place.publish()
    assert place.publish()
    assert place.seen().challenger.requests == 5


def test_requests_that_died_with_their_container_are_failures_and_counted_once_as_they_become_known(place: Place) -> None:
    place.enter("canary_5")
    later = now() + timedelta(minutes=5)
    minute = (now() + timedelta(minutes=2)).replace(second=0, microsecond=0)
    place.ship(2, ids("a", 10))
    place.counters.failed = {2: {minute: 3, minute - timedelta(hours=1): 50}, 1: {minute: 1}}
    place.publish(later)
    place.counters.failed[2][minute] = 4  # CloudWatch has heard of one more
    place.publish(later)
    place.publish(later)
    seen = place.seen()
    slices = seen.complete + 1
    failures, errors = (seen.arms(stream, slices) for stream in (FAILURES, ERRORS))
    assert [int(failures[arm].sum()) for arm in (CHAMPION, CHALLENGER)] == [1, 4]
    assert int(errors[CHALLENGER].sum()) == 4, "each is a request of its own"
    assert int(seen.arms(ENTITIES, slices)[CHALLENGER].sum()) == 14


def test_a_shadow_is_compared_with_what_the_callers_got_where_their_requests_have_ids(place: Place) -> None:
    place.enter("shadow")
    place.ship(1, ids("a", 10), score=0.5)
    place.ship(2, [*ids("a", 10), "own"], score=0.75)
    place.publish()
    seen = place.seen()
    assert (seen.challenger.requests, seen.champion.requests) == (11, 10)
    assert seen.difference == pytest.approx(0.25)


def test_an_endpoint_that_is_slower_than_promised_holds_a_promotion(place: Place) -> None:
    from include.rollout.endpoint_rails import too_slow

    rollout, at = place.enter("canary_20"), now()
    place.ship(1, ids("a", 400))
    place.ship(2, ids("b", 100))
    place.publish()
    seen = look(place.control, rollout.id)
    for latency, answer in (
        ({2: 20.0, 1: 20.0}, "promote"),
        ({2: 80.0, 1: 20.0}, "insufficient"),
        ({2: 80.0, 1: 70.0}, "promote"),
    ):
        place.counters.latency = latency
        held = list(too_slow(place.counters, place.spec, 1, 2, at, at))
        verdict, _, _ = judge_merged(place.control, place.spec, rollout, seen, at, lambda held=held: held)  # type: ignore[misc]
        assert verdict.answer == answer, (latency, verdict)
    late = at + place.spec.rollout.deadline + timedelta(minutes=1)
    verdict, _, _ = judge_merged(place.control, place.spec, rollout, seen, late, lambda: ["held: slow"])
    assert verdict.answer == "roll_back"


def test_a_process_looks_at_the_root_every_few_seconds_only() -> None:
    pace = Pace(seconds=3600)
    assert [pace.due("one"), pace.due("one"), pace.due("two")] == [True, False, True]
