"""Should this model be trained again? A pure function of its history, this window's facts and the spec.

Any reason suffices; every guard must be open. All times are event times, so a replayed history gives the
decisions it gave, whenever it is replayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any, Literal, Self

from include.core.spec import Retraining
from include.data.window import moment
from include.monitoring.formatting import percent
from include.monitoring.stored import stored

if TYPE_CHECKING:
    from include.monitoring.retraining.priced import Weighed
    from include.monitoring.retraining.staleness_probe import Forecast

Action = Literal["retrain", "hold"]
Signal = Literal["drift", "drop"]
ERRORS = "errors"
LEARNED = "learned"  # of a decision's evidence: what the price's rule carries to the next one
STALE = "stale_window"  # likewise: the money that a stale champion costs in a window, beyond a fresh one
RULE = 2  # a decision by the price is made by include/monitoring/retraining/priced.py; the first rule's are read and made again
MONTH = timedelta(days=30)
NOISE = 1.645  # a drop of so many standard errors is chance one time in twenty


@dataclass(frozen=True)
class Champion:
    """The version in production: `data_until` is the as-of time of its training set, `rows` what it was trained on."""

    version: int
    data_until: str
    rows: int


@dataclass(frozen=True)
class Facts:
    """What is known at the end of a window. `quality`, `drift`, `performance`: as in the value of `monitor`.

    `new_labels`: labelled rows since the champion's data. `busy`: what runs, such as "rollout of version 3". `rejected`: the
    challengers since the champion that came to nothing, oldest first, each with its reason. `probe`: the value of the step
    `shadows`; `loss`: what it counts, for sentences. `rule`: which one weighs the price; an earlier release's was 1.
    `money`: what a retrain and an error cost, where the spec says so (include/monitoring/retraining/money.py).
    """

    model: str
    window: str
    as_of: str
    champion: Champion | None
    new_labels: int = 0
    quality: Mapping[str, Any] = field(default_factory=dict)
    drift: Mapping[str, Any] = field(default_factory=dict)
    performance: Mapping[str, Any] = field(default_factory=dict)
    busy: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    probe: Mapping[str, Any] = field(default_factory=dict)
    loss: str = ERRORS
    rule: int = RULE
    money: Mapping[str, Any] = field(default_factory=dict)

    def price(self, policy: Retraining) -> float | None:
        """Of a retrain, in the mean loss of this window: the policy's, or what follows from money; None where it is unknown."""
        return self.money.get("price") if policy.price == "cost" else policy.price

    def evidence(self) -> dict[str, Any]:
        """What a replay needs of them: the verdicts, not the columns behind."""
        kept = {"drift": ("verdict", "words"), "performance": ("drop", "drop_error", "words"), "quality": ("passed",)}
        body: dict[str, Any] = {name: {k: getattr(self, name).get(k) for k in keys} for name, keys in kept.items()}
        body["quality"]["issues"] = [i for i in self.quality.get("issues", ()) if i["severity"] == "fail"][:3]
        champion = asdict(self.champion) if self.champion else None
        known = {"window": self.window, "new_labels": self.new_labels, "champion": champion, "shadows": dict(self.probe)}
        named: dict[str, Any] = {} if self.loss == ERRORS else {"loss": self.loss}
        if self.money:
            named["money"] = dict(self.money)
        return {**known, **body, "busy": list(self.busy), "rejected": list(self.rejected), **named}

    @classmethod
    def of(cls, decision: Decision) -> Self:
        """Those that a stored decision was made on. Raises KeyError for one that kept none."""
        kept = decision.evidence
        champion = Champion(**kept["champion"]) if kept["champion"] else None
        judged = (kept["new_labels"], kept["quality"], kept["drift"], kept["performance"])
        work = (tuple(kept["busy"]), tuple(kept["rejected"]), kept["shadows"])
        rule = RULE if LEARNED in kept or not kept["shadows"] else 1
        return cls(
            decision.model,
            kept["window"],
            decision.as_of,
            champion,
            *judged,
            *work,
            kept.get("loss", ERRORS),
            rule,
            kept.get("money", {}),
        )


