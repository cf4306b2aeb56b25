"""Should this model be trained again? A pure function of its history, this window's facts and the spec.

Any reason suffices; every guard must be open. All times are event times, so a replayed history gives the
decisions it gave, whenever it is replayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any, Literal, Self

from include.core.request import Json
from include.core.spec import Retraining
from include.monitoring.window import moment
from include.monitoring.words import percent

Action = Literal["retrain", "hold"]
MONTH = timedelta(days=30)
NOISE = 1.645  # standard errors: a drop this large is chance one time in twenty


@dataclass(frozen=True)
class Champion:
    """The version in production: `data_until` is the as-of time of its training set, `rows` what it was trained on."""

    version: int
    data_until: str
    rows: int


@dataclass(frozen=True)
class Facts:
    """What is known at the end of a window. `quality`, `drift`, `performance`: as in the value of `monitor`."""

    model: str
    window: str
    as_of: str
    champion: Champion | None
    new_labels: int = 0  # labelled rows since the champion's data
    quality: Mapping[str, Json] = field(default_factory=dict)
    drift: Mapping[str, Json] = field(default_factory=dict)
    performance: Mapping[str, Json] = field(default_factory=dict)
    busy: tuple[str, ...] = ()  # what runs: "rollout of version 3"


@dataclass(frozen=True)
class Signals:
    """What one window said, kept in its decision's evidence: later windows count how often it was said in a row."""

    version: int | None
    drift: bool | None  # None: the check abstained
    drop: bool | None

    def to_json(self) -> dict[str, Json]:
        return asdict(self)


