"""Will an order be sent back? Small enough that its whole life takes seconds."""

from datetime import date, timedelta

from include.core.spec import Data, Evaluation, Feature, Features, ModelSpec, Monitoring, Retraining, Rollout, Training, View

HERE = "tests.unit.operators.models.shop"

SPEC = ModelSpec(
    name="shop",
    owner="tests",
    description="Will an order be sent back?",
    label="came_back",
    data=Data(
        sources=("orders", "returns"),
        first=date(2013, 1, 1),
        last=date(2013, 1, 31),
        lookback_days=2,
        subject_columns={"request_id": "id"},
    ),
    features=Features(
        build=f"{HERE}.features:views",
        entities=f"{HERE}.features:entities",
        labels=f"{HERE}.features:labels",
        views=(
            View(
                name="customer",
                keys=("customer",),
                features=(Feature(name="mean_price"), Feature(name="bought")),
                ttl=timedelta(days=2),
            ),
        ),
        request=(Feature(name="price"), Feature(name="shelf", dtype="category")),
    ),
    expectations=f"{HERE}.expectations:EXPECTATIONS",
    training=Training(
        fit=f"{HERE}.train:fit",
        window_days=20,
        holdout_days=1,
        minimum_rows=50,
        params={"ridge": 1.0},
        search={"ridge": (1.0, 9.0)},
    ),
    # Wide limits: these tests are about the tasks, and the machine may be busy.
    evaluation=Evaluation(minimum=0.55, margin=0.3, max_latency_ms=1000, slices=("shelf",)),
    # alpha: a healthy challenger must not be unlucky once in twenty test runs.
    rollout=Rollout(  # forty customers can show no small error rate: half is accepted here
        steps=(50, 100),
        shadow_requests=30,
        step_requests=20,
        deadline=timedelta(minutes=2),
        alpha=0.0001,
        margin=10,
        error_floor=0.05,
    ),
    monitoring=Monitoring(window_days=2, minimum_rows=50),
    retraining=Retraining(on_new_labels=0.1, minimum_labels=10, cooldown=timedelta(0), consecutive=1),
)
