"""The `validate_training_set` step: is this snapshot fit to train on?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from include.core.errors import SpecError
from include.core.request import Outcome
from include.core.task import Task
from include.problems.of import PLAIN, of_params
from include.problems.problem import Problem
from include.row_rules.expectation import Expectation, Suite, load_suite
from include.validation.batch import Batch, open_database
from include.validation.page import verdict_page
from include.validation.port import open_expectations
from include.validation.scan import check_batch
from include.validation.verdict import Check, SourceVerdict, refuse_broken, verdict_value

SUITE = "training_set"
PARTS = ("train", "holdout")


def run(task: Task) -> Outcome:
    """Judge `train.parquet` and `holdout.parquet` by the model's "training_set" rules and by those of every model.

    Params: `expectations`, `features` (spec section), `label`, `problem`. Raises as the `validate` step does.
    """
    label = str(task.params["label"])
    declared = _declared(str(task.params["expectations"]))
    rules = (*standard_rules(label, _inputs(task.params["features"]), of_params(task.params)), *declared.rules)
    runner = open_expectations()
    database = open_database()
    batches: dict[str, Batch] = {}
    verdicts: dict[str, SourceVerdict] = {}
    for part in PARTS:
        batch = Batch(f"{part} rows of the training set", task.file("training_set", f"{part}.parquet"), database)
        batch.check_schema(rules)
        batches[part] = batch
        checks = check_batch(part, batch, rules, runner)
        refuse_broken(batch.name, checks)
        if part == "holdout":
            checks.append(later(batches["train"], batches["holdout"]))
        verdicts[part] = SourceVerdict.of(batch.rows, 0, checks, declared)
    value = verdict_value(None, verdicts)
    docs = task.workdir / "docs.html"
    docs.write_text(verdict_page(f"{task.request.model}: training set", value))
    return Outcome(value, {docs.name: docs})


def standard_rules(label: str, inputs: Sequence[str], problem: Problem = PLAIN) -> tuple[Expectation, ...]:
    """What any training set of a problem must satisfy, in both parts."""
    weight = problem.value.weight
    return (
        Expectation("ExpectTableRowCountToBeBetween", min_value=1),
        Expectation("ExpectColumnValuesToNotBeNull", column=label),
        *(Expectation(name, **arguments) for name, arguments in problem.label_rules(label)),
        *_weighted(weight),
        Expectation("ExpectColumnValuesToNotBeNull", column="event_timestamp"),
        *(Expectation("ExpectColumnToExist", column=name) for name in inputs),
    )


def _weighted(weight: str | None) -> tuple[Expectation, ...]:
    """A weight is there, and positive, in every row."""
    if not weight:
        return ()
    return (
        Expectation("ExpectColumnValuesToNotBeNull", column=weight),
        Expectation("ExpectColumnValuesToBeBetween", column=weight, min_value=0, strict_min=True),
    )


def later(train: Batch, holdout: Batch) -> Check:
    """No row of the holdout is older than one that was trained on."""
    newest, oldest = _time(train, "max"), _time(holdout, "min")
    in_order = newest is None or oldest is None or newest <= oldest
    observed = {"newest trained on": str(newest), "oldest held out": str(oldest)}
    return Check("the holdout is later than the training rows", "event_timestamp", "stop", in_order, observed=observed)


def _time(batch: Batch, function: str) -> datetime | None:
    found: datetime | None = batch.query(f"SELECT {function}(event_timestamp) FROM {batch.source}")[0][0]
    return found


def _declared(reference: str) -> Suite:
    suite = load_suite(reference, SUITE)
    for rule in suite.rules:
        if rule.on_failure == "quarantine":
            raise SpecError(f"{reference}, {SUITE}: {rule} cannot quarantine a row here.", hint="use 'stop' or 'warn'.")
    return suite


def _inputs(features: Mapping[str, Any]) -> list[str]:
    """Names of the model's inputs, from the spec's `features` section as JSON."""
    of_views = [feature["name"] for view in features["views"] for feature in view["features"]]
    return of_views + [feature["name"] for feature in features.get("request", ())]
