"""Row: a feature set. One row online for all readers, in the version of the code and in that which a model's version pins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from include.core.spec import View
from include.model_contract.definition import definitions, pins_of, present_views
from operators.validation import ValidateDataOperator
from tests.chaos.protocol import State
from tests.chaos.steps.common import Holdings
from tests.chaos.steps.materialize import DAYS, Materialize, intervals, newest
from tests.chaos.world import World
from tests.support.operator_runs import Life, Run, day
from tests.support.pinned_sets import pin
from tests.support.wired import MaterializeFeaturesOperator, PublishFeaturesOperator
from tests.unit.operators.models.shop.orders import CUSTOMERS, orders_of

SET, READER = "buyers", "sent_back"
SHELVES = ("low", "high")


class FeatureSetRow(Materialize):
    name = "feature_set"
    title = "feature set, read by models on two versions of it"
    promise = (
        "each day of the set has one published partition; online is the newest event time of each key, in the code's version and "
        "in the one that a model's version pins; a rerun changes nothing"
    )
    models = "tests.support.shared_features"

    def operator(self, task: str) -> Any:
        made = {"publish": PublishFeaturesOperator, "materialize": MaterializeFeaturesOperator}[task]
        return made(task_id=task, model=SET)

    def prepare(self, world: World) -> dict[str, Any]:
        """Two days are published, the first is online; the third is this run's. A champion pins another definition of a view."""
        holdings = Holdings()
        present = definitions(holdings.services.feature_set(SET).features)["customer"]
        view = present.view.model_copy(update={"version": "0ldversion00", "set": SET})
        pin(holdings.services, READER, 1, replace(present, view=view, sql=present.sql.replace("avg(price)", "max(price)")))
        life, verdicts = Life(holdings.services, SET), []
        for number in range(1, DAYS + 1):
            life.put("purchases", day(number), orders_of(day(number)))
            run = Run({"day": day(number).isoformat()})
            run(ValidateDataOperator(task_id="validate", model=SET))
            if number < DAYS:
                run(PublishFeaturesOperator(task_id="publish", model=SET))
            if number == 1:
                life.materialize(run)
            verdicts.append({"params": dict(run.params), "xcom": {"validate": run.xcom["validate"]}})
        return {**verdicts[-1], "days": verdicts}

    def state(self, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        holdings = Holdings()
        services = holdings.services
        spec, online = services.feature_set(SET), services.online()
        pinned = [each.view for each in pins_of(services.control, services.ledger, spec).definitions]
        views = [*present_views(spec.features), *pinned]
        rows: dict[str, list[Any]] = {}
        for view in views:
            keys = _keys(view)
            # As a model reads them: its name leads to the set's rows.
            theirs = view.model_copy(update={"set": SET})
            found = zip(keys, online.event_times(READER, theirs, keys), online.read(READER, theirs, keys), strict=True)
            rows |= {f"{view.name}@{view.version}/{key[0]}": [str(time), row] for key, time, row in found}
        state = holdings.state()
        audit = [row for row in state["control"]["audit"] if row[0] != "replace_partition"]
        return {
            **state,
            "control": {**state["control"], "audit": audit},
            "online": rows,
            "count": {f"{view.name}@{view.version}": online.count(SET, view) for view in views},
            "intervals": intervals(spec, holdings),
            "newest": {name: _newest(holdings, name) for name in rows},
        }


def _keys(view: View) -> list[tuple[str]]:
    return [(key,) for key in (CUSTOMERS if view.name == "customer" else SHELVES)]


def _newest(holdings: Holdings, name: str) -> str:
    """Of a view, whatever its version, and a key: its definitions differ in values, not in times."""
    view, _, key = name.partition("@")
    known = newest(holdings, SET, view, "customer" if view == "customer" else "shelf")
    return str(known.get(key.partition("/")[2]))


STEP = FeatureSetRow()
