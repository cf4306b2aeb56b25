"""Will an order be dear? It has a view of its own, and reads both of the feature set."""

from datetime import date, timedelta

from include.core.spec import Data, Evaluation, Feature, Features, ModelSpec, Monitoring, Rollout, Training, View

HERE = __name__.rpartition(".")[0]

SPEC = ModelSpec(
    name="dear_orders",
    owner="pricing",
    description="Will an order be dear?",
    label="dear",
    data=Data(sources=("orders",), first=date(2013, 1, 1), last=date(2013, 1, 31)),
    features=Features(
        build=f"{HERE}.features:views",
        entities=f"{HERE}.features:entities",
        labels=f"{HERE}.features:labels",
        views=(View(name="hourly", keys=("shelf",), features=(Feature(name="sold"),), ttl=timedelta(days=1)),),
        sets=("buyers",),
        request=(Feature(name="low", dtype="int"),),
    ),
    expectations=f"{HERE}.expectations:EXPECTATIONS",
    training=Training(
        fit="tests.unit.operators.models.shop.train:fit", window_days=20, holdout_days=1, minimum_rows=50, params={"ridge": 1.0}
    ),
    evaluation=Evaluation(minimum=0.3, margin=0.5, max_latency_ms=1000),
    rollout=Rollout(steps=(50, 100), deadline=timedelta(minutes=2)),
    monitoring=Monitoring(window_days=2, minimum_rows=50),
)