@dataclass(frozen=True)
class Signals:
    """What one window said, kept in its decision's evidence: later windows count how often it was said in a row.

    None where the check abstained.
    """

    version: int | None
    drift: bool | None
    drop: bool | None

    def to_json(self) -> dict[str, Any]:
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
    summary: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def signals(self) -> Signals:
        return Signals(**self.evidence["signals"])

    def to_json(self) -> dict[str, Any]:
        return stored({**asdict(self), "reasons": list(self.reasons), "blocked_by": list(self.blocked_by)})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        fields = {name: body for name, body in value.items() if name != "words"}
        lists = {name: tuple(value[name]) for name in ("reasons", "blocked_by")}
        return cls(**{**fields, **lists, "summary": value["words"]})


def decide(history: Sequence[Decision], facts: Facts, policy: Retraining) -> Decision:
    """The decision for one window. `history`: the model's earlier decisions, in any order.

    Decisions of later windows in it do not count, but close a guard: old windows, run again, train nothing.
    """
    at = moment(facts.as_of)
    past = sorted((d for d in history if moment(d.as_of) < at), key=lambda d: moment(d.as_of))
    later = [d for d in history if moment(d.as_of) > at]
    signals = _signals(facts, policy)
    weighed = _weighed(past, facts, signals, policy)
    reasons = tuple(_reasons(past, facts, signals, policy, weighed)) if facts.champion else ()
    blocked = tuple(_guards(past, later, facts, policy)) if facts.champion else ("there is no champion to replace",)
    action: Action = "retrain" if reasons and not blocked else "hold"
    told = {} if weighed is None else {LEARNED: dict(weighed.learned), **_stale(facts, weighed)}
    evidence = {"signals": signals.to_json(), **facts.evidence(), **told}
    notes = (
        *_notes(past, facts, signals, policy),
        *_unpriced(facts, policy),
        *([weighed.words] if weighed and not weighed.retrain else []),
    )
    summary = _summary(action, reasons, blocked, notes)
    return Decision(f"{facts.model}:{facts.window}", facts.model, facts.as_of, action, reasons, blocked, summary, evidence)


def _stale(facts: Facts, weighed: Weighed) -> dict[str, Any]:
    """What the champion's age costs in a window like this one, in money; nothing where an error has no price."""
    error, requests = facts.money.get("error"), facts.money.get("requests")
    return {} if error is None or not requests else {STALE: round(weighed.excess * error * requests, 6)}


def _signals(facts: Facts, policy: Retraining) -> Signals:
    verdict = facts.drift.get("verdict", "abstain")
    drop, error = facts.performance.get("drop"), facts.performance.get("drop_error")
    fell: bool | None = None
    if drop is not None and error is not None and policy.on_performance_drop is not None:
        fell = drop > policy.on_performance_drop and drop > NOISE * error
    drifted = None if verdict == "abstain" else verdict == "drift"
    version = facts.champion.version if facts.champion else None
    return Signals(version, drifted, fell)


def _reasons(past: Sequence[Decision], facts: Facts, now: Signals, policy: Retraining, weighed: Weighed | None) -> Iterator[str]:
    assert facts.champion is not None
    if policy.on_drift and now.drift and _seen(past, now, "drift", policy) >= policy.consecutive:
        yield f"drift in {_often(past, now, 'drift', policy)}: {facts.drift.get('words', '')}"
    if now.drop and _seen(past, now, "drop", policy) >= policy.consecutive:
        yield f"performance fell in {_often(past, now, 'drop', policy)}: {facts.performance.get('words', '')}"
    if weighed is not None and weighed.retrain:
        yield weighed.words
    price = facts.price(policy)
    if facts.rule == 1 and price is not None and (ahead := outlook(facts.probe, price)) is not None and ahead.worth:
        yield (
            f"staying costs {ahead.excess:.4f} {facts.loss} a request beyond a fresh model, more than the {ahead.pace:.4f} that "
            f"retraining costs at its best pace (price {price:g}; {ahead.windows} windows of the staleness probe)"
        )
    share = facts.new_labels / max(facts.champion.rows, 1)
    if policy.on_new_labels is not None and share >= policy.on_new_labels:
        yield f"{facts.new_labels:,} new labelled rows, {percent(share)} of those it was trained on"
    age = moment(facts.as_of) - moment(facts.champion.data_until)
    if policy.floor is not None and age >= policy.floor:
        yield f"the champion's data end {age.days} days ago (the schedule's floor is {policy.floor.days})"


