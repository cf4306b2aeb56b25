"""What must hold: prices are set aside one by one."""

from include.row_rules.expectation import Expectation, columns

EXPECTATIONS = {
    "purchases": (
        *columns(id="text", customer="text", ordered_at="timestamp", price="number"),
        Expectation("ExpectColumnValuesToBeBetween", column="price", min_value=0, max_value=100, on_failure="quarantine"),
    ),
}
