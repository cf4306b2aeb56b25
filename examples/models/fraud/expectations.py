"""What the data must look like. A payment that cannot be is set aside, with its reason; a strange one is what we look for."""

from include.row_rules.expectation import Expectation, columns


def _keys(*names: str) -> tuple[Expectation, ...]:
    return tuple(Expectation("ExpectColumnValuesToNotBeNull", column=name, on_failure="quarantine") for name in names)


ONCE = Expectation("ExpectColumnValuesToBeUnique", column="transaction_id", on_failure="quarantine")

PAYMENTS = (
    *columns(transaction_id="text", customer_id="text", terminal_id="text", paid_at="timestamp", amount="number"),
    *_keys("transaction_id", "customer_id", "terminal_id", "paid_at", "amount"),
    ONCE,
    Expectation("ExpectColumnValuesToBeBetween", column="amount", min_value=0, max_value=100_000, on_failure="quarantine"),
)

REPORTS = (
    *columns(transaction_id="text", customer_id="text", terminal_id="text", fraud="integer", reported_at="timestamp"),
    *_keys("transaction_id", "customer_id", "terminal_id", "fraud", "reported_at"),
    ONCE,
    Expectation("ExpectColumnValuesToBeInSet", column="fraud", value_set=[0, 1], on_failure="quarantine"),
)

# One fraud in two hundred is usual: a training set of one in twenty was sampled, or its labels are something else.
TRAINING_SET = (Expectation("ExpectColumnMeanToBeBetween", column="fraud", min_value=0.0005, max_value=0.05),)

EXPECTATIONS = {"payments": PAYMENTS, "reports": REPORTS, "training_set": TRAINING_SET}
