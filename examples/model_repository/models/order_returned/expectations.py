"""What the orders must look like."""

from .._retail.rules import key, yes_or_no

EXPECTATIONS = {"orders": (key("order_id"), key("customer")), "training_set": (yes_or_no("returned"),)}
