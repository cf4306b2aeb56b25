"""Expectations of a toy model, as its data scientist would write them."""

from include.row_rules.expectation import Expectation, Suite, columns

FLIGHTS = (
    *columns(id="text", carrier="text", distance="number", sched_dep="timestamp"),
    Expectation("ExpectColumnValuesToBeBetween", column="distance", min_value=1, on_failure="quarantine"),
    Expectation("ExpectColumnValuesToMatchRegex", column="carrier", regex="^[A-Z0-9]{2}$", on_failure="quarantine"),
    Expectation("ExpectColumnValuesToBeUnique", column="id", on_failure="quarantine"),
    Expectation("ExpectColumnMeanToBeBetween", column="distance", min_value=10, max_value=1000),
    Expectation("ExpectTableRowCountToBeBetween", min_value=30, on_failure="warn"),
    Expectation(
        "ExpectColumnQuantileValuesToBeBetween",
        column="distance",
        quantile_ranges={"quantiles": [0.5], "value_ranges": [[1, 1000]]},
    ),
)

TRAINING_SET = (Expectation("ExpectColumnProportionOfNonNullValuesToBeBetween", column="temp", min_value=0.9),)

EXPECTATIONS = {"flights": FLIGHTS, "weather": Suite((), quarantine_limit=0.5), "training_set": TRAINING_SET}

# A rule that cannot be evaluated: text is not between numbers.
BROKEN = {"flights": (Expectation("ExpectColumnValuesToBeBetween", column="carrier", min_value=1, on_failure="warn"),)}

QUARANTINED_TRAINING = {"training_set": (Expectation("ExpectColumnValuesToNotBeNull", column="temp", on_failure="quarantine"),)}

REFUSED = {"flights": (Expectation("ExpectColumnValuesToBeBetween", column="distance"),)}
