"""What the parcels must look like."""

from .._retail.rules import key, yes_or_no

EXPECTATIONS = {"parcels": (key("parcel_id"), key("carrier")), "training_set": (yes_or_no("late"),)}
