"""What the data must look like."""

from include.row_rules.expectation import Expectation

KEY = Expectation("ExpectColumnValuesToNotBeNull", column="flight_id", on_failure="quarantine")
BOTH = Expectation("ExpectColumnValuesToBeInSet", column="left_late", value_set=[0, 1], on_failure="stop")

EXPECTATIONS = {"landings": (KEY,), "training_set": (BOTH,)}
