"""The spec of each of the benchmark's models: three views of eight features, two sources."""

from __future__ import annotations

from datetime import date

from include.core.spec import Data, Feature, Features, ModelSpec, Training, View
from include.row_rules.expectation import Expectation

NOTHING = "benchmarks.console.spec:nothing"  # the console calls no code of a model
VIEWS = "benchmarks.console.spec:views"
OWNERS = ("pricing", "operations", "support", "growth")


EXPECTATIONS = {
    "things": (Expectation("ExpectColumnValuesToBeBetween", column="length", min_value=1, on_failure="quarantine"),),
    "weather": (),
}


def views(day: date) -> dict[str, str]:
    """View name to SQL."""
    columns = {view: ", ".join(f"x_{each} AS f_{view}_{each}" for each in range(8)) for view in range(3)}
    return {
        f"view_{view}": f"SELECT key, at AS event_timestamp, {sql} FROM things WHERE day = '{day}'"
        for view, sql in columns.items()
    }


def spec_of(name: str, first: date) -> ModelSpec:
    number = int(name.rpartition("_")[2])
    views = tuple(
        View(name=f"view_{view}", keys=("key",), features=tuple(Feature(name=f"f_{view}_{each}") for each in range(8)))
        for view in range(3)
    )
    return ModelSpec(
        name=name,
        owner=OWNERS[number % len(OWNERS)],
        description=f"Will the {number}th thing be late?",
        label="late",
        data=Data(sources=("things", "weather"), first=first),
        features=Features(
            build=VIEWS, entities=NOTHING, labels=NOTHING,
            views=views, request=(Feature(name="hour", dtype="int"),),
        ),
        expectations="benchmarks.console.spec:EXPECTATIONS",
        training=Training(fit=NOTHING),
    )  # fmt: skip
