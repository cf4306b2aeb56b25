"""What an observation must look like: rows that cannot be are set aside."""

from include.row_rules.expectation import Expectation, columns

LIMITS = {"temp": (-40, 130), "humid": (0, 100), "wind_speed": (0, 200), "pressure": (900, 1100), "visib": (0, 10)}


def _between(column: str, low: float, high: float) -> Expectation:
    return Expectation("ExpectColumnValuesToBeBetween", column=column, min_value=low, max_value=high, on_failure="quarantine")


EXPECTATIONS = {
    "weather": (
        *columns(origin="text", observed_at="timestamp", temp="number", dewp="number", humid="number", wind_speed="number"),
        *columns(wind_gust="number", precip="number", pressure="number", visib="number"),
        Expectation("ExpectColumnValuesToNotBeNull", column="origin", on_failure="quarantine"),
        Expectation("ExpectColumnValuesToNotBeNull", column="observed_at", on_failure="quarantine"),
        Expectation("ExpectCompoundColumnsToBeUnique", column_list=["origin", "observed_at"], on_failure="quarantine"),
        *(_between(column, low, high) for column, (low, high) in LIMITS.items()),
    )
}
