"""What a month on AWS costs at three sizes, as the table of docs/aws.md: `python scripts/aws_costs.py`.

Each line is an amount times a price. The prices are list prices of us-east-1 in US dollars as they were remembered in 2026, and
have not been looked up: check them at https://calculator.aws before you decide by them.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

HOURS = 730.0  # of a month
NODE = 4  # processors of one machine of the cluster

PRICES = {
    "S3, a GB": 0.023,
    "S3, a million writes": 5.00,
    "S3, a million reads": 0.40,
    "DynamoDB, a million write units": 0.625,
    "DynamoDB, a million read units": 0.125,
    "DynamoDB, a GB": 0.25,
    "PostgreSQL db.t4g.small, an hour": 0.032,
    "PostgreSQL db.m7g.large, an hour": 0.168,
    "PostgreSQL, a GB": 0.115,
    "Valkey cache.t4g.micro, an hour": 0.0128,
    "Valkey cache.t4g.small, an hour": 0.0256,
    "EKS, an hour": 0.10,
    "a machine of 4 processors and 16 GB, an hour": 0.192,
    "SageMaker ml.m5.xlarge, an hour": 0.23,
    "SageMaker ml.c5.4xlarge, an hour": 0.816,
    "NAT gateway, an hour": 0.045,
    "NAT gateway, a GB": 0.045,
    "CloudWatch Logs, a GB": 0.50,
    "a secret": 0.40,
    "a KMS key": 1.00,
}
SECRETS = 13  # that infra/aws makes


class Size(NamedTuple):
    """What is done in a month."""

    name: str
    predictions: float
    """Million."""
    views: int
    """Views of features that a prediction reads."""
    rows: float
    """Million rows materialized, of up to 1 KB."""
    stored: float
    """GB under the root, versions of 30 days included."""
    trainings: int
    hours: float
    """Of one training, on `machine`."""
    machine: str
    spot: float
    """The share of the price that spot takes off."""
    processors: int
    """Of Airflow, gateways and MLflow together."""
    twice: bool
    """Whether database and broker have a copy in another zone."""


SIZES = (
    Size("small: one model, a team's first", 1, 2, 1, 50, 8, 0.5, "SageMaker ml.m5.xlarge, an hour", 0.0, 8, False),
    Size("medium: ten models", 100, 4, 50, 1000, 80, 1, "SageMaker ml.m5.xlarge, an hour", 0.6, 24, True),
    Size("large: fifty models, busy", 2000, 4, 600, 10000, 400, 2, "SageMaker ml.c5.4xlarge, an hour", 0.6, 96, True),
)


def lines(size: Size) -> dict[str, float]:
    """Dollars a month, by what they are paid for."""
    p, copies = PRICES, 2 if size.twice else 1
    database = "PostgreSQL db.m7g.large" if size.twice else "PostgreSQL db.t4g.small"
    broker = "Valkey cache.t4g.small" if size.twice else "Valkey cache.t4g.micro"
    reads = size.predictions * size.views * 0.5 + size.rows  # eventually consistent; and the read-back after a write
    machines = ceil(size.processors / NODE)
    shipped = size.predictions / 1000 + machines * 2 * HOURS * 720 / 1_000_000  # files of the prediction log: one in 5 s at most
    return {
        "machines of the cluster": p["EKS, an hour"] * HOURS
        + machines * p["a machine of 4 processors and 16 GB, an hour"] * HOURS,
        "training": size.trainings * size.hours * p[size.machine] * (1 - size.spot),
        "PostgreSQL": copies * (p[f"{database}, an hour"] * HOURS + (100 if size.twice else 20) * p["PostgreSQL, a GB"]),
        "Airflow's broker": copies * p[f"{broker}, an hour"] * HOURS,
        "online store": size.rows * p["DynamoDB, a million write units"]
        + reads * p["DynamoDB, a million read units"]
        + size.rows / 30 * p["DynamoDB, a GB"],
        "storage root": size.stored * p["S3, a GB"]
        + shipped * p["S3, a million writes"]
        + 5 * shipped * p["S3, a million reads"],
        "network, logs, secrets, key": p["NAT gateway, an hour"] * HOURS
        + size.stored / 10 * p["NAT gateway, a GB"]
        + machines * 2 * p["CloudWatch Logs, a GB"]
        + SECRETS * p["a secret"]
        + p["a KMS key"],
    }


def table() -> str:
    """The sizes side by side, in whole dollars."""
    costs = [lines(size) for size in SIZES]
    rows = ["| a month, in dollars | " + " | ".join(size.name for size in SIZES) + " |", "|---|" + "---:|" * len(SIZES)]
    rows += [f"| {name} | " + " | ".join(f"{cost[name]:,.0f}" for cost in costs) + " |" for name in costs[0]]
    rows.append("| **together** | " + " | ".join(f"**{sum(cost.values()):,.0f}**" for cost in costs) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
