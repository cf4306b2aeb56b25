"""Will this parcel be late? Asked when it is handed to the carrier."""

from datetime import date, timedelta

from include.core.spec import Data, Evaluation, Feature, Features, ModelSpec, Rollout, Training, View

HERE = __package__  # wherever the repository lies, the platform says what this folder is imported as

SPEC = ModelSpec(
    name="parcel_late",
    owner="shop",
    description="Will a parcel be late?",
    label="late",
    data=Data(sources=("parcels",), first=date(2013, 1, 1), last=date(2013, 12, 31)),
    features=Features(
        build=f"{HERE}.features:views",
        entities=f"{HERE}.features:entities",
        labels=f"{HERE}.features:labels",
        views=(View(name="carrier", keys=("carrier",), features=(Feature(name="late_share"),), ttl=timedelta(days=7)),),
        request=(Feature(name="weight"),),
    ),
    expectations=f"{HERE}.expectations:EXPECTATIONS",
    training=Training(fit=f"{HERE}.train:fit", window_days=30, holdout_days=1, minimum_rows=100, params={"C": 1.0}, workers=1),
    evaluation=Evaluation(minimum=0.5, max_latency_ms=50),
    rollout=Rollout(shadow_requests=20, step_requests=20),
)
