"""What the data must look like."""

from include.row_rules.expectation import Expectation

USER = Expectation("ExpectColumnValuesToNotBeNull", column="user_id", on_failure="quarantine")
FILM = Expectation("ExpectColumnValuesToNotBeNull", column="film_id", on_failure="quarantine")
RATING = Expectation("ExpectColumnValuesToBeBetween", column="rating", min_value=1, max_value=5, on_failure="quarantine")

EXPECTATIONS = {"ratings": (USER, FILM, RATING), "profiles": (USER,), "films": (FILM,), "training_set": ()}
