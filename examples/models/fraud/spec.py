"""Is this card payment a fraud? Asked as it is made; the answer is known a week later."""

from datetime import date, timedelta

from include.core.spec import (
    Attribute,
    Binary,
    Costs,
    Data,
    Evaluation,
    Fairness,
    Feature,
    Features,
    ModelSpec,
    Retraining,
    Robustness,
    Rollout,
    Training,
    View,
)

HERE = __name__.removesuffix(".spec")  # the package that this folder is, wherever it was copied to


def paid(who: str) -> tuple[Feature, ...]:
    """What was paid by a customer, or at a terminal. Who has paid nothing yet has no mean."""
    counts = [Feature(name=f"{who}_{what}", default=0.0) for what in ("payments_1d", "paid_1d", "payments_7d", "payments_14d")]
    means = [Feature(name=f"{who}_{what}") for what in ("mean_7d", "mean_14d", "deviation_14d", "largest_14d")]
    return (*counts, *means)


def risk(who: str) -> tuple[Feature, ...]:
    """Frauds that were reported."""
    return tuple(Feature(name=f"{who}_{what}", default=0.0) for what in ("frauds_1d", "frauds_7d", "frauds_14d", "risk_14d"))


FORTNIGHT = timedelta(days=14)

SPEC = ModelSpec(
    name="fraud",
    owner="payments-risk",
    description="Is a card payment a fraud? Asked as it is made; labels come a week later",
    label="fraud",
    # A fraud that is let through costs its amount, and an alert somebody's five minutes; a hundred can be looked at in a day.
    problem=Binary(costs=Costs(false_positive=5.0, false_negative="amount"), alerts=100),
    data=Data(sources=("payments", "reports"), first=date(2024, 1, 1), lookback_days=15),
    features=Features(
        build=f"{HERE}.features:views",
        entities=f"{HERE}.features:entities",
        labels=f"{HERE}.features:labels",
        views=(
            View(name="customer", keys=("customer_id",), features=paid("customer"), ttl=FORTNIGHT, pushed=True),
            View(name="terminal", keys=("terminal_id",), features=paid("terminal"), ttl=FORTNIGHT, pushed=True),
            View(name="customer_risk", keys=("customer_id",), features=risk("customer"), ttl=FORTNIGHT, pushed=True),
            View(name="terminal_risk", keys=("terminal_id",), features=risk("terminal"), ttl=FORTNIGHT, pushed=True),
        ),
        request=(Feature(name="amount"), Feature(name="hour", dtype="int"), Feature(name="weekday", dtype="int")),
    ),
    expectations=f"{HERE}.expectations:EXPECTATIONS",
    training=Training(
        fit=f"{HERE}.train:fit",
        window_days=60,
        holdout_days=14,
        minimum_rows=5_000,
        params={"learning_rate": 0.05, "trees": 150, "leaves": 15, "smallest_leaf": 60, "l2": 5.0, "honest": 8},
    ),
    # Among two hundred honest payments for a fraud, accuracy says nothing and the AUC little.
    evaluation=Evaluation(metric="average_precision", minimum=0.2, margin=0.05, robustness=Robustness(rows=2000, noise=(0.1,))),
    # Of people nothing is known but what they pay: are small payers stopped more often than large ones? A yes is bad for them.
    fairness=Fairness(attributes=(Attribute(column="amount", bins=(20, 80)),), favourable=0, person=("customer_id",)),
    rollout=Rollout(shadow_tolerance=0.1),  # most scores are near .005: a mean difference of a tenth is another model altogether
    # The kinds of fraud change: a model of sixty days is trained again every eighteen.
    retraining=Retraining(on_new_labels=0.3, on_performance_drop=0.1, cooldown=timedelta(days=7)),
)
