"""What the data must look like."""

from include.row_rules.expectation import Expectation

KEY = Expectation("ExpectColumnValuesToNotBeNull", column="review_id", on_failure="quarantine")
AGE = Expectation("ExpectColumnValuesToBeBetween", column="age", min_value=13, max_value=120, on_failure="quarantine")
STARS = Expectation("ExpectColumnValuesToBeInSet", column="stars", value_set=["1", "2", "3", "4", "5"], on_failure="quarantine")

EXPECTATIONS = {"reviews": (KEY, AGE), "stars": (KEY, STARS), "training_set": ()}
