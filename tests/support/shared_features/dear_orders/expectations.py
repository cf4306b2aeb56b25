"""What must hold of the model's own sources."""

from include.row_rules.expectation import columns

EXPECTATIONS = {"orders": (*columns(id="text", customer="text", ordered_at="timestamp"),)}
