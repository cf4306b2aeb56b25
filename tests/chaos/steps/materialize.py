"""Row: publish and materialize. Online holds the newest event time of every key; a rerun changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from include.model_contract.definition import present_views
from operators.validation import ValidateDataOperator
from tests.chaos.protocol import (
    Backends,
    Backfill,
    Cell,
    Clear,
    Cut,
    Down,
    Finding,
    Full,
    Kill,
    Locked,
    Lose,
    Overlap,
    Pause,
    State,
    Variant,
)
from tests.chaos.steps.common import Holdings, OperatorStep, compare, life
from tests.chaos.world import World
from tests.support.operator_runs import MODEL, Run, day
from tests.support.wired import MaterializeFeaturesOperator, PublishFeaturesOperator
from tests.unit.operators.models.shop.orders import CUSTOMERS  # fmt: skip

BEFORE = ("ledger.attempt.open", "ledger.attempt.opened", "task.begin", "task.computed", "control.taken", "materialize.write")
MIDDLE = (
    "storage.upload.temporary", "storage.upload.renamed", "storage.create.temporary", "control.once.effect", "materialize.online",
)  # fmt: skip
UNRECORDED = ("ledger.commit.stored", "compute.deliver", "control.once.begin", "documents.save", "materialize.interval")
RECORDED = (
    "ledger.commit.recorded", "control.once.committed", "documents.saved", "compute.delivered", "materialize.recorded",
    "reconcile.done",
)  # fmt: skip
OUTSIDE_LOCKS = tuple({*BEFORE, *MIDDLE, *UNRECORDED, *RECORDED} - {"control.once.effect"})
POSTGRES, REDIS = Backends(control="postgres"), Backends(online="redis")
BOTH = Backends(control="postgres", online="redis")
DAYS = 3


class Materialize(OperatorStep):
    name = "materialize"
    title = "publish and materialize"
    promise = "each day has one published partition; online is the newest event time of each key; a rerun changes nothing"
    tasks = ("publish", "materialize")
    cells: Mapping[str, Cell] = {
        "F1": (Variant(Kill(BEFORE)), Variant(Kill(BEFORE), BOTH)),
        "F2": (Variant(Kill(UNRECORDED)), Variant(Kill(UNRECORDED), BOTH)),
        "F3": (Variant(Kill(MIDDLE)), Variant(Kill(MIDDLE), BOTH)),
        "F4": (Variant(Kill(RECORDED)), Variant(Kill(RECORDED), BOTH)),
        "F5": (Variant(Cut("control"), POSTGRES), Variant(Cut("online"), REDIS), Variant(Lose(UNRECORDED))),
        "F6": (Variant(Full()), Variant(Full("store")), Variant(Full("scratch"))),
        "F7": (Variant(Pause(OUTSIDE_LOCKS)), Variant(Pause(OUTSIDE_LOCKS), BOTH)),
        "F8": (Variant(Overlap(OUTSIDE_LOCKS)), Variant(Overlap(OUTSIDE_LOCKS), BOTH)),
        "F9": (Variant(Clear()), Variant(Backfill()), Variant(Clear(), BOTH), Variant(Backfill(), BOTH)),
        "F10": (Variant(Down("online"), REDIS), Variant(Down("control"), POSTGRES), Variant(Locked())),
    }

    def operator(self, task: str) -> Any:
        made = {"publish": PublishFeaturesOperator, "materialize": MaterializeFeaturesOperator}[task]
        return made(task_id=task, model=MODEL)

    def prepare(self, world: World) -> dict[str, Any]:
        """Two days are published, the first is online; the third day is this run's."""
        shop, verdicts = life(), []
        for number in range(1, DAYS + 1):
            shop.land(day(number))
            run = Run({"day": day(number).isoformat()})
            run(ValidateDataOperator(task_id="validate", model=MODEL))
            if number < DAYS:
                run(PublishFeaturesOperator(task_id="publish", model=MODEL))
            if number == 1:
                shop.materialize(run)
            verdicts.append({"params": dict(run.params), "xcom": {"validate": run.xcom["validate"]}})
        return {**verdicts[-1], "days": verdicts}

    def backfill(self, world: World, run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Of the day itself, and of the two before it: older values, which must not come on top."""
        days = reversed(run["days"])
        return [{**each, "run_id": f"backfill__{n}", "run_type": "backfill"} for n, each in enumerate(days)]

    def state(self, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        holdings = Holdings()
        spec = holdings.services.spec(MODEL)
        (view,) = present_views(spec.features)
        keys = [(customer,) for customer in CUSTOMERS]
        online = holdings.services.online()
        times = online.event_times(MODEL, view, keys)
        state = holdings.state()
        audit = [row for row in state["control"]["audit"] if row[0] != "replace_partition"]
        rows = {key[0]: [str(time), row] for key, time, row in zip(keys, times, online.read(MODEL, view, keys), strict=True)}
        return {
            **state,
            "control": {**state["control"], "audit": audit},
            "online": rows,
            "count": online.count(MODEL, view),
            "intervals": intervals(spec, holdings),
            "newest": _newest(holdings),
        }

    def check(self, twin: State, seen: State) -> list[Finding]:
        findings = compare(twin, seen)
        for key, (time, _) in seen["online"].items():
            if time != seen["newest"][key]:
                findings.append(Finding("lost", f"{key} is online with {time}, the newest published is {seen['newest'][key]}"))
        return findings


def intervals(spec: Any, holdings: Holdings) -> list[str]:
    """What Feast's registry says is online: an interval a day, once."""
    from include.backends.feast.repo import open_feast

    feast = open_feast(spec, holdings.services.settings)
    views = feast.registry.list_feature_views(feast.project, allow_cache=False)
    return sorted(f"{view.name} {first.isoformat()}" for view in views for first, _ in view.materialization_intervals)


def _newest(holdings: Holdings) -> dict[str, str]:
    """Of each customer, as text."""
    known = newest(holdings, MODEL, "customer", "customer")
    return {customer: str(known.get(customer)) for customer in CUSTOMERS}


def newest(holdings: Holdings, owner: str, view: str, key: str) -> dict[str, Any]:
    """The newest event time of each key in the partitions that this run or a backfill has materialized."""
    import duckdb

    from include.data.published import published

    ledger = holdings.services.ledger
    refs = published(holdings.services.control, owner, day(1), day(DAYS)).values()
    paths = [holdings.services.storage.uri(ledger.resolve(ref).files[f"{view}.parquet"].path) for ref in refs]
    with duckdb.connect(config={"threads": 1}) as connection:
        query = f'SELECT "{key}", max(event_timestamp) FROM read_parquet(?) GROUP BY "{key}"'
        return dict(connection.execute(query, [paths]).fetchall())


STEP = Materialize()
