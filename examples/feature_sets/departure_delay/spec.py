"""Will this flight leave New York 30 minutes late or more? Asked at its scheduled departure. All of its views are the set's."""

from datetime import date

from include.core.spec import Data, Evaluation, Feature, Features, ModelSpec, Rollout, Training

HERE = __name__.removesuffix(".spec")

SPEC = ModelSpec(
    name="departure_delay",
    owner="ground-operations",
    description="Will a flight leave 30 minutes late or more?",
    label="left_late",
    data=Data(sources=("landings",), first=date(2013, 1, 1), last=date(2013, 12, 31)),
    features=Features(
        entities=f"{HERE}.features:entities",
        labels=f"{HERE}.features:labels",
        sets=("airport_weather.weather",),
        request=(Feature(name="carrier_code", dtype="category"), Feature(name="hour", dtype="int")),
    ),
    expectations=f"{HERE}.expectations:EXPECTATIONS",
    training=Training(
        fit="examples.models.late_departure.train:fit", window_days=30, holdout_days=2, minimum_rows=500, params={"C": 0.5},
        workers=1,
    ),
    evaluation=Evaluation(minimum=0.5, baseline="carrier_code"),
    rollout=Rollout(shadow_requests=20, step_requests=5),
)  # fmt: skip
