"""What must hold: prices are set aside one by one, a wrong currency stops the day."""

from include.row_rules.expectation import Expectation, columns

EXPECTATIONS = {
    "orders": (
        *columns(id="text", customer="text", ordered_at="timestamp", price="number"),
        Expectation("ExpectColumnValuesToNotBeNull", column="id", on_failure="quarantine"),
        Expectation("ExpectColumnValuesToBeBetween", column="price", min_value=0, max_value=100, on_failure="quarantine"),
        Expectation("ExpectColumnValuesToBeInSet", column="currency", value_set=["EUR"]),
    ),
    "returns": (*columns(id="text", known_at="timestamp"),),
}