def _weighed(past: Sequence[Decision], facts: Facts, now: Signals, policy: Retraining) -> Weighed | None:
    """What the price's rule says, and learns; None without a price or a probe."""
    if facts.rule != RULE or (price := facts.price(policy)) is None or not facts.probe.get("error"):
        return None
    from include.monitoring.retraining.priced import Asked, weigh  # numpy is not for `slipstream status`

    learned: Mapping[str, Any] = next((d.evidence[LEARNED] for d in reversed(past) if d.evidence.get(LEARNED)), {})
    alarms = [said for said in (*(d.signals.drift for d in past), now.drift) if said is not None]
    return weigh(Asked(facts.model, facts.window, facts.probe, learned, alarms, price, facts.loss))


def outlook(probe: Mapping[str, Any], price: float) -> Forecast | None:
    """What keeping the champion costs, by the errors of the staleness probe; None without one."""
    if not probe:
        return None
    from include.monitoring.retraining.priced import matrix  # numpy is not for `slipstream status`
    from include.monitoring.retraining.staleness_probe import forecast

    return forecast(matrix(probe), int(probe["champion"]), price)


def _said(past: Sequence[Decision], now: Signals, what: Signal) -> Iterator[bool]:
    """What the windows of the same champion said, this one first. One that abstained is passed over."""
    yield getattr(now, what) is True
    for decision in reversed(past):
        if decision.signals.version != now.version:
            return
        if (said := getattr(decision.signals, what)) is not None:
            yield said


def _seen(past: Sequence[Decision], now: Signals, what: Signal, policy: Retraining) -> int:
    """Windows that said so: of the last `within`, or in a row; this one included."""
    said = _said(past, now, what)
    return sum(islice(said, policy.within) if policy.within else takewhile(bool, said))


def _often(past: Sequence[Decision], now: Signals, what: Signal, policy: Retraining) -> str:
    count = _seen(past, now, what, policy)
    return f"{count} of the last {policy.within} windows" if policy.within else f"{count} windows in a row"


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
    if len(facts.rejected) >= policy.breaker:
        yield (
            f"circuit breaker: {len(facts.rejected)} challengers in a row were rejected (the last: {facts.rejected[-1]}); "
            "a training by hand goes on, a promotion resets it"
        )
    for work in facts.busy:
        yield f"frozen while the {work} runs"
    if later:
        yield f"a later window was decided already ({max(d.as_of for d in later)})"


def _unpriced(facts: Facts, policy: Retraining) -> Iterator[str]:
    if policy.price == "cost" and facts.champion and facts.price(policy) is None:
        yield f"the price of a retrain is unknown: {facts.money.get('why', 'nothing was counted')}"


def _notes(past: Sequence[Decision], facts: Facts, now: Signals, policy: Retraining) -> Iterator[str]:
    """What was seen and does not count yet: it has to last."""
    seen: tuple[tuple[Signal, str, Mapping[str, Any]], ...] = (
        ("drift", "drift", facts.drift),
        ("drop", "performance fell", facts.performance),
    )
    takes = f"within {policy.within} windows" if policy.within else "windows in a row"
    for what, said, found in seen:
        count = _seen(past, now, what, policy) if getattr(now, what) else 0
        if 0 < count < policy.consecutive:
            summary = str(found.get("words", "")).rstrip(".")
            yield f"{said} in {count} of the {policy.consecutive} {takes} that it takes: {summary}"


def _summary(action: Action, reasons: Sequence[str], blocked: Sequence[str], notes: Sequence[str]) -> str:
    if action == "retrain":
        return f"Retraining: {'; '.join(reasons)}."
    seen = f" Seen: {'; '.join(notes)}." if notes else ""
    if not reasons and not blocked:
        return f"Holding: {'not enough' if notes else 'nothing'} speaks for training again.{seen}"
    if not reasons:
        return f"Holding: nothing speaks for training again ({'; '.join(blocked)}).{seen}"
    return f"Holding, although {'; '.join(reasons)}: {'; '.join(blocked)}.{seen}"
