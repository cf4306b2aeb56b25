"""How a card was used in the minutes before each payment: what a fraud score asks."""

from datetime import date, timedelta

from include.core.spec import Column, Data, EventSource, Feature, Features, ModelSpec, Streams, Training, View

HERE = "benchmarks.streams.models.cards.spec"
EXPECTATIONS: dict[str, object] = {}


def build(day: date) -> dict[str, str]:
    """Counts and sums over ten minutes and over one, of whole numbers: so that any order of events gives equal values."""
    return {
        "card": f"""
            SELECT card, paid_at AS event_timestamp, max(n10) AS payments_10m, max(s10) AS cents_10m, max(m10) AS largest_10m,
                max(n1) AS payments_1m
            FROM (
                SELECT card, paid_at, count(*) OVER ten AS n10, sum(cents) OVER ten AS s10, max(cents) OVER ten AS m10,
                    count(*) OVER one AS n1
                FROM payments WINDOW
                    ten AS (PARTITION BY card ORDER BY paid_at RANGE BETWEEN INTERVAL 10 MINUTE PRECEDING AND CURRENT ROW),
                    one AS (PARTITION BY card ORDER BY paid_at RANGE BETWEEN INTERVAL 1 MINUTE PRECEDING AND CURRENT ROW)
            ) WHERE paid_at >= TIMESTAMP '{day}' AND paid_at < TIMESTAMP '{day + timedelta(days=1)}' GROUP BY card, paid_at
        """
    }


SPEC = ModelSpec(
    name="cards",
    owner="payments",
    description="Is this payment a fraud?",
    label="fraud",
    data=Data(sources=("payments",), first=date(2024, 1, 1), lookback_days=1),
    features=Features(
        build=f"{HERE}:build",
        entities="x:b",
        labels="x:c",
        views=(
            View(
                name="card",
                keys=("card",),
                features=tuple(Feature(name=n, dtype="int") for n in ("payments_10m", "cents_10m", "largest_10m", "payments_1m")),
            ),
        ),
    ),
    streams=Streams(
        sources=(
            EventSource(
                source="payments",
                topics=("payments",),
                columns=(
                    Column(name="card", type="text"),
                    Column(name="cents", type="int", required=True),
                    Column(name="paid_at", type="time"),
                ),
                time="paid_at",
            ),
        ),
        key="card",
        late=timedelta(minutes=20),
        window=timedelta(minutes=10),
    ),
    expectations=f"{HERE}:EXPECTATIONS",
    training=Training(fit="x:e"),
)
