"""What was decided, read from the control store; of decisions to retrain also who decided, and which training run took one.

Imports no data library: the command line and the reconciler look here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from include.core.control import ControlStore, decisions
from include.core.effects import results_in
from include.core.request import Json
from include.core.time import timestamp

MadeBy = Literal["run", "backfill", "unknown"]  # unknown: an earlier release wrote the row


QUIET = "quiet"  # of the effect that keeps a decision: it was to start nothing


@dataclass(frozen=True)
class RetrainDecision:
    """A decision to retrain."""

    key: str
    model: str
    as_of: str  # end of its window: ISO 8601, UTC, without zone
    at: datetime  # of the decision, UTC
    summary: str
    run_id: str  # of the training run that took it; empty: none did
    made_by: MadeBy


def newest(control: ControlStore, model: str, limit: int) -> list[dict[str, Json]]:
    """A model's newest decisions as the rows are, the newest window first."""
    query = sa.select(decisions).where(decisions.c.model == model).order_by(decisions.c.as_of.desc()).limit(limit)
    with control.transaction() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def newest_of_all(connection: sa.Connection, windows: Mapping[str, str]) -> dict[str, dict[str, Json]]:
    """By model: the decision on its newest window, {action, as_of, words}. `windows`: that window, where it is known; of the
    others the newest that was decided on is looked for."""
    columns = (decisions.c.model, decisions.c.action, decisions.c.as_of, decisions.c.evidence)
    keys = [f"{model}:{window}" for model, window in windows.items()]
    known = connection.execute(sa.select(*columns).where(decisions.c.key.in_(keys))).all() if keys else []
    found = {row.model: row for row in known}
    newest = sa.select(decisions.c.model, sa.func.max(decisions.c.as_of).label("as_of")).group_by(decisions.c.model)
    last = newest.where(decisions.c.model.not_in(list(found))).subquery()
    joined = sa.and_(decisions.c.model == last.c.model, decisions.c.as_of == last.c.as_of)
    found |= {row.model: row for row in connection.execute(sa.select(*columns).join(last, joined))}
    words = {model: str((row.evidence or {}).get("words", "")) for model, row in found.items()}
    return {model: {"action": row.action, "as_of": row.as_of, "words": words[model]} for model, row in found.items()}


def page(control: ControlStore, model: str, limit: int, before: str = "") -> list[dict[str, Json]]:
    """A model's decisions on windows that ended before a moment (all without one), the newest first."""
    query = sa.select(decisions).where(decisions.c.model == model).order_by(decisions.c.as_of.desc()).limit(limit)
    with control.transaction() as connection:
        rows = connection.execute(query.where(decisions.c.as_of < before) if before else query).mappings()
        return [dict(row) for row in rows]


def decided(control: ControlStore, key: str) -> bool:
    """Whether a window has its decision."""
    with control.transaction() as connection:
        return connection.execute(sa.select(decisions.c.key).where(decisions.c.key == key)).first() is not None


def models_in(connection: sa.Connection) -> set[str]:
    """The models about which anything was decided."""
    return set(connection.execute(sa.select(decisions.c.model).distinct()).scalars())


def named(dag_id: str, run_id: str, model: str) -> str:
    """How a run stands in the row of the decision that it took: its id; before it the DAG's, where that is an author's."""
    return run_id if dag_id == f"{model}_training" else f"{dag_id}/{run_id}"


def run_of(name: str, model: str) -> tuple[str, str]:
    """The DAG and the run of such a name. Neither holds a slash."""
    dag_id, slash, run_id = name.rpartition("/")
    return (dag_id, run_id) if slash else (f"{model}_training", name)


def take(control: ControlStore, model: str, decision: str, run_id: str) -> str:
    """The training run that takes a decision: this one, unless another one took it before. Once, ever."""
    used, _ = control.once(f"consumed/{decision}", f"training/{model}", 0, lambda _: {"run": run_id})
    return str(used["run"])


def newest_in(connection: sa.Connection, since: datetime) -> list[RetrainDecision]:
    """Of each model that decided to retrain since then the decision with the newest window."""
    wanted = (decisions.c.action == "retrain", decisions.c.at >= timestamp(since))
    rows = connection.execute(sa.select(decisions).where(*wanted).order_by(decisions.c.as_of)).mappings().all()
    newest = {row["model"]: row for row in rows}  # the last of each model
    return [_retraining(connection, row) for row in newest.values()]


def count_since(control: ControlStore, model: str, since: datetime) -> int:
    """How often a model decided to retrain since then by the wall clock, whatever window that was about."""
    mine = (decisions.c.model == model, decisions.c.action == "retrain")
    recent = decisions.c.at >= timestamp(since)
    with control.transaction() as connection:
        return int(connection.execute(sa.select(sa.func.count()).where(*mine, recent)).scalar_one())


def _retraining(connection: sa.Connection, row: sa.RowMapping) -> RetrainDecision:
    keys = {name: f"{name}/{row['key']}" for name in ("decide", "consumed", "asked")}
    known = results_in(connection, list(keys.values()))
    return RetrainDecision(
        key=row["key"],
        model=row["model"],
        as_of=row["as_of"],
        at=datetime.fromisoformat(row["at"]),
        summary=str((row["evidence"] or {}).get("words", "")),
        run_id=str(known.get(keys["consumed"], {}).get("run", "")),
        made_by=_made_by(known.get(keys["decide"]), keys["asked"] in known),
    )


def _made_by(effect: Mapping[str, Json] | None, asked: bool) -> MadeBy:
    if asked or effect is None:
        return "run"
    quiet = effect.get(QUIET)
    if quiet is None:
        return "unknown"
    return "backfill" if quiet else "run"


def count_between(connection: sa.Connection, model: str, since: str, until: str) -> int:
    """How many of a model's windows that ended in `since` <= t < `until` were decided on; without an `until` all since then."""
    within = [decisions.c.model == model, decisions.c.as_of >= since, *([decisions.c.as_of < until] if until else [])]
    return int(connection.execute(sa.select(sa.func.count()).select_from(decisions).where(*within)).scalar_one())