@dataclass(frozen=True)
class Decision:
    """`reasons` speak for training, `blocked_by` are closed guards; `retrain` needs some of the first, none of the second."""

    key: str
    model: str
    as_of: str
    action: Action
    reasons: tuple[str, ...]
    blocked_by: tuple[str, ...]
    words: str
    evidence: Mapping[str, Json] = field(default_factory=dict)

    @property
    def signals(self) -> Signals:
        return Signals(**self.evidence["signals"])

    def to_json(self) -> dict[str, Json]:
        return {**asdict(self), "reasons": list(self.reasons), "blocked_by": list(self.blocked_by)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(**{**value, "reasons": tuple(value["reasons"]), "blocked_by": tuple(value["blocked_by"])})


def decide(history: Sequence[Decision], facts: Facts, policy: Retraining) -> Decision:
    """The decision for one window. `history`: the model's earlier decisions, in any order.

    Decisions of later windows in it do not count, but close a guard: old windows, run again, train nothing.
    """
    at = moment(facts.as_of)
    past = sorted((d for d in history if moment(d.as_of) < at), key=lambda d: moment(d.as_of))
    later = [d for d in history if moment(d.as_of) > at]
    signals = _signals(facts, policy)
    reasons = tuple(_reasons(past, facts, signals, policy)) if facts.champion else ()
    blocked = tuple(_guards(past, later, facts, policy)) if facts.champion else ("there is no champion to replace",)
    action: Action = "retrain" if reasons and not blocked else "hold"
    evidence = {"signals": signals.to_json(), "window": facts.window, "new_labels": facts.new_labels}
    evidence["champion"] = asdict(facts.champion) if facts.champion else None
    key, words = f"{facts.model}:{facts.window}", _words(action, reasons, blocked, tuple(_notes(past, facts, signals, policy)))
    return Decision(key, facts.model, facts.as_of, action, reasons, blocked, words, evidence)


def _signals(facts: Facts, policy: Retraining) -> Signals:
    verdict = facts.drift.get("verdict", "abstain")
    drop, error = facts.performance.get("drop"), facts.performance.get("drop_error")
    fell: bool | None = None
    if drop is not None and error is not None and policy.on_performance_drop is not None:
        fell = drop > policy.on_performance_drop and drop > NOISE * error
    return Signals(facts.champion.version if facts.champion else None, None if verdict == "abstain" else verdict == "drift", fell)


def _reasons(past: Sequence[Decision], facts: Facts, now: Signals, policy: Retraining) -> Iterator[str]:
    assert facts.champion is not None
    if policy.on_drift and now.drift and _in_a_row(past, now, "drift") >= policy.consecutive:
        yield f"drift in {_in_a_row(past, now, 'drift')} windows in a row: {facts.drift.get('words', '')}"
    if now.drop and _in_a_row(past, now, "drop") >= policy.consecutive:
        yield f"performance fell in {_in_a_row(past, now, 'drop')} windows in a row: {facts.performance.get('words', '')}"
    share = facts.new_labels / max(facts.champion.rows, 1)
    if policy.on_new_labels is not None and share >= policy.on_new_labels:
        yield f"{facts.new_labels:,} new labelled rows, {percent(share)} of those it was trained on"
    age = moment(facts.as_of) - moment(facts.champion.data_until)
    if policy.floor is not None and age >= policy.floor:
        yield f"the champion's data end {age.days} days ago (the schedule's floor is {policy.floor.days})"


def _in_a_row(past: Sequence[Decision], now: Signals, what: Literal["drift", "drop"]) -> int:
    """Windows in a row, this one included, that said so of the same champion. One that abstained is passed over."""
    count = 1
    for decision in reversed(past):
        said = getattr(decision.signals, what)
        if decision.signals.version != now.version or said is False:
            break
        count += said is True
    return count


def _guards(past: Sequence[Decision], later: Sequence[Decision], facts: Facts, policy: Retraining) -> Iterator[str]:
    assert facts.champion is not None
    at = moment(facts.as_of)
    retrains = [moment(d.as_of) for d in past if d.action == "retrain"]
    last = max([*retrains, moment(facts.champion.data_until)])
    if facts.quality and not facts.quality["passed"]:
        broken = [issue["words"] for issue in facts.quality["issues"] if issue["severity"] == "fail"]
        yield f"data quality failed: {' '.join(broken[:3])}"
    if at - last < policy.cooldown:
        yield f"cooldown: the last training looked at data until {last.date()}, less than {policy.cooldown.days} days before"
    if facts.new_labels < policy.minimum_labels:
        yield f"only {facts.new_labels:,} new labelled rows; {policy.minimum_labels:,} are needed"
    spent = sum(at - when < MONTH for when in retrains)
    if spent >= policy.budget_per_month:
        yield f"budget: {spent} trainings in the last 30 days, {policy.budget_per_month} allowed"
    for work in facts.busy:
        yield f"frozen while the {work} runs"
    if later:
        yield f"a later window was decided already ({max(d.as_of for d in later)})"


def _notes(past: Sequence[Decision], facts: Facts, now: Signals, policy: Retraining) -> Iterator[str]:
    """What was seen and does not count yet: it has to last."""
    seen: tuple[tuple[Literal["drift", "drop"], str, Mapping[str, Json]], ...] = (
        ("drift", "drift", facts.drift),
        ("drop", "performance fell", facts.performance),
    )
    for what, said, found in seen:
        count = _in_a_row(past, now, what) if getattr(now, what) else 0
        if 0 < count < policy.consecutive:
            words = str(found.get("words", "")).rstrip(".")
            yield f"{said} in {count} of the {policy.consecutive} windows in a row that it takes: {words}"


def _words(action: Action, reasons: Sequence[str], blocked: Sequence[str], notes: Sequence[str]) -> str:
    if action == "retrain":
        return f"Retraining: {'; '.join(reasons)}."
    seen = f" Seen: {'; '.join(notes)}." if notes else ""
    if not reasons and not blocked:
        return f"Holding: {'not enough' if notes else 'nothing'} speaks for training again.{seen}"
    if not reasons:
        return f"Holding: nothing speaks for training again ({'; '.join(blocked)}).{seen}"
    return f"Holding, although {'; '.join(reasons)}: {'; '.join(blocked)}.{seen}"
