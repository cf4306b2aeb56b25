"""Decisions as rows of the control store: one a window, made once, found again ever after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, decisions
from include.core.request import Result
from include.core.spec import ModelSpec
from include.core.time import timestamp
from include.data.published import rows_in
from include.data.window import moment
from include.monitoring.retraining.policy import Champion, Decision, Facts, decide
from include.monitoring.retraining.retrainings import QUIET
from include.problems.of import of_spec
from include.rollout_state.queries import challengers_in, rolled_back_in
from include.versions.queries import stored_in


def resource(model: str) -> str:
    """What a decider takes (`ControlStore.take`) before it reads the history: a late one is fenced off."""
    return f"decision/{model}"


def history(control: ControlStore, model: str) -> list[Decision]:
    """Every decision of a model, oldest window first."""
    with control.transaction() as connection:
        return _history(connection, model)


def record_decision(control: ControlStore, decision: Decision, epoch: int, *, quiet: bool = False) -> tuple[Decision, bool]:
    """Store it under its key, or return the one stored there before; and whether it is new. Raises FencedError.

    `quiet`: it starts nothing, as a backfill's. That is written down with it, since only an event that was to be sent can be
    lost (include/reconcile/decisions.py).
    """

    def effect(connection: sa.Connection) -> dict[str, Any]:
        body = decision.to_json()
        details = {name: body[name] for name in ("blocked_by", "words", "evidence")}
        row = {"key": decision.key, "model": decision.model, "as_of": decision.as_of, "action": decision.action}
        connection.execute(decisions.insert().values(**row, reasons=body["reasons"], evidence=details, at=timestamp()))
        control.append_audit(
            connection, "policy", decision.action, decision.model, {"key": decision.key, "words": decision.summary}
        )
        return {**body, QUIET: quiet}

    body, new = control.once(f"decide/{decision.key}", resource(decision.model), epoch, effect)
    return Decision.from_json({name: value for name, value in body.items() if name != QUIET}), new


def asked_for(control: ControlStore, decision: Decision, epoch: int) -> None:
    """A run that may start a training found the decision of a quiet one: from now on its event can be lost, too."""
    known = control.effect(f"decide/{decision.key}")
    if known is not None and known.get(QUIET):
        control.once(f"asked/{decision.key}", resource(decision.model), epoch, lambda _: {})


def gather(
    control: ControlStore,
    spec: ModelSpec,
    monitored: Result,
    busy: Sequence[str] = (),
    probe: Mapping[str, Any] | None = None,
    money: Mapping[str, Any] | None = None,
) -> Facts:
    """The facts of a window: the `monitor` result, the labels published since, what runs and what was rejected."""
    with control.transaction() as connection:
        return _facts(connection, spec, monitored.value, busy, probe, money)


def _facts(
    connection: sa.Connection,
    spec: ModelSpec,
    value: Mapping[str, Any],
    busy: Sequence[str],
    probe: Mapping[str, Any] | None,
    money: Mapping[str, Any] | None,
) -> Facts:
    model = spec.name
    champion = Champion(**value["champion"]) if value["champion"] else None
    return Facts(
        model=model,
        window=value["window"],
        as_of=value["as_of"],
        champion=champion,
        new_labels=_new_labels(connection, model, champion, value["as_of"]) if champion else 0,
        quality=value["quality"],
        drift=value["drift"],
        performance=value["performance"],
        busy=(*_rollouts(connection, model), *busy),
        rejected=tuple(_rejected(connection, model, champion, value["as_of"])) if champion else (),
        probe=probe or {},
        loss=of_spec(spec).loss_words,
        money=money or {},
    )


def decide_window(
    control: ControlStore,
    spec: ModelSpec,
    monitored: Result,
    epoch: int,
    busy: Sequence[str] = (),
    probe: Mapping[str, Any] | None = None,
    *,
    money: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> tuple[Decision, bool]:
    """Decide on the window of a `monitor` result and store it. A window run again gets its stored decision."""
    with control.transaction() as connection:
        facts = _facts(connection, spec, monitored.value, busy, probe, money)
        past = _history(connection, spec.name)
    decision = decide(past, facts, spec.retraining)
    if decision.action == "retrain" and not spec.managed:
        decision = _told(decision)
    return record_decision(control, decision, epoch, quiet=quiet)


def _told(decision: Decision) -> Decision:
    """A reason to retrain that can start nothing here: the model is trained elsewhere."""
    why = "it is trained elsewhere: register a newer model (slipstream register)"
    summary = f"Holding, although {'; '.join(decision.reasons)}: {why}."
    return replace(decision, action="hold", blocked_by=(why,), summary=summary)


def _history(connection: sa.Connection, model: str) -> list[Decision]:
    query = sa.select(decisions).where(decisions.c.model == model).order_by(decisions.c.as_of)
    return [_decision(row) for row in connection.execute(query)]


def _decision(row: sa.Row[tuple[object, ...]]) -> Decision:
    own = {"key": row.key, "model": row.model, "as_of": row.as_of, "action": row.action, "reasons": row.reasons}
    return Decision.from_json({**own, **row.evidence})


def _new_labels(connection: sa.Connection, model: str, champion: Champion, as_of: str) -> int:
    """Labels published for the days between the champion's data and the window's end."""
    first = moment(champion.data_until).date()
    last = (moment(as_of) - timedelta(microseconds=1)).date()
    return sum(int(rows.get("labels", 0)) for rows in rows_in(connection, model, first, last).values())


def _rollouts(connection: sa.Connection, model: str) -> list[str]:
    live = challengers_in(connection).get(model)
    return [] if live is None else [f"rollout of version {live}"]


def _rejected(connection: sa.Connection, model: str, champion: Champion, as_of: str) -> Iterator[str]:
    """Versions newer than the champion, known by `as_of`, whose gate was closed or whose rollout was rolled back.

    A backfill's are no challengers: they were never meant to serve.
    """
    rolled = rolled_back_in(connection, model)
    for version, record in stored_in(connection, model).items():
        if version <= champion.version or record["run_type"] == "backfill" or moment(record["as_of"]) > moment(as_of):
            continue
        if version in rolled:
            yield f"version {version} was rolled back"
        elif not record["gate"]["passed"]:
            yield f"version {version}: {'; '.join(record['gate']['reasons'])}"
