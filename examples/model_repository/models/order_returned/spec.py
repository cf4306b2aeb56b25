"""Will this order be sent back? Asked when it is placed."""

from datetime import date, timedelta

from include.core.spec import Data, Evaluation, Feature, Features, ModelSpec, Rollout, Training, View

HERE = __package__  # wherever the repository lies, the platform says what this folder is imported as

SPEC = ModelSpec(
    name="order_returned",
    owner="shop",
    description="Will an order be sent back?",
    label="returned",
    data=Data(sources=("orders",), first=date(2013, 1, 1), last=date(2013, 12, 31)),
    features=Features(
        build=f"{HERE}.features:views",
        entities=f"{HERE}.features:entities",
        labels=f"{HERE}.features:labels",
        views=(View(name="customer", keys=("customer",), features=(Feature(name="returned_share"),), ttl=timedelta(days=7)),),
        request=(Feature(name="price"),),
    ),
    expectations=f"{HERE}.expectations:EXPECTATIONS",
    training=Training(fit=f"{HERE}.train:fit", window_days=30, holdout_days=1, minimum_rows=100, params={"C": 1.0}, workers=1),
    evaluation=Evaluation(minimum=0.5, max_latency_ms=50),
    rollout=Rollout(shadow_requests=20, step_requests=20),
)
