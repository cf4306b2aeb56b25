"""What every task of ours has unless a DAG says otherwise: its retries, and who is told when it has failed for good."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

TIMEZONE = pendulum.timezone("UTC")  # Airflow serialises no other kind of time zone

RETRIES = ExceptionRetryPolicy(
    rules=[
        RetryRule(  # whoever took over may be a late one that woke up: if this one still counts, its next try has its turn
            exception="include.core.errors.FencedError",
            action=RetryAction.RETRY,
            retry_delay=timedelta(seconds=20),
            reason="another attempt took over",
        ),
        RetryRule(exception="include.core.errors.PermanentError", action=RetryAction.FAIL, reason="a retry cannot help"),
        RetryRule(
            exception="include.core.errors.TransientError",
            action=RetryAction.RETRY,
            retry_delay=timedelta(seconds=20),
            reason="may pass by itself",
        ),
    ]
)

# A killed process leaves no error to classify: its task follows the plain delay, and a retry adopts what it had begun.
TRIES, DELAY = 3, timedelta(seconds=3)
RETRYING: dict[str, Any] = {"retries": TRIES, "retry_delay": DELAY, "retry_policy": RETRIES}

# Who goes first where tasks wait for a slot, of a pool or of the workers: what moves traffic, then what a decision waits for,
# then what there is plenty of. A backfill of features or scores so never stands before a training, beyond the task in hand.
PRIORITY = {"rollout": 100, "experiment": 50, "training": 20, "monitoring": 10}
