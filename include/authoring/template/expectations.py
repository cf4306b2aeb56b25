"""What the data must look like: great_expectations' own names. What follows where a rule is broken is `on_failure`:
`quarantine` sets the row aside, `stop` the day, and `warn` only says so. `slipstream profile` proposes rules from a real day.
"""

from include.row_rules.expectation import Expectation, columns

ORDERS = (
    *columns(order_id="text", customer_id="text", ordered_at="timestamp", price="number", category="text"),
    Expectation("ExpectColumnValuesToNotBeNull", column="order_id", on_failure="quarantine"),
    Expectation("ExpectColumnValuesToBeUnique", column="order_id", on_failure="quarantine"),
    Expectation("ExpectColumnValuesToNotBeNull", column="customer_id", on_failure="quarantine"),
    Expectation("ExpectColumnValuesToNotBeNull", column="ordered_at", on_failure="quarantine"),
    Expectation("ExpectColumnValuesToBeBetween", column="price", min_value=0, max_value=10_000, on_failure="quarantine"),
    Expectation("ExpectColumnValuesToBeInSet", column="category", value_set=["clothes", "shoes", "toys"], on_failure="warn"),
)

OUTCOMES = (
    *columns(order_id="text", sent_back="integer", known_at="timestamp"),
    Expectation("ExpectColumnValuesToNotBeNull", column="order_id", on_failure="quarantine"),
    Expectation("ExpectColumnValuesToBeUnique", column="order_id", on_failure="quarantine"),
    Expectation("ExpectColumnValuesToBeInSet", column="sent_back", value_set=[0, 1], on_failure="quarantine"),
    Expectation("ExpectColumnValuesToNotBeNull", column="known_at", on_failure="quarantine"),
)

TRAINING_SET = (Expectation("ExpectColumnMeanToBeBetween", column="sent_back", min_value=0.01, max_value=0.99),)

EXPECTATIONS = {"orders": ORDERS, "outcomes": OUTCOMES, "training_set": TRAINING_SET}
