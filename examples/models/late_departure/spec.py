"""Will this flight leave New York 30 minutes late or more? Asked at its scheduled departure."""

from datetime import date, timedelta

from include.core.spec import Data, Evaluation, Feature, Features, ModelSpec, Rollout, Training, View

HERE = __name__.removesuffix(".spec")  # the package that this folder is, wherever it was copied to

SPEC = ModelSpec(
    name="late_departure",
    owner="ground-operations",
    description="Will a flight leave 30 minutes late or more?",
    label="left_late",
    data=Data(sources=("landings", "weather"), first=date(2013, 1, 1), last=date(2013, 12, 31)),
    features=Features(
        build=f"{HERE}.features:views",
        entities=f"{HERE}.features:entities",
        labels=f"{HERE}.features:labels",
        views=(
            View(
                name="sky", keys=("origin",), features=(Feature(name="visib"), Feature(name="wind_speed")), ttl=timedelta(hours=6)
            ),
        ),
        request=(Feature(name="carrier_code", dtype="category"), Feature(name="hour", dtype="int")),
    ),
    expectations=f"{HERE}.expectations:EXPECTATIONS",
    training=Training(fit=f"{HERE}.train:fit", window_days=30, holdout_days=2, minimum_rows=500, params={"C": 0.5}, workers=1),
    evaluation=Evaluation(minimum=0.5, baseline="carrier_code"),
    rollout=Rollout(shadow_requests=20, step_requests=5),
)
