"""The story's own logic, with the platform played: weeks until the policy retrains, and after an interruption nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from include.core.errors import JobFailedError
from include.demo import story as module
from include.demo.journal import Journal
from include.demo.plan import SHORT
from include.demo.story import Story

WEEKS = SHORT.weeks()
NEVER = 99


class World:
    """What the platform holds. The policy retrains on the week of number `retrains`, 1 for the first."""

    def __init__(self, retrains: int) -> None:
        self.retrains = retrains
        self.decisions: list[Any] = []
        self.versions: list[Any] = []
        self.rollouts: list[Any] = []
        self.did: list[str] = []
        self.gate = SimpleNamespace(passed=True, reasons=[])
        self.next_state = "promoted"

    def monitor(self, as_of: str) -> None:
        action = "retrain" if len(self.decisions) + 1 == self.retrains else "hold"
        decided = SimpleNamespace(as_of=f"{as_of}T00:00:00", action=action, summary=action, to_json=dict)
        self.decisions.append(decided)

    def train(self, as_of: str, origin: str = "trained") -> Any:
        entry = SimpleNamespace(as_of=f"{as_of}T00:00:00", origin=origin, gate=self.gate, metrics={"auc": 0.7})
        record = SimpleNamespace(version=len(self.versions) + 1, semver="1.0.0", entry=entry)
        self.versions.append(record)
        return record

    def roll_out(self, version: int) -> None:
        ended = SimpleNamespace(
            challenger=version, state=self.next_state, live=False, stage="shadow", stages=[], reason="far off"
        )
        self.rollouts.append(ended)

    def champion(self) -> Any:
        promoted = [one.challenger for one in self.rollouts if one.state == "promoted"]
        return self.versions[promoted[-1] - 1] if promoted else None


@dataclass
class Runs:
    world: World

    def start(self, part: str, **conf: Any) -> str:
        self.world.did.append(part)
        return str(conf.get("as_of") or conf.get("version"))

    def started(self, part: str) -> str:
        self.world.did.append(f"{part} by its event")
        return self.world.decisions[-1].as_of[:10] if part == "training" else str(len(self.world.versions))

    def finish(self, part: str, run: str, must: bool = True) -> None:
        does = {"monitoring": self.world.monitor, "training": self.world.train, "rollout": lambda n: self.world.roll_out(int(n))}
        does[part](run)


@dataclass
class Pump:
    next_day: date
    until: date
    traffic: Any = field(default_factory=lambda: SimpleNamespace(per_second=0.0))


class Played(Story):
    @contextmanager
    def replaying(self, first: date, until: date, pace: float = 0.0) -> Iterator[Any]:
        yield Pump(first, until)

    def _caught_up(self, pump: Any, day: date) -> None:
        pump.next_day = day

    def _monitored(self, as_of: date) -> Any:
        return {}

    def _prepare_broken(self, record: Any) -> None:
        """Beside the rollout; the story does not wait for it."""

    def _register_broken(self, champion: Any) -> Any:
        self.services.world.did.append("registered")  # type: ignore[attr-defined]
        return self.services.world.train("2013-04-08", "derived")  # type: ignore[attr-defined]


@pytest.fixture
def world() -> World:
    return World(retrains=3)


@pytest.fixture
def story(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    monkeypatch.setattr(module, "decisions", lambda control, model: world.decisions)
    monkeypatch.setattr(module, "list_rollouts", lambda control, model: world.rollouts)
    monkeypatch.setattr(module, "finding", lambda week, decision: "calm")
    known = SimpleNamespace(records=lambda control, model: world.versions, champion=lambda records: world.champion())
    monkeypatch.setattr(module, "versions", known)
    services = SimpleNamespace(world=world, control=None)
    journal = Journal.load(tmp_path / "demo.json")
    played = Played(cast("Any", SimpleNamespace(name="flights")), cast("Any", services), cast("Any", None), journal, "", SHORT)
    intake = SimpleNamespace(week=lambda first, last: world.did.append(f"week of {first}"))
    played.__dict__.update(runs=Runs(world), intake=intake)
    return played


def test_the_weeks_end_where_the_policy_retrains(story: Story, world: World) -> None:
    story.watch_weeks()
    assert world.did == [what for first, _ in WEEKS[:3] for what in (f"week of {first}", "monitoring")]


def test_a_policy_that_never_retrains_fails_the_short_telling(story: Story, world: World) -> None:
    world.retrains = NEVER
    with pytest.raises(JobFailedError, match=f"no retraining in the {len(WEEKS)} weeks"):
        story.watch_weeks()


def test_a_week_that_was_decided_before_an_interruption_is_not_done_again(story: Story, world: World) -> None:
    for _, last in WEEKS[:2]:
        world.monitor(str(date.fromordinal(last.toordinal() + 1)))
    story.watch_weeks()
    assert world.did == [f"week of {WEEKS[2][0]}", "monitoring"]


def retrained(story: Story, world: World) -> None:
    world.train("2013-03-11")
    world.roll_out(1)
    story.watch_weeks()
    world.did.clear()
    story.retrained_version()


def test_the_retraining_is_the_events_and_so_is_its_rollout(story: Story, world: World) -> None:
    retrained(story, world)
    assert world.did == ["training by its event", "rollout by its event"]
    assert [event["what"].split(":")[0] for event in story.journal.events[-2:]] == [
        "version 2 (1.0.0) trained",
        "version 2 promoted",
    ]


def test_interrupted_after_the_training_only_the_rollout_is_followed(story: Story, world: World) -> None:
    world.train("2013-03-11")
    world.roll_out(1)
    story.watch_weeks()
    world.train(world.decisions[-1].as_of[:10])
    world.did.clear()
    story.retrained_version()
    assert world.did == ["rollout by its event"]


def test_a_closed_gate_ends_the_version(story: Story, world: World) -> None:
    world.gate = SimpleNamespace(passed=False, reasons=["not better"])
    retrained(story, world)
    assert world.did == ["training by its event"]
    assert story.journal.events[-1]["what"] == "its gate stayed closed: not better"


def test_the_broken_version_is_registered_once_and_must_not_be_promoted(story: Story, world: World) -> None:
    retrained(story, world)
    world.did.clear()
    world.next_state = "rolled_back"
    story.broken_version()
    story.broken_version()  # as after an interruption
    assert world.did == ["registered", "rollout"]
    assert story.journal.events[-1]["what"] == "version 3 rolled back in shadow: far off"
    world.rollouts[-1].state = "promoted"
    with pytest.raises(JobFailedError, match="The broken version was promoted"):
        story.broken_version()
