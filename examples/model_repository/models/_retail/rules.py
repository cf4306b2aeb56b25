"""Expectations that every source of ours is held to."""

from include.row_rules.expectation import Expectation


def key(column: str) -> Expectation:
    """A row without its key is set aside."""
    return Expectation("ExpectColumnValuesToNotBeNull", column=column, on_failure="quarantine")


def yes_or_no(column: str) -> Expectation:
    """A label of another value stops the training."""
    return Expectation("ExpectColumnValuesToBeInSet", column=column, value_set=[0, 1], on_failure="stop")
