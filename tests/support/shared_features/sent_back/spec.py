"""Will an order be sent back? It has no view of its own."""

from datetime import date, timedelta

from include.core.spec import Data, Evaluation, Feature, Features, ModelSpec, Monitoring, Rollout, Training

HERE = __name__.rpartition(".")[0]

SPEC = ModelSpec(
    name="sent_back",
    owner="returns",
    description="Will an order be sent back?",
    label="came_back",
    data=Data(sources=("orders", "returns"), first=date(2013, 1, 1), last=date(2013, 1, 31)),
    features=Features(
        entities=f"{HERE}.features:entities",
        labels=f"{HERE}.features:labels",
        sets=("buyers.customer",),
        request=(Feature(name="price"),),
    ),
    expectations=f"{HERE}.expectations:EXPECTATIONS",
    training=Training(
        fit="tests.unit.operators.models.shop.train:fit", window_days=20, holdout_days=1, minimum_rows=50, params={"ridge": 1.0}
    ),
    evaluation=Evaluation(minimum=0.55, margin=0.3, max_latency_ms=1000, slices=("customer",)),
    rollout=Rollout(steps=(50, 100), deadline=timedelta(minutes=2)),
    monitoring=Monitoring(window_days=2, minimum_rows=50),
)
