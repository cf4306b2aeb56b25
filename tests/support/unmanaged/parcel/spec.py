"""Will a parcel be lost? Every input comes with the request."""

from include.core.spec import Evaluation, Feature, Features, ModelSpec, Monitoring, Rollout

SPEC = ModelSpec(
    name="parcel",
    owner="tests",
    description="Will a parcel be lost?",
    label="lost",
    features=Features(request=(Feature(name="weight", default=1.0), Feature(name="route", dtype="category"))),
    evaluation=Evaluation(max_latency_ms=1000),
    rollout=Rollout(steps=(50, 100), shadow_requests=5, step_requests=5),
    monitoring=Monitoring(window_days=1, minimum_rows=20),
)
